//! Authorities: normal forms stay, and hold nothing that could be taken for something else.
#![no_main]

use irongate_message::host::parse_authority;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let Ok(authority) = parse_authority(raw) else { return };
    let mut text = Vec::new();
    authority.write(raw, &mut text);
    assert_eq!(authority.is_normal, text == raw);
    assert!(!text.is_empty() && text.len() <= raw.len() && !text.iter().any(u8::is_ascii_uppercase));
    assert!(text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte)));
    let again = parse_authority(&text);
    let again = again.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
    assert!(again.is_normal && again.port == authority.port);
    assert!(text[again.host.clone()].eq_ignore_ascii_case(&raw[authority.host]));
    assert!(!text[again.host].ends_with(b"."));
});
