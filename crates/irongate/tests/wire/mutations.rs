//! Messages with random damage, from a fixed seed: whatever comes in, what goes out on either side is well-formed, and
//! both sides agree on which requests there were.
//!
//! `IRONGATE_ROUNDS` sets how many are tried, `IRONGATE_SEED` where the dice begin.

use crate::{GET, gateway};
use irongate_testkit::{Gateway, Manifest, Origin, ReadError};
use std::sync::{Arc, Mutex};

/// Xorshift: dice that fall the same way each time.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(setting("IRONGATE_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Pieces that parsers have stumbled over.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    "\t",
    "\0",
    ":",
    ",",
    ";",
    "0",
    "1",
    "5",
    "f",
    "+",
    "-",
    "0x",
    "\x0b",
    "\u{85}",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length:3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Connection: close\r\n",
    "Connection: content-length\r\n",
    "Connection: transfer-encoding, te\r\n",
    "Upgrade: x\r\n",
    "Expect: 100-continue\r\n",
    "Host: other\r\n",
    "0\r\n\r\n",
    "5\r\nabcde\r\n",
    "5;a=b\r\nabcde\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    " HTTP/1.1",
    "TE: trailers\r\n",
    "Trailer: a\r\n",
    "A: b\r\n c\r\n",
];

/// Cuts, doubles, overwrites and inserts.
fn damage(message: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(message.len());
        match dice.below(5) {
            0 => drop(message.drain(at..(at + 1 + dice.below(4)).min(message.len()))),
            1 => message[at] = *dice.pick(b"\r\n\t :;,\x000159afGH/%.-+\x80\xff"),
            2 => {
                let end = (at + 1 + dice.below(30)).min(message.len());
                let part = message[at..end].to_vec();
                let to = dice.below(message.len());
                message.splice(to..to, part);
            }
            _ => drop(message.splice(at..at, dice.pick(PIECES).bytes())),
        }
    }
}

const TIMEOUTS: &str = "timeouts: {head: 50ms, idle: 50ms, streamIdle: 50ms}";

fn impatient(origin: &Origin) -> Gateway {
    gateway(&Manifest::to_origins(&[origin.address()]).parameters(TIMEOUTS))
}

const REQUESTS: &[&str] = &[
    "GET /a?b=c HTTP/1.1\r\nHost: test\r\nA: b\r\n\r\n",
    "POST /l HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n",
    "PUT /k HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    "GET http://test/x/../y HTTP/1.1\r\nHost: other\r\nConnection: x-a\r\nX-A: 1\r\n\r\n",
    "POST /n HTTP/1.1\r\nHost: test\r\nContent-Length: 40\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner.test\r\n\r\n",
];

#[test]
fn of_requests() {
    let origin = Origin::echoing();
    let gateway = impatient(&origin);
    let mut dice = Dice::new();
    let mut seen = 0;
    for round in 0..setting("IRONGATE_ROUNDS", 60) {
        let mut sent: Vec<u8> = Vec::new();
        for _ in 0..=dice.below(3) {
            sent.extend_from_slice(dice.pick(REQUESTS).as_bytes());
        }
        damage(&mut sent, &mut dice);
        let shown = format!("round {round}: {:?}", String::from_utf8_lossy(&sent));
        let mut client = gateway.connect();
        let _refused_early = client.try_send(&sent);
        let mut served = Vec::new();
        let mut late = false;
        loop {
            match client.try_response("GET") {
                Ok(answer) if answer.status == 200 => served.push(answer.text()),
                Ok(answer) => {
                    assert!((400..=505).contains(&answer.status), "{shown}: {answer:?}");
                    late |= answer.status == 504;
                }
                Err(ReadError::Closed | ReadError::Reset) => break,
                Err(error) => unreachable!("{shown}: {error}"),
            }
        }
        let records = origin.records();
        for record in &records {
            assert!(!matches!(record.error, Some(ReadError::Malformed(_))), "{shown}: {record:#?}");
        }
        let requests: Vec<String> = records
            .iter()
            .flat_map(|record| &record.requests)
            .map(|request| format!("{} {} {}", request.method(), request.target(), request.body.len()))
            .collect();
        assert!(served.iter().all(|answer| requests.contains(answer)), "{shown}: {served:?}");
        let fresh = requests.len() - seen;
        // A request whose answer came too late for these short bounds was served all the same.
        let counted = fresh == served.len() || (late && fresh > served.len());
        assert!(counted, "{shown}: the origin counts {fresh}, the client {served:?}");
        seen = requests.len();
    }
    assert_eq!(gateway.get("/").status, 200);
}

const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
];

#[test]
fn of_answers() {
    let next = Arc::new(Mutex::new(Vec::new()));
    let origin = Origin::start({
        let next = next.clone();
        move |connection| {
            loop {
                connection.request()?;
                let answer: Vec<u8> = next.lock().expect("no holder panics").clone();
                connection.send(answer)?;
            }
        }
    });
    let gateway = impatient(&origin);
    let mut dice = Dice::new();
    for round in 0..setting("IRONGATE_ROUNDS", 60) {
        let mut answer = dice.pick(ANSWERS).as_bytes().to_vec();
        damage(&mut answer, &mut dice);
        let shown = format!("round {round}: {:?}", String::from_utf8_lossy(&answer));
        *next.lock().expect("no holder panics") = answer;
        let mut client = gateway.connect();
        client.send(GET);
        match client.try_response("GET") {
            Ok(_) | Err(ReadError::Closed | ReadError::Truncated | ReadError::Reset) => {}
            Err(error) => unreachable!("{shown}: {error}"),
        }
        // What is left of it is nobody's answer.
        *next.lock().expect("no holder panics") =
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext".to_vec();
        let mut after = gateway.get("/after");
        while after.status == 504 {
            // The bounds are short, and the machine may be busy.
            after = gateway.get("/after");
        }
        assert_eq!((after.status, after.text().as_str()), (200, "next"), "{shown}");
    }
}
