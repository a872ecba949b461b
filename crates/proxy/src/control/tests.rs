//! The threads of the data plane, on real sockets.

use super::*;
use irongate_config::{HostPattern, Listener, ListenerProtocol, ObjectName};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// An address of this machine that nobody listened on a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

fn config(address: SocketAddr) -> Config {
    let listener = Listener {
        key: ListenerKey {
            gateway: ObjectName::new("default", "gateway").expect("a name"),
            set: None,
            section: "http".into(),
        },
        addresses: vec![address],
        protocol: ListenerProtocol::Http,
        hostname: HostPattern::Any,
        options: Arc::default(),
        tls: None,
        routes: Vec::new(),
        stream_routes: Vec::new(),
    };
    Config { listeners: vec![Arc::new(listener)], ..Config::default() }
}

/// What comes on a connection until an answer's head is there, or the end.
fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while !text.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => text.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn ask(stream: &mut TcpStream) -> String {
    // One that the gateway has closed is told by what is read.
    let _ = stream.write_all(GET);
    answer(stream)
}

#[test]
fn a_core_that_panics_is_started_again_with_its_sockets() {
    // The control side's own tasks have nothing to do here: nobody drives them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let metrics = Metrics::new(2);
    let options = StartOptions { threads: 2, most_connections: 1000, zone: None };
    let proxy = Proxy::start(&options, &metrics).expect("threads");
    let address = free_address();
    let problems = proxy.apply(&config(address));
    assert!(problems.is_empty() && proxy.unopened().is_empty(), "{problems:?}");
    let connect = || TcpStream::connect(address).expect("the sockets listen");
    let mut before: Vec<_> = (0..8).map(|_| connect()).collect();
    for stream in &mut before {
        assert!(ask(stream).starts_with("HTTP/1.1 404 "));
    }
    proxy.tell_all(|| Command::Panic);
    for stream in &mut before {
        assert_eq!(answer(stream), "", "a core's connections end with it");
    }
    // Whichever core the kernel sends them to.
    for _ in 0..32 {
        assert!(ask(&mut connect()).starts_with("HTTP/1.1 404 "));
    }
    assert!(metrics.encode().contains("irongate_panics_total{ended=\"core\"} 2"));
    proxy.tell_all(|| Command::Drain);
    proxy.tell_all(|| Command::Panic);
    // It is still known that the end has begun; what a core accepts before it panics gets no answer.
    let answers = std::iter::repeat_with(|| ask(&mut connect()));
    let first = answers.take(1000).find(|answer| !answer.is_empty()).expect("the cores are started again");
    assert!(first.to_lowercase().contains("connection: close"), "{first}");
    drop(before);
    while proxy.connections() > 0 {
        std::thread::yield_now();
    }
}
