use super::*;
use crate::testing::{read_request, written};
use crate::{HeadLimits, HeadParser, Parsed};

const FORWARDING: Forwarding<'_> = Forwarding {
    client: b"192.0.2.1",
    trusted: false,
    scheme: b"https",
    port: b"8443",
    via: b"irongate-1f",
    connection: 0,
};

/// What goes upstream behind `Host`, line by line.
fn forwarded(lines: &str, trusted: bool) -> Result<Vec<String>, HeadError> {
    let (_, mut head) = read_request(format!("GET / HTTP/1.1\r\nHost: A:81\r\n{lines}\r\n").as_bytes());
    head.forward(&Forwarding { trusted, ..FORWARDING })?;
    let text = written(&head);
    Ok(text.trim_end().split("\r\n").skip(2).map(str::to_owned).collect())
}

#[test]
fn untrusted_peers_say_nothing_about_the_way() {
    let ours = [
        "A: b",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 8443",
        "X-Real-IP: 192.0.2.1",
        "Via: 1.1 irongate-1f",
        "X-Forwarded-Host: a:81",
    ];
    for lines in [
        "A: b\r\n",
        "X-Forwarded-For: 1.1.1.1\r\nA: b\r\nx-forwarded-for: 2.2.2.2\r\nX-FORWARDED-PROTO: gopher\r\n",
        "Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Host: evil\r\nA: b\r\n",
        "X-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 1\r\nA: b\r\nX_Real_IP: 1.1.1.1\r\n",
        // What the client lists cannot take away what we add.
        "Connection: X-Forwarded-For, X-Real-IP, Via\r\nA: b\r\n",
    ] {
        assert_eq!(forwarded(lines, false).expect("no loop"), ours, "{lines}");
    }
}

#[test]
fn trusted_peers_are_believed_and_extended() {
    let lines = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Proto: http\r\nA: b\r\n\
                 x-forwarded-for: 2.2.2.2\r\nX-Forwarded-Prefix: /x\r\nX-Real-IP: 1.1.1.1\r\n\
                 X_Forwarded_For: 3.3.3.3\r\nConnection: x-forwarded-for\r\n";
    assert_eq!(
        forwarded(lines, true).expect("no loop"),
        [
            "Forwarded: for=1.1.1.1",
            "X-Forwarded-Proto: http",
            "A: b",
            "X-Forwarded-Prefix: /x",
            "X-Real-IP: 1.1.1.1",
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1",
            "X-Forwarded-Port: 8443",
            "Via: 1.1 irongate-1f",
            "X-Forwarded-Host: a:81",
        ]
    );
}

#[test]
fn loops_are_found() {
    for (via, loops) in [
        ("1.1 irongate-1f", true),
        ("1.0 a, HTTP/1.1\t IRONGATE-1F (x) , 1.1 b", true),
        ("1.1 a\r\nVia: 2.0 irongate-1f", true),
        ("1.1 irongate-1f2, 1.1 irongate, irongate-1f", false),
        ("1.1 irongate-1f:80", false),
    ] {
        let result = forwarded(&format!("Via: {via}\r\n"), false);
        assert_eq!(result.is_err(), loops, "{via}");
        match result {
            Err(error) => assert_eq!((error, error.status()), (HeadError::Loop, 508)),
            Ok(lines) => assert_eq!(lines[0], format!("Via: {via}")),
        }
    }
}

#[test]
fn a_request_without_host() {
    let (_, mut head) = read_request(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(head.forward(&FORWARDING), Ok(()));
    let text = written(&head);
    assert!(!text.contains("X-Forwarded-Host") && text.contains("\r\nVia: 1.0 irongate-1f\r\n"), "{text}");
}

/// A head that was told of a connection tells the same of it again, and never of another one.
#[test]
fn what_is_told_of_a_connection_is_told_again() {
    let text = |version: &str| format!("GET / HTTP/{version}\r\nHost: a\r\nA: b\r\n\r\n");
    let mut head = RequestHead::new();
    let mut told = |forwarding: &Forwarding<'_>, version: &str| {
        let text = text(version);
        let parsed = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
        assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
        head.forward(forwarding).expect("no loop");
        written(&head)
    };
    for (connection, version) in
        [(0, "1.1"), (1, "1.1"), (1, "1.1"), (1, "1.0"), (1, "1.1"), (2, "1.1"), (0, "1.1")]
    {
        let client = connection.to_string();
        let forwarding = Forwarding { client: client.as_bytes(), connection, ..FORWARDING };
        let mut fresh = RequestHead::new();
        let text = text(version);
        let _ = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut fresh);
        fresh.forward(&Forwarding { connection: 0, ..forwarding }).expect("no loop");
        assert_eq!(told(&forwarding, version), written(&fresh), "{connection} {version}");
    }
}
