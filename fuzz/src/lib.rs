//! What the fuzz targets share: reading in steps, and what must hold for everything that we write.

pub mod config;
pub mod yaml;

use irongate_message::{HeadError, Parsed};

/// Gives longer and longer prefixes, growing by `steps` in turn, until something comes of it.
pub fn by_steps(
    input: &[u8],
    steps: &[usize],
    mut read: impl FnMut(&[u8]) -> Result<Parsed, HeadError>,
) -> Result<Parsed, HeadError> {
    let mut length = 0;
    for &step in steps.iter().cycle() {
        length = (length + step.max(1)).min(input.len());
        match read(&input[..length]) {
            Ok(Parsed::Partial) if length < input.len() => {}
            outcome => return outcome,
        }
    }
    unreachable!("the steps are not empty")
}

/// Checks a head that we wrote with the plainest reader there is, which shares nothing with ours: CRLF and nothing
/// else at line ends, a name and a colon in each line, one framing at most. Returns its lines.
pub fn check_written(head: &[u8], hosts: usize) -> Vec<Vec<u8>> {
    let show = || String::from_utf8_lossy(head).into_owned();
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no blank line: {}", show()));
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(rest[..at].to_vec());
        rest = &rest[at + 2..];
    }
    lines.push(rest.to_vec());
    let mut framings = 0;
    let mut hosts_found = 0;
    for (index, line) in lines.iter().enumerate() {
        let good = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        assert!(!line.is_empty() && line.iter().all(good), "{}", show());
        if index == 0 {
            continue;
        }
        let colon =
            line.iter().position(|&byte| byte == b':').unwrap_or_else(|| panic!("no colon: {}", show()));
        let name = line[..colon].to_ascii_lowercase();
        assert!(!name.is_empty() && !name.contains(&b' ') && !name.contains(&b'\t'), "{}", show());
        framings += usize::from(name == b"content-length" || name == b"transfer-encoding");
        hosts_found += usize::from(name == b"host");
        assert!(
            name != b"http2-settings" && name != b"keep-alive" && name != b"proxy-connection",
            "{}",
            show()
        );
    }
    assert!(framings <= 1 && hosts_found == hosts, "{}", show());
    lines
}

/// Looks for dot segments as the most eager reader would: decoded twice, with `\` as a separator, without parameters.
pub fn check_path(path: &[u8]) {
    let decode = |path: &[u8]| {
        let (mut out, mut index) = (Vec::new(), 0);
        while index < path.len() {
            let digits = path.get(index + 1..index + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits
                .filter(|digits| path[index] == b'%' && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            out.push(byte.unwrap_or(path[index]));
            index += if byte.is_some() { 3 } else { 1 };
        }
        out
    };
    let once = decode(path);
    let twice = decode(&once);
    assert!(!once.contains(&0));
    for form in [path, &once, &twice] {
        for segment in form.split(|&byte| byte == b'/' || byte == b'\\') {
            let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
            assert!(name != b"." && name != b"..", "{}", String::from_utf8_lossy(path));
        }
    }
}
