//! Origins: threads that answer every request with the number of their port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Starts one; it lives as long as the process.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, address.port()));
        }
    });
    address
}

/// Answers until the gateway hangs up. Requests have no bodies and come one at a time.
fn serve(mut stream: TcpStream, port: u16) {
    // Without it an answer waits for an acknowledgement; an origin that cannot set it is only slower.
    let _ = stream.set_nodelay(true);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin: {port}\r\n\r\nok");
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        head.extend_from_slice(&chunk[..length]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
