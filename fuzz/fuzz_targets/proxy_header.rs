//! PROXY headers: read alike in pieces, bounded, and what is written of them reads back.
#![no_main]

use irongate_message::{
    MAX_PROXY_HEADER, ProxyHeader, parse_proxy_header, write_proxy_binary, write_proxy_line,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse_proxy_header(bytes);
    for length in 0..bytes.len() {
        let part = parse_proxy_header(&bytes[..length]);
        assert!(part == Ok(None) || part == whole, "{length}: {part:?} and then {whole:?}");
    }
    let Ok(Some(ProxyHeader { length, addresses })) = whole else { return };
    assert!(length <= bytes.len() && length <= MAX_PROXY_HEADER);
    assert!(parse_proxy_header(&bytes[..length]) == whole && parse_proxy_header(&bytes[..length - 1]) == Ok(None));
    let Some(addresses) = addresses else { return };
    let mut read = Vec::new();
    for write in [write_proxy_line, write_proxy_binary] {
        let mut text = Vec::new();
        write(&addresses, &mut text);
        let header = parse_proxy_header(&text).expect("what we write is well-formed").expect("and whole");
        assert_eq!(header.length, text.len());
        read.push(header.addresses.expect("it has addresses"));
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0].source.port(), addresses.source.port());
    assert_eq!(read[0].destination.ip().to_canonical(), addresses.destination.ip().to_canonical());
});
