//! Light traffic through the gateway, by real connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{self, Instant, MissedTickBehavior};

/// How many callers there are, each with one connection that it keeps.
const CALLERS: u32 = 16;
/// How often each asks: together 50 times a second. One that still waits for an answer leaves a turn out.
const INTERVAL: Duration = Duration::from_millis(320);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer's head or body may be, in bytes.
const LIMIT: u64 = 1 << 20;

/// What the callers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Seen {
    /// Requests that were answered as they should be.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests that failed: a status from 500, a broken connection, no answer in time.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Starts the callers, on the runtime that this is called on. They ask until the runtime ends.
pub(crate) fn start(gateway: SocketAddr) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    for number in 0..CALLERS {
        let first = Instant::now() + INTERVAL * number / CALLERS;
        tokio::spawn(call(gateway, first, seen.clone()));
    }
    seen
}

async fn call(gateway: SocketAddr, first: Instant, seen: Arc<Seen>) {
    let mut turns = time::interval_at(first, INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut kept = None;
    loop {
        turns.tick().await;
        let status = time::timeout(TIMEOUT, ask(gateway, kept.take())).await;
        let count = match status {
            Ok(Ok((status, connection))) => {
                kept = connection;
                if status < 500 { &seen.answered } else { &seen.failed }
            }
            Ok(Err(_)) | Err(_) => &seen.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

type Connection = BufReader<TcpStream>;

/// Asks once; gives the status, and the connection if it can be used again.
async fn ask(gateway: SocketAddr, kept: Option<Connection>) -> io::Result<(u16, Option<Connection>)> {
    let mut connection = match kept {
        Some(connection) => connection,
        None => BufReader::new(TcpStream::connect(gateway).await?),
    };
    let request = format!("GET /demo HTTP/1.1\r\nHost: {gateway}\r\nUser-Agent: irongate-demo\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let head = read_head(&mut connection).await?;
    let answer = Answer::parse(&head).ok_or(io::ErrorKind::InvalidData)?;
    // Without a length the rest of the connection is of no use to a caller as simple as this.
    let Some(length) = answer.length.filter(|&length| length <= LIMIT) else {
        return Ok((answer.status, None));
    };
    let taken = tokio::io::copy(&mut (&mut connection).take(length), &mut tokio::io::sink()).await?;
    if taken < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((answer.status, (!answer.close).then_some(connection)))
}

/// Everything up to and with the empty line.
async fn read_head(connection: &mut Connection) -> io::Result<String> {
    let (mut head, mut limited) = (String::new(), connection.take(LIMIT));
    while limited.read_line(&mut head).await? > 0 {
        if head.ends_with("\r\n\r\n") {
            return Ok(head);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// What a caller needs to know of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    length: Option<u64>,
    close: bool,
}

impl Answer {
    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut answer = Self { status, length: None, close: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                answer.length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                answer.close |= value.eq_ignore_ascii_case("close");
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn heads_tell_what_a_caller_needs() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", Some((200, Some(12), false))),
            ("HTTP/1.1 503 \r\ncontent-length:0\r\nConnection: Close\r\n\r\n", Some((503, Some(0), true))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Some((200, None, false))),
            ("HTTP/1.1 2", None),
            ("HTTP/1.1 abc\r\n\r\n", None),
            ("", None),
        ] {
            let expected = expected.map(|(status, length, close)| Answer { status, length, close });
            assert_eq!(Answer::parse(head), expected, "{head:?}");
        }
    }

    /// One connection that gives these answers, one a request, and says how many requests it got.
    async fn origin(answers: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("somebody connects");
            let mut stream = BufReader::new(stream);
            for (number, answer) in answers.iter().enumerate() {
                if read_head(&mut stream).await.is_err() {
                    return number;
                }
                stream.write_all(answer.as_bytes()).await.expect("it reads");
            }
            answers.len()
        });
        (address, served)
    }

    #[tokio::test]
    async fn a_connection_is_kept_while_it_can_be() {
        let (address, served) = origin(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n",
        ])
        .await;
        let (status, kept) = ask(address, None).await.expect("an answer");
        assert!(status == 200 && kept.is_some());
        let (status, kept) = ask(address, kept).await.expect("another");
        assert!(status == 503 && kept.is_none());
        assert_eq!(served.await.expect("it ends"), 2);
    }

    #[tokio::test]
    async fn a_truncated_answer_is_a_failure() {
        let (address, _served) = origin(&["HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf"]).await;
        assert!(ask(address, None).await.is_err());
    }

    /// The callers straight at the steady origin, for as long as it takes to see a few answers.
    #[tokio::test]
    async fn callers_and_origins_understand_each_other() {
        let origins = crate::demo::origins::start().await.expect("free ports");
        for (origin, name) in origins.iter().zip(crate::demo::origins::NAMES) {
            let mut connection = BufReader::new(TcpStream::connect(origin).await.expect("it listens"));
            connection.write_all(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("it reads");
            let head = read_head(&mut connection).await.expect("it answers");
            let length = Answer::parse(&head).and_then(|answer| answer.length).expect("a length");
            let mut body = vec![0; length as usize];
            connection.read_exact(&mut body).await.expect("the body");
            assert_eq!(String::from_utf8_lossy(&body), format!("{name} answers GET /a?b\n"));
        }
        let seen = start(origins[0]);
        while seen.answered() < 3 {
            tokio::task::yield_now().await;
        }
    }
}
