//! Paths: canonical ones stay, hide nothing, and mean what the path meant.
#![no_main]

use irongate_fuzz::check_path;
use irongate_message::path::canonicalize;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let mut out = Vec::new();
    let Ok(changed) = canonicalize(raw, &mut out) else { return };
    let path = if changed { out } else { raw.to_vec() };
    assert_eq!(changed, path != raw);
    assert!(path.starts_with(b"/") && path.len() <= raw.len().max(1));
    assert!(path.iter().all(|byte| byte.is_ascii_graphic() && !b"\\#?".contains(byte)));
    check_path(&path);
    // What separates stays in number, but for what dot segments took.
    let separators = |path: &[u8]| path.iter().filter(|&&byte| byte == b'/').count();
    assert!(separators(&path) <= separators(raw));
    let mut again = Vec::new();
    assert_eq!(canonicalize(&path, &mut again), Ok(false));
});
