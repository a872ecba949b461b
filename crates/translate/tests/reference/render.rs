//! Schemas as a page of Markdown: a section a kind, a line a field.

use irongate_translate::schema::KindSchema;
use serde_json::Value;
use std::fmt::Write as _;

const HEAD: &str = "\
# Configuration reference

Written by `cargo xtask docs` from the types that read the files; do not edit.

Every object has `apiVersion`, `kind` and `metadata`. Of `metadata` count `name`, `namespace` (`default` where none is written) and
`labels`; of two objects of one kind and name, the first that is read counts. A file holds any number of objects, separated by `---`.
`irongate schema KIND` prints the same as JSON schemas for editors; see [commands](commands.md).

A field with **!** is required. `[]` stands for each item of a list, `{}` for each value of a mapping.
";

/// The page.
pub(crate) fn reference(kinds: &[KindSchema]) -> String {
    let mut text = HEAD.to_owned();
    text.push('\n');
    for kind in kinds {
        let _ = writeln!(text, "- [{}](#{})", kind.kind, kind.kind.to_lowercase());
    }
    for kind in kinds {
        let _ = writeln!(text, "\n## {}\n", kind.kind);
        let versions: Vec<String> =
            kind.api_versions().iter().map(|version| format!("`apiVersion: {version}`")).collect();
        let schema = kind.schema();
        let _ = writeln!(text, "{}\n{}\n", versions.join(" or "), description(&schema));
        text.push_str("| field | type | default | |\n|---|---|---|---|\n");
        let mut page = Page { root: &schema, text: &mut text, depth: 0 };
        let own = ["apiVersion", "kind", "metadata", "status"];
        page.fields(&schema, "", &own);
    }
    text
}

struct Page<'s, 't> {
    root: &'s Value,
    text: &'t mut String,
    depth: usize,
}

impl<'s> Page<'s, '_> {
    /// The fields of a mapping, each with those below it.
    fn fields(&mut self, schema: &'s Value, path: &str, skipped: &[&str]) {
        // No kind is that deep; a type that held itself would be.
        if self.depth > 12 {
            return;
        }
        self.depth += 1;
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if skipped.contains(&name.as_str()) {
                continue;
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let mark = if required.iter().any(|one| one == name) { " **!**" } else { "" };
            let (kind, inner, suffix) = self.kind(field);
            let default =
                field.get("default").map_or(String::new(), |default| format!("`{}`", bare(default)));
            let what = self.what(field, inner);
            let _ = writeln!(self.text, "| `{path}{suffix}`{mark} | {kind} | {default} | {what} |");
            self.fields(inner, &format!("{path}{suffix}"), &[]);
        }
        self.depth -= 1;
    }

    /// What a reference stands for.
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
        match reference.and_then(Value::as_str) {
            Some(reference) => {
                self.resolve(self.root.pointer(reference.trim_start_matches('#')).unwrap_or(schema))
            }
            None => schema,
        }
    }

    /// The type of a field in words, what is in it, and what its path ends with.
    fn kind(&self, field: &'s Value) -> (String, &'s Value, &'static str) {
        let schema = self.resolve(field);
        if let Some(items) = schema.get("items") {
            let (kind, inner, suffix) = self.kind(items);
            return (format!("list of {kind}"), inner, if suffix == "{}" { "[]{}" } else { "[]" });
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            let (kind, inner, _) = self.kind(values);
            return (format!("mapping to {kind}"), inner, "{}");
        }
        if schema.get("oneOf").is_some() || schema.get("enum").is_some() {
            return ("one of".to_owned(), schema, "");
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice).0).collect();
            let inner =
                choices.iter().map(|choice| self.kind(choice).1).find(|one| one.get("properties").is_some());
            return (kinds.join(" or "), inner.unwrap_or(schema), "");
        }
        let name = |kind: &str| match kind {
            "object" => "mapping".to_owned(),
            "string" if schema.get("pattern").is_some() => pattern_name(schema),
            "string" => "text".to_owned(),
            other => other.to_owned(),
        };
        let kind = match &schema["type"] {
            Value::String(kind) => name(kind),
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or ")
            }
            _ => "any".to_owned(),
        };
        (format!("{kind}{}", bounds(schema)), schema, "")
    }

    /// What a field is for: its own description, then its type's values.
    fn what(&self, field: &'s Value, inner: &'s Value) -> String {
        let own = description(field);
        let mut what = if own.is_empty() { description(self.resolve(field)) } else { own };
        let choices = inner["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut values = Vec::new();
        for choice in choices {
            let said = description(choice);
            match (choice.get("const"), choice["enum"].as_array()) {
                (Some(value), _) if said.is_empty() => values.push(format!("`{}`", bare(value))),
                (Some(value), _) => values.push(format!("`{}`: {said}", bare(value))),
                (None, Some(list)) => values.extend(list.iter().map(|value| format!("`{}`", bare(value)))),
                (None, None) => {}
            }
        }
        let list = inner["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
        values.extend(list.iter().map(|value| format!("`{}`", bare(value))));
        if !values.is_empty() {
            let _ = write!(what, "<br>{}", values.join("<br>"));
        }
        what.replace('|', "\\|")
    }
}

fn pattern_name(schema: &Value) -> String {
    let examples = schema["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
    match examples.iter().find(|example| example.is_string()) {
        Some(example) => format!("text like `{}`", bare(example)),
        None => "text".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) if *min != 0 => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        _ => String::new(),
    }
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
