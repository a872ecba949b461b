//! Origins over HTTP/2 that mean harm.

use super::raw::{Connection, encode, frame};
use crate::gateway;
use irongate_testkit::{Manifest, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
/// More than anybody is to take.
const MUCH: usize = 256 << 20;

/// Answers the first request with interim heads, without an end. Tells how many bytes of them went.
fn never_final(fields: &[(&str, &str)]) -> (SocketAddr, JoinHandle<usize>) {
    let block = encode(&[&[(":status", "103")], fields].concat());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let flood = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the gateway comes");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream.read_exact(&mut [0; 24]).expect("the preface");
        let mut connection = Connection { stream };
        connection.send(SETTINGS, 0, 0, &[]);
        let number = loop {
            match connection.frame().expect("the gateway goes on") {
                (HEADERS, _, stream, _) => break stream,
                _other => {}
            }
        };
        let heads = frame(HEADERS, END_HEADERS, number, &block).repeat(100);
        let mut sent = 0;
        while sent < MUCH && connection.stream.write_all(&heads).is_ok() {
            sent += heads.len();
        }
        sent
    });
    (address, flood)
}

#[test]
fn interim_answers_without_an_end() {
    let value = "a".repeat(100);
    for (what, fields) in [("short", &[][..]), ("long", &[("link", &*value), ("x-hint", &*value)])] {
        for reads in [true, false] {
            let (address, flood) = never_final(fields);
            let rules = "- backendRefs: [{name: origin, port: 80}]";
            let gateway = gateway(&Manifest::new().route(rules).service_http2("origin", &[address]));
            let before = gateway.resident();
            let mut client = gateway.connect();
            client.shrink_receive_buffer();
            client.send(crate::GET);
            if reads {
                assert_eq!(client.response().status, 502, "{what}");
            }
            let sent = flood.join().expect("the origin goes on");
            assert!(sent < MUCH, "{what}: the connection never ends");
            let grown = gateway.resident().saturating_sub(before);
            assert!(grown < 40 << 20, "{what}: {grown} bytes");
            assert_eq!(gateway.admin("/livez").status, 200);
        }
    }
}
