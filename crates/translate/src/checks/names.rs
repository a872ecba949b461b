//! Forms of names, as the Kubernetes API checks them. Each function gives what is wrong, as the rest of a sentence
//! that begins with the name; nothing where it is well.

/// A DNS label (RFC 1123): names of Services, of Namespaces and of ports.
pub(crate) fn label(text: &str) -> Option<&'static str> {
    match text.len() {
        0 => Some("is empty"),
        64.. => Some("is longer than 63 characters"),
        _ if !is_label(text) => Some(
            "may hold only lower-case letters, digits and '-', and begins and ends with a letter or digit",
        ),
        _ => None,
    }
}

/// A DNS name (RFC 1123 subdomain): names of most objects.
pub(crate) fn subdomain(text: &str) -> Option<&'static str> {
    match text.len() {
        0 => Some("is empty"),
        254.. => Some("is longer than 253 characters"),
        _ if !text.split('.').all(is_label) => Some(
            "may hold only lower-case letters, digits, '-' and '.', and each part between dots begins and ends \
             with a letter or digit",
        ),
        _ => None,
    }
}

/// A name in DNS, whose labels may begin with an underscore (RFC 2782).
pub(crate) fn domain(text: &str) -> Option<&'static str> {
    let is_part = |part: &str| {
        let rest = part.strip_prefix('_').unwrap_or(part);
        part.len() <= 63 && is_label(&rest.to_ascii_lowercase())
    };
    match text.len() {
        0 => Some("is empty"),
        254.. => Some("is longer than 253 characters"),
        _ if !text.split('.').all(is_part) => Some(
            "may hold only letters, digits, '-', '.', and '_' before a part, and each part begins and ends with a letter or \
             digit",
        ),
        _ => None,
    }
}

/// The name of a container's port (RFC 6335 section 5.1).
pub(crate) fn port(text: &str) -> Option<&'static str> {
    match text.len() {
        0 => Some("is empty"),
        16.. => Some("is longer than 15 characters"),
        _ if !is_label(text) || text.contains("--") => Some(
            "may hold only lower-case letters, digits and single '-', and begins and ends with a letter or digit",
        ),
        _ if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => Some("needs a letter"),
        _ => None,
    }
}

/// The key of a label, or an `appProtocol`: a name, and perhaps a domain and a `/` before it.
pub(crate) fn qualified(text: &str) -> Option<&'static str> {
    let name = match text.split_once('/') {
        None => text,
        Some((domain, name)) if subdomain(domain).is_none() => name,
        Some(_) => return Some("has something other than a domain before the '/'"),
    };
    match name.len() {
        0 => Some("has no name"),
        64.. => Some("has a name of more than 63 characters"),
        _ if !is_word(name) => Some(
            "may hold only letters, digits, '-', '_' and '.', and begins and ends with a letter or digit; a domain and \
             one '/' may stand before",
        ),
        _ => None,
    }
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Option<&'static str> {
    match text.len() {
        64.. => Some("is longer than 63 characters"),
        1.. if !is_word(text) => Some(
            "may hold only letters, digits, '-', '_' and '.', and begins and ends with a letter or digit",
        ),
        _ => None,
    }
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_word(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.bytes().all(is_inner) && is_end(bytes.first()) && is_end(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_forms_that_kubernetes_gives_them() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(127);
        type Form = fn(&str) -> Option<&'static str>;
        for (form, good, bad) in [
            (
                label as Form,
                &["a", "a-b", "0", "a--b"][..],
                &["", "A", "-a", "a-", "a.b", "a_b", "ä", &long][..],
            ),
            (
                subdomain,
                &["a", "a.b", "0.0", &long],
                &["", ".", "a..b", "a.-b", "a-.b", "A.b", "a.", &longer],
            ),
            (port, &["http", "h2-c", "1a"], &["", "80", "a--b", "-a", "HTTP", "abcdefghijklmnop"]),
            (
                qualified,
                &["a", "A_b.c", "kubernetes.io/h2c", "a.b/C"],
                &["", "/a", "a/", "a/b/c", "A/b", "a b", "-a", &long],
            ),
            (label_value, &["", "a", "A_b.c"], &["a ", "-a", "a/b", "ä", &long]),
        ] {
            for text in good {
                assert_eq!(form(text), None, "{text}");
            }
            for text in bad {
                assert!(form(text).is_some(), "{text}");
            }
        }
    }
}
