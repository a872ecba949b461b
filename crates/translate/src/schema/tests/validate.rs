//! A validator of the keywords that the schemas use; any other keyword fails the test, so that none goes unchecked.
//! The crates that validate every draft bring some forty others with them.

use regex_automata::meta::Regex;
use serde_json::{Map, Value};

/// What is wrong with a value: `/path/to/it: what`.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut validator = Validator { root: schema, faults: Vec::new() };
    validator.check(schema, value, "");
    validator.faults
}

struct Validator<'s> {
    root: &'s Value,
    faults: Vec<String>,
}

impl<'s> Validator<'s> {
    fn fault(&mut self, path: &str, what: impl std::fmt::Display) {
        self.faults.push(format!("{path}: {what}"));
    }

    fn fits(&self, schema: &'s Value, value: &Value, path: &str) -> bool {
        let mut validator = Validator { root: self.root, faults: Vec::new() };
        validator.check(schema, value, path);
        validator.faults.is_empty()
    }

    fn check(&mut self, schema: &'s Value, value: &Value, path: &str) {
        let Value::Object(keywords) = schema else {
            return if *schema != Value::Bool(true) {
                self.fault(path, "is not allowed")
            };
        };
        for (keyword, argument) in keywords {
            self.keyword(keywords, keyword, argument, value, path);
        }
    }

    fn keyword(
        &mut self,
        keywords: &'s Map<String, Value>,
        keyword: &str,
        argument: &'s Value,
        value: &Value,
        path: &str,
    ) {
        match keyword {
            "$schema" | "title" | "description" | "default" | "examples" | "definitions" | "then"
            | "format" => {}
            "$ref" => {
                let pointer = argument.as_str().expect("a text").trim_start_matches('#');
                self.check(self.root.pointer(pointer).expect("it is defined"), value, path);
            }
            "type" => {
                let is = |name: &Value| is_of_type(value, name.as_str().expect("a text"));
                let fits = argument.as_array().map_or_else(|| is(argument), |names| names.iter().any(is));
                if !fits {
                    self.fault(path, format_args!("is not of the type {argument}"));
                }
            }
            "enum" if !list(argument).contains(value) => {
                self.fault(path, format_args!("is not of {argument}"))
            }
            "const" if argument != value => self.fault(path, format_args!("is not {argument}")),
            "enum" | "const" => {}
            "minimum" if value.as_f64().is_some_and(|number| Some(number) < argument.as_f64()) => {
                self.fault(path, format_args!("is less than {argument}"));
            }
            "maximum" if value.as_f64().is_some_and(|number| Some(number) > argument.as_f64()) => {
                self.fault(path, format_args!("is more than {argument}"));
            }
            "minimum" | "maximum" => {}
            "minItems" => self.length(value.as_array().map(Vec::len), argument, true, path),
            "maxItems" => self.length(value.as_array().map(Vec::len), argument, false, path),
            "minLength" => self.length(value.as_str().map(str::len), argument, true, path),
            "maxLength" => self.length(value.as_str().map(str::len), argument, false, path),
            "pattern" => {
                let pattern = Regex::new(argument.as_str().expect("a text")).expect("a pattern");
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    self.fault(path, format_args!("does not fit {argument}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(argument, item, &format!("{path}/{index}"));
                }
            }
            "required" => {
                for name in list(argument) {
                    if value.is_object() && value.get(name.as_str().expect("a text")).is_none() {
                        self.fault(path, format_args!("`{}` is missing", name.as_str().unwrap_or_default()));
                    }
                }
            }
            "properties" | "additionalProperties" => self.fields(keywords, keyword, argument, value, path),
            "allOf" => list(argument).iter().for_each(|schema| self.check(schema, value, path)),
            "anyOf" if !list(argument).iter().any(|schema| self.fits(schema, value, path)) => {
                self.fault(path, "is none of what is allowed");
            }
            "oneOf" if list(argument).iter().filter(|schema| self.fits(schema, value, path)).count() != 1 => {
                self.fault(path, "is not one of what is allowed");
            }
            "anyOf" | "oneOf" => {}
            "if" => {
                if self.fits(argument, value, path) {
                    self.check(&keywords["then"], value, path);
                }
            }
            other => panic!("the keyword {other} is not checked here"),
        }
    }

    fn fields(
        &mut self,
        keywords: &'s Map<String, Value>,
        keyword: &str,
        argument: &'s Value,
        value: &Value,
        path: &str,
    ) {
        let known = keywords.get("properties").and_then(Value::as_object);
        for (name, field) in value.as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            match known.and_then(|known| known.get(name)) {
                Some(schema) if keyword == "properties" => self.check(schema, field, &path),
                None if keyword == "additionalProperties" && *argument == Value::Bool(false) => {
                    self.fault(&path, "is not a field");
                }
                None if keyword == "additionalProperties" => self.check(argument, field, &path),
                _ => {}
            }
        }
    }

    fn length(&mut self, length: Option<usize>, argument: &Value, is_least: bool, path: &str) {
        let bound = argument.as_u64().expect("a number") as usize;
        if length.is_some_and(|length| if is_least { length < bound } else { length > bound }) {
            self.fault(path, "has a wrong length");
        }
    }
}

fn list(argument: &Value) -> &[Value] {
    argument.as_array().expect("a list")
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type {other} is not checked here"),
    }
}
