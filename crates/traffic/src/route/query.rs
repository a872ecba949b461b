//! Query parameters as route matches see them.
//!
//! A query is read as `application/x-www-form-urlencoded` (WHATWG URL §5.1), as what is behind us will read it:
//! pairs are parted by `&`, a name ends at the first `=`, `+` is a space and `%XX` a byte; a `%` without two
//! hex digits stands for itself. Otherwise `?na%6De=x` would pass by a rule on `name`. Case counts.

/// The value of the first parameter of a name, not yet decoded. `name` is what it decodes to.
pub(crate) fn first_value<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = query;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let pair = &rest[..end];
        // No name gets longer by decoding, so most of the pairs are passed over by their length.
        if pair.len() >= name.len() {
            let equals = memchr::memchr(b'=', pair);
            if decodes_to(&pair[..equals.unwrap_or(pair.len())], name) {
                return Some(equals.map_or(&[], |at| &pair[at + 1..]));
            }
        }
        rest = rest.get(end + 1..)?;
    }
}

/// Whether `raw` decodes to `text`; nothing is copied.
pub(crate) fn decodes_to(raw: &[u8], text: &[u8]) -> bool {
    if is_plain(raw) { raw == text } else { decode(raw).eq(text.iter().copied()) }
}

/// Whether decoding changes nothing.
pub(crate) fn is_plain(raw: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', raw).is_none()
}

/// The decoded bytes.
pub(crate) fn decode(raw: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (byte, length) = match *rest {
            [] => return None,
            [b'+', ..] => (b' ', 1),
            [b'%', high, low, ..] => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [byte, ..] => (byte, 1),
        };
        rest = &rest[length..];
        Some(byte)
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, name: &str, expected: Option<&str>) {
        let value = first_value(query.as_bytes(), name.as_bytes());
        let value = value.map(|raw| String::from_utf8(decode(raw).collect()).expect("text"));
        assert_eq!(value.as_deref(), expected, "{name} in {query}");
    }

    #[test]
    fn the_first_value_of_a_name_is_found() {
        check("a=1&b=2&a=3", "a", Some("1"));
        check("a=1&b=2&a=3", "b", Some("2"));
        check("ab=1", "a", None);
        check("A=1", "a", None);
        check("a", "a", Some(""));
        check("a=", "a", Some(""));
        check("a=b=c", "a", Some("b=c"));
        check("", "a", None);
        check("&&a=1&", "a", Some("1"));
        check("x=1;a=2", "a", None);
        check("=1", "a", None);
    }

    #[test]
    fn names_and_values_are_decoded() {
        check("na%6De=x", "name", Some("x"));
        check("a=%41%2b+c", "a", Some("A+ c"));
        check("a+b=1", "a b", Some("1"));
        check("a%2Bb=1", "a+b", Some("1"));
        check("a+b=1", "a+b", None);
        check("a%=1", "a%", Some("1"));
        check("a%4=1", "a%4", Some("1"));
        check("a=%zz%", "a", Some("%zz%"));
    }

    #[test]
    fn decoding_is_compared_without_a_copy() {
        for raw in ["", "a", "a+b", "%61", "%", "%6", "%6g", "a%20b", "+", "%2B"] {
            let decoded: Vec<u8> = decode(raw.as_bytes()).collect();
            assert!(decodes_to(raw.as_bytes(), &decoded), "{raw}");
            assert_eq!(decodes_to(raw.as_bytes(), raw.as_bytes()), decoded == raw.as_bytes(), "{raw}");
        }
    }
}
