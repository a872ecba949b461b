use super::PathError::{Character, Escape, HiddenDots, Nul, Overlong, Relative};
use super::*;
use proptest::prelude::*;

fn canonical(raw: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut out = b"left over".to_vec();
    Ok(if canonicalize(raw, &mut out)? { out } else { raw.to_vec() })
}

fn check(cases: &[(&str, Result<&str, PathError>)]) {
    for (raw, expected) in cases {
        let found = canonical(raw.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{raw}");
    }
}

#[test]
fn what_is_data_stays() {
    for raw in [
        "/",
        "//",
        "/a//b",
        "/a.b/.c/...",
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/%40scope%2Fpackage",
        "/a;b=c/d",
        "/%C3%A9",
        "/%E9t%E9",
        "/a%20b%25",
        "/..a",
        "/a..",
        "/[x]|^{}<>\"`",
        "/.well-known/x",
        "/%2525",
    ] {
        check(&[(raw, Ok(raw))]);
    }
}

#[test]
fn unreserved_characters_are_decoded_and_dots_resolved() {
    check(&[
        ("/%61%7E%2d%5f", Ok("/a~-_")),
        ("/a/./b", Ok("/a/b")),
        ("/a/../b", Ok("/b")),
        ("/a/..", Ok("/")),
        ("/a/b/..", Ok("/a/")),
        ("/a/.", Ok("/a/")),
        ("/.", Ok("/")),
        ("/..", Ok("/")),
        ("/../../a", Ok("/a")),
        ("/a//../b", Ok("/a/b")),
        ("/a/%2e%2E/b", Ok("/b")),
        ("/a/.%2e/b", Ok("/b")),
        ("/%2e", Ok("/")),
        ("//..", Ok("/")),
        ("//../a", Ok("/a")),
        ("/a/b/c/./../../g", Ok("/a/g")),
        ("/%66oo%2Fbar", Ok("/foo%2Fbar")),
    ]);
}

#[test]
fn what_hides_something_is_refused() {
    check(&[
        ("", Err(Relative)),
        ("a", Err(Relative)),
        ("/a\\b", Err(Character)),
        ("/a b", Err(Character)),
        ("/a\u{e9}", Err(Character)),
        ("/a#b", Err(Character)),
        ("/%", Err(Escape)),
        ("/%4", Err(Escape)),
        ("/%zz", Err(Escape)),
        ("/%%32e", Err(Escape)),
        ("/%+1", Err(Escape)),
        ("/a%00", Err(Nul)),
        ("/a%2500.b", Err(Nul)),
        ("/%25%30%30", Err(Nul)),
        ("/%c0%ae%c0%ae/x", Err(Overlong)),
        ("/%C1%81", Err(Overlong)),
        ("/%e0%80%af", Err(Overlong)),
        ("/%f0%80%80%af", Err(Overlong)),
        ("/%f8%80%80%80%af", Err(Overlong)),
        ("/%25c0%25ae", Err(Overlong)),
        ("/a/..%2fb", Err(HiddenDots)),
        ("/a%2f..%2fb", Err(HiddenDots)),
        ("/a%2f..", Err(HiddenDots)),
        ("/a%5c..%5Cb", Err(HiddenDots)),
        ("/a/..%5cb", Err(HiddenDots)),
        ("/%252e%252e/a", Err(HiddenDots)),
        ("/a/%252e", Err(HiddenDots)),
        ("/a%252f..%252fb", Err(HiddenDots)),
        ("/a/..;/b", Err(HiddenDots)),
        ("/a/..;x=y", Err(HiddenDots)),
        ("/a/.;/b", Err(HiddenDots)),
        ("/a/%2e%2e%3bx/b", Err(HiddenDots)),
        ("/a;%2f../b", Err(HiddenDots)),
    ]);
}

#[test]
fn decoding_holds_what_it_read_ahead() {
    for (text, expected) in
        [("%2%35", "%25"), ("%%41", "%A"), ("%", "%"), ("%4", "%4"), ("%41%", "A%"), ("%%%41x", "%%Ax")]
    {
        let decoded: Vec<u8> = Decode::new(text.bytes()).collect();
        assert_eq!(String::from_utf8(decoded).unwrap(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn canonical_paths_stay(raw in "(/|[.]|%2[eEfF]|%25|%5c|%41|;|a|%[0-9a-f]{2}){0,24}") {
        let raw = format!("/{raw}");
        if let Ok(path) = canonical(raw.as_bytes()) {
            let again = canonical(&path);
            prop_assert_eq!(again.as_ref(), Ok(&path));
            prop_assert!(path.starts_with(b"/"));
            for segment in path.split(|&byte| byte == b'/') {
                prop_assert!(segment != b"." && segment != b"..");
            }
        }
    }
}
