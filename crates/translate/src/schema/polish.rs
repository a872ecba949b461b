//! From what is derived to what an editor shows.

use serde_json::{Map, Value, json};

/// Makes a derived schema fit for editors, in place and all the way down:
/// `null` is nowhere a value of its own, fields that the type does not have are refused, references are in draft 7's
/// form, and descriptions are plain sentences.
pub(super) fn polish(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    without_null(object);
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".into(), false.into());
    }
    // Rust's own names of number types.
    if object.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
        object.remove("format");
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = plain(description);
    }
    if let Some(Value::String(reference)) = object.get_mut("$ref") {
        *reference = reference.replace("#/$defs/", "#/definitions/");
    }
    // Draft 7 looks at nothing that stands beside a reference.
    if object.len() > 1
        && let Some(reference) = object.remove("$ref")
    {
        object.insert("allOf".into(), json!([{ "$ref": reference }]));
    }
    for (keyword, value) in object {
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(polish);
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" => polish(value),
            "anyOf" | "allOf" | "oneOf" => value.as_array_mut().into_iter().flatten().for_each(polish),
            _ => {}
        }
    }
}

/// A field that is `null` is a field that is not there.
fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = &choices[..] {
        let only = only.clone();
        object.remove("anyOf");
        for (keyword, value) in only {
            // The field's own description says more than its type's.
            object.entry(keyword).or_insert(value);
        }
    }
}

/// A doc comment without its links: ``[`Name`](path)`` and ``[`path::Name`]`` become `` `Name` ``; lines are joined.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let joined =
        text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    let mut rest = joined.as_str();
    while let Some(start) = rest.find("[`") {
        let Some(length) = rest[start..].find("`]") else { break };
        let name = &rest[start + 2..start + length];
        plain.push_str(&rest[..start]);
        plain.push('`');
        plain.push_str(name.rsplit("::").next().unwrap_or(name));
        plain.push('`');
        rest = &rest[start + length + 2..];
        if rest.starts_with('(')
            && let Some(end) = rest.find(')')
        {
            rest = &rest[end + 1..];
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut derived: Value, expected: &Value) {
        polish(&mut derived);
        assert_eq!(derived, *expected);
    }

    #[test]
    fn null_is_absence() {
        check(json!({ "type": ["string", "null"], "default": null }), &json!({ "type": "string" }));
        check(
            json!({ "description": "Its own.", "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] }),
            &json!({ "description": "Its own.", "allOf": [{ "$ref": "#/definitions/A" }] }),
        );
    }

    #[test]
    fn unknown_fields_are_refused_at_every_depth() {
        check(
            json!({ "type": "array", "items": { "type": "object", "properties": { "a": { "format": "uint16" } } } }),
            &json!({ "type": "array", "items": { "type": "object", "properties": { "a": {} }, "additionalProperties": false } }),
        );
    }

    #[test]
    fn descriptions_have_no_links() {
        for (text, expected) in [
            ("See [`a::B`].", "See `B`."),
            ("Ours is [`X`](super::X), and\nno other.", "Ours is `X`, and no other."),
            ("An [odd` text", "An [odd` text"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
