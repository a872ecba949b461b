use super::*;
use proptest::prelude::*;

type Parsed = Result<Option<ProxyHeader>, ProxyHeaderError>;

/// Reads whole, and byte by byte: both have to come to the same.
fn read(bytes: &[u8]) -> Parsed {
    let whole = parse_proxy_header(bytes);
    let by_bytes = (0..=bytes.len()).map(|length| parse_proxy_header(&bytes[..length]));
    let split = by_bytes.into_iter().find(|parsed| *parsed != Ok(None)).unwrap_or(Ok(None));
    assert_eq!(whole, split, "{}", bytes.escape_ascii());
    whole
}

fn taken(length: usize, addresses: Option<(&str, &str)>) -> Parsed {
    let addresses = addresses.map(|(source, destination)| ProxiedAddresses {
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
    });
    Ok(Some(ProxyHeader { length, addresses }))
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: Parsed) {
    assert_eq!(read(bytes.as_ref()), expected, "{}", bytes.as_ref().escape_ascii());
}

/// A binary header with this command, family and announced length.
fn binary(command: u8, family: u8, length: u16, block: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(block);
    bytes
}

#[test]
fn lines_are_taken_as_section_2_1_says() {
    let ends = Some(("192.168.0.1:56324", "192.168.0.11:443"));
    check("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET /", taken(47, ends));
    let longest = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    check(longest, taken(56, Some(("255.255.255.255:65535", "255.255.255.255:65535"))));
    check("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", taken(32, Some(("0.0.0.0:0", "0.0.0.0:0"))));
    check("PROXY TCP6 2001:DB8::1 ::1 1 2\r\n", taken(32, Some(("[2001:db8::1]:1", "[::1]:2"))));
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let end = format!("[{full}]:65535");
    check(format!("PROXY TCP6 {full} {full} 65535 65535\r\n"), taken(104, Some((&end, &end))));
    for unknown in ["", " ", " ffff:f ::1 x\r\r", " \n", " \u{1}\u{ff}"] {
        let line = format!("PROXY UNKNOWN{unknown}\r\n");
        check(&line, taken(line.len(), None));
    }
    let worst = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
    check(&worst, taken(107, None));
    check(worst.replace("65535 65535", "65535 655350"), Err(ProxyHeaderError::LineTooLong));
}

#[test]
fn lines_that_are_none_are_refused() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP6 1::2::3 ::1 1 2\r\n",
        "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
    ] {
        check(line, Err(ProxyHeaderError::Line));
    }
    for no_end in ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r", "PROXY", ""] {
        check(no_end, Ok(None));
    }
    check([WORD, &[b'x'; 200]].concat(), Err(ProxyHeaderError::LineTooLong));
}

#[test]
fn binary_headers_are_taken_as_section_2_2_says() {
    let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0, 80];
    let ends = Some(("1.2.3.4:4660", "5.6.7.8:80"));
    check(binary(0x21, 0x11, 12, &four), taken(28, ends));
    // What comes behind the addresses is part of the header, whatever it is; what comes behind that is not.
    let more = [&four[..], &[4, 0, 3, 1, 2, 3], b"GET"].concat();
    check(binary(0x21, 0x11, 18, &more), taken(34, ends));
    check(binary(0x21, 0x11, 18, &more[..17]), Ok(None));
    let mut six = [0; 36];
    (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
    check(binary(0x21, 0x21, 36, &six), taken(52, Some(("[::1]:3", "[::2]:4"))));
    for (command, family) in [
        (0x20, 0x00),
        (0x20, 0x11),
        (0x20, 0xff),
        (0x21, 0x00),
        (0x21, 0x12),
        (0x21, 0x22),
        (0x21, 0x31),
        (0x21, 0x32),
    ] {
        check(binary(command, family, 0, b"x"), taken(16, None));
        check(binary(command, family, 12, &four), taken(28, None));
    }
    let most = MAX_PROXY_HEADER - FIXED;
    check(binary(0x21, 0x11, most as u16, &[0; 4080]), taken(4096, Some(("0.0.0.0:0", "0.0.0.0:0"))));
    check(binary(0x20, 0x00, most as u16 + 1, &[]), Err(ProxyHeaderError::TooLong));
}

#[test]
fn binary_headers_that_are_none_are_refused() {
    for command in [0x11, 0x22, 0x2f, 0x00, 0x31] {
        check(binary(command, 0x11, 12, &[0; 12]), Err(ProxyHeaderError::Command));
    }
    for family in [0x13, 0x41, 0xf1, 0x1f] {
        check(binary(0x21, family, 12, &[0; 12]), Err(ProxyHeaderError::Family));
    }
    for (family, length) in [(0x11, 11), (0x21, 35), (0x11, 0)] {
        check(binary(0x21, family, length, &[0; 64]), Err(ProxyHeaderError::TooShort));
    }
    for other in
        [&b"GET / HTTP/1.1\r\n"[..], b"proxy TCP4", b"\r\n\r\n\0\r\nQUIT\r\n", b"\x16\x03\x01", b"P\r\n"]
    {
        check(other, Err(ProxyHeaderError::Missing));
    }
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

/// What a reader makes of an address that is written beside another.
fn beside(address: IpAddr, other: IpAddr) -> IpAddr {
    match (address.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(address), IpAddr::V6(_)) => address.to_ipv6_mapped().into(),
        (address, _) => address,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        source in address(),
        destination in address(),
        ports in any::<[u16; 2]>(),
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let addresses = ProxiedAddresses {
            source: SocketAddr::new(source, ports[0]),
            destination: SocketAddr::new(destination, ports[1]),
        };
        let expected = ProxiedAddresses {
            source: SocketAddr::new(beside(source, destination), ports[0]),
            destination: SocketAddr::new(beside(destination, source), ports[1]),
        };
        for write in [write_proxy_line, write_proxy_binary] {
            let mut bytes = Vec::new();
            write(&addresses, &mut bytes);
            let length = bytes.len();
            prop_assert!(length <= LINE);
            bytes.extend(&rest);
            prop_assert_eq!(read(&bytes), Ok(Some(ProxyHeader { length, addresses: Some(expected) })));
        }
    }

    #[test]
    fn whatever_comes_is_read_alike_in_pieces(
        begin in prop_oneof![Just(WORD), Just(&SIGNATURE[..]), Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..])],
        rest in prop::collection::vec(any::<u8>(), 0..150),
    ) {
        if let Ok(Some(header)) = read(&[begin, &rest].concat()) {
            prop_assert!(header.length <= begin.len() + rest.len());
        }
    }
}
