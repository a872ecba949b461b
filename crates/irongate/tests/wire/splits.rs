//! However the bytes of a message are split into reads, the result is the same.

use crate::gateway_to;
use irongate_testkit::{Origin, Request, Response};

const REQUEST: &[u8] = b"POST http://TEST:80/a/./b/../%63?q=[1] HTTP/1.1\r\nHost: other\r\nConnection: x-drop, te\r\nTE: trailers\r\n\
X-Drop: 1\r\nX-Keep:\t \xe9 v \r\nX-Forwarded-For: 1.2.3.4\r\nTransfer-Encoding: chunked\r\n\r\n\
3;ext=\"a\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\nContent-Length: 3\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Made \xe9\r\nConnection: keep-alive, x-drop\r\n\
X-Drop: 1\r\nX-Keep:\t v \r\nTransfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n\r\n\
3;ext\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n";

/// Where to cut a message of this length: at every byte, and everywhere at once.
fn cuts(length: usize) -> impl Iterator<Item = Vec<usize>> {
    (1..length).map(|at| vec![at]).chain([(1..length).collect()])
}

fn pieces<'a>(message: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut starts = vec![0];
    starts.extend_from_slice(cuts);
    let mut ends = cuts.to_vec();
    ends.push(message.len());
    starts.into_iter().zip(ends).map(|(start, end)| &message[start..end]).collect()
}

#[test]
fn of_a_request() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(REQUEST);
    let expected = client.response();
    assert_eq!(expected.text(), "POST /a/c?q=[1] 13");
    let whole = origin.only_request();
    for cut in cuts(REQUEST.len()) {
        client.send_pieces(pieces(REQUEST, &cut)).expect("the gateway takes it");
        let shown = &cut[..cut.len().min(3)];
        assert_eq!(client.response(), expected, "cut at {shown:?}");
    }
    let requests: Vec<Request> = origin.requests();
    assert_eq!(requests.len(), REQUEST.len() + 1);
    for (cut, request) in requests.iter().enumerate() {
        assert_eq!(request, &whole, "cut at {cut}");
    }
}

#[test]
fn of_an_answer() {
    let origin = Origin::start(|connection| {
        loop {
            let request = connection.request()?;
            let index: usize = request.target()[1..].parse().unwrap_or_default();
            match cuts(ANSWER.len()).nth(index) {
                Some(cut) => connection.send_pieces(pieces(ANSWER, &cut))?,
                None => connection.send(ANSWER)?,
            }
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let mut ask = |target: usize| -> Response {
        client
            .send(format!("GET /{target} HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: te\r\n\r\n"));
        client.try_response("GET").unwrap_or_else(|error| unreachable!("cut {target}: {error}"))
    };
    let expected = ask(9_999_999);
    assert_eq!((expected.status, expected.text().as_str()), (201, "abc0123456789"));
    assert_eq!(expected.interim.len(), 1);
    assert_eq!(expected.trailers, [("X-Trailer".to_owned(), "t".to_owned())]);
    for cut in 0..ANSWER.len() {
        assert_eq!(ask(cut), expected, "cut {cut}");
    }
    assert_eq!(origin.records().len(), 1, "one connection serves them all");
}

#[test]
fn of_a_refused_request() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let request = b"GET / HTTP/1.1\r\nHost: test\r\nA : b\r\n\r\n";
    for cut in cuts(request.len()) {
        let mut client = gateway.connect();
        let _refused_early = client.send_pieces(pieces(request, &cut));
        assert_eq!(client.response().status, 400, "cut at {:?}", &cut[..1]);
        client.expect_end();
    }
    assert!(origin.bytes().is_empty());
}
