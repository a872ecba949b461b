//! Origins that answer with what they see.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use irongate_testkit::{Connection, Origin, PATIENCE, ReadError, Request, Response};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// An instance of a Service: an origin that says who it is and what it sees.
pub(crate) struct Instance {
    /// `namespace/name` of its Service.
    service: String,
    origin: Origin,
}

impl Instance {
    /// Starts one. It answers 200 to everything, unless a request has `X-Echo-Behave: 500,hang,reset,200`: what becomes of
    /// the first request for that target, of the second, and so on; the last stands for all that follow. Fields
    /// `X-Echo-Set-Header: name:value, …` of a request become fields of the answer.
    pub(crate) fn start(service: &str) -> Self {
        let service = service.to_owned();
        let name = service.clone();
        let seen = Mutex::<HashMap<String, usize>>::default();
        let origin = Origin::start(move |connection: &mut Connection| -> Result<(), ReadError> {
            loop {
                let request = connection.request()?;
                match &*behaviour(&request, &seen) {
                    "hang" => return connection.until_end(),
                    "reset" => {
                        connection.reset();
                        return Ok(());
                    }
                    status => connection.send(answer(&name, &request, status))?,
                }
            }
        });
        Self { service, origin }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// Whether it belongs to a Service, named with its namespace or without.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        is_service(&self.service, service)
    }

    /// Every request that it got so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.origin.requests()
    }
}

fn is_service(full: &str, name: &str) -> bool {
    full == name || full.split('/').nth(1) == Some(name)
}

/// What is to become of a request, by how many came for its target before.
fn behaviour(request: &Request, seen: &Mutex<HashMap<String, usize>>) -> String {
    let Some(list) = request.field("x-echo-behave") else { return "200".to_owned() };
    let mut seen = seen.lock().expect("no other holder panics");
    let count = seen.entry(request.target().to_owned()).or_default();
    let behaviours: Vec<&str> = list.split(',').collect();
    let behaviour = behaviours[(*count).min(behaviours.len() - 1)];
    *count += 1;
    behaviour.to_owned()
}

fn answer(service: &str, request: &Request, status: &str) -> String {
    let fields: String =
        request.head.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let mut set = String::new();
    for list in request.head.values("x-echo-set-header") {
        for (name, value) in list.split(',').filter_map(|item| item.split_once(':')) {
            set.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
    }
    let body = format!("{service}\n{} {}\n{fields}", request.method(), request.target());
    let length = body.len();
    let body = if request.method() == "HEAD" { String::new() } else { body };
    format!("HTTP/1.1 {status} Echo\r\nX-Service: {service}\r\n{set}Content-Length: {length}\r\n\r\n{body}")
}

/// What an instance told of itself and the request that it saw.
pub(crate) struct Echo {
    /// `namespace/name` of its Service.
    pub(crate) service: String,
    /// Method and target.
    pub(crate) line: String,
    fields: Vec<(String, String)>,
}

impl Echo {
    /// Reads it from an answer, if an instance gave it.
    pub(crate) fn read(answer: &Response) -> Option<Self> {
        let service = answer.head.values("x-service").next()?.to_owned();
        let text = answer.text();
        let mut lines = text.lines().skip(1);
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self { service, line, fields })
    }

    pub(crate) fn is_of(&self, service: &str) -> bool {
        is_service(&self.service, service)
    }

    /// The values of a field that the instance saw.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.clone()).collect()
    }
}

/// An instance of a Service of datagrams: answers each with the Service's name. It runs until the tests are over.
pub(crate) fn answer_datagrams(service: &str) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of 127.0.0.1");
    let address = socket.local_addr().expect("a bound socket has an address");
    let service = service.to_owned();
    std::thread::spawn(move || {
        let mut space = [0; 1500];
        while let Ok((_, from)) = socket.recv_from(&mut space) {
            let _gone_already = socket.send_to(service.as_bytes(), from);
        }
    });
    address
}

/// An instance of a Service that speaks HTTP/2 in cleartext and answers 200 to everything, in the form of the others. It runs
/// until the tests are over.
pub(crate) fn answer_http2(service: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of 127.0.0.1");
    listener.set_nonblocking(true).expect("a socket can be non-blocking");
    let address = listener.local_addr().expect("a bound socket has an address");
    let service = service.to_owned();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let _gone_already = echo_http2(&service, &request, respond);
                    }
                });
            }
        });
    });
    address
}

fn echo_http2(
    service: &str,
    request: &http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = http::Response::builder().header("x-service", service).body(()).expect("valid");
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(format!("{service}\n{} {}\n", request.method(), request.uri().path()).into(), true)
}

/// Asks over HTTP/2 with prior knowledge; gives the body of the answer.
pub(crate) fn get_http2(address: SocketAddr, target: &str) -> String {
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the gateway accepts");
        let (mut requests, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://example.com{target}")).body(()).expect("valid");
        let (answer, _) = requests.send_request(request, true).expect("room for a stream");
        let mut body = answer.await.expect("an answer").into_body();
        let mut text = String::new();
        while let Some(data) = body.data().await {
            text.push_str(&String::from_utf8_lossy(&data.expect("a whole body")));
        }
        text
    };
    runtime().block_on(async { tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time") })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
