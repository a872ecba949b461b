//! What a plain scalar means: YAML 1.2's core schema, as the Kubernetes API reads it.

/// A plain scalar's meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plain<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub(crate) fn resolve(text: &str) -> Plain<'_> {
    match text {
        _ if is_null(text) => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Plain::Float(f64::NAN),
        _ => {}
    }
    let Some(first) = text.bytes().next() else { return Plain::Null };
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Plain::Text(text);
    }
    if let Some(integer) = integer(text) {
        return Plain::Integer(integer);
    }
    // `f64` also reads "infinity" and "nan", which are texts in YAML.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text.parse() {
        Ok(float) if is_number => Plain::Float(float),
        _ => Plain::Text(text),
    }
}

fn integer(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| i128::from_str_radix(digits, 16).ok())?;
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits.bytes().all(|b| b.is_ascii_digit()).then(|| i128::from_str_radix(digits, 8).ok())?;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, meaning) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("true", Plain::Bool(true)),
            ("yes", Plain::Text("yes")),
            ("80", Plain::Integer(80)),
            ("-1", Plain::Integer(-1)),
            ("0x1F", Plain::Integer(31)),
            ("0o17", Plain::Integer(15)),
            ("1.5", Plain::Float(1.5)),
            ("1e3", Plain::Float(1000.0)),
            ("infinity", Plain::Text("infinity")),
            ("10.0.0.1", Plain::Text("10.0.0.1")),
            ("10s", Plain::Text("10s")),
            ("-", Plain::Text("-")),
            ("0x", Plain::Text("0x")),
            ("127.0.0.1:80", Plain::Text("127.0.0.1:80")),
        ] {
            assert_eq!(resolve(text), meaning, "{text}");
        }
    }
}
