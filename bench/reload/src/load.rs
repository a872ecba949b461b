//! Requests that arrive steadily over kept connections, and what became of each.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One answered request.
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    pub(crate) done: Instant,
    pub(crate) status: u16,
    pub(crate) version: Option<usize>,
    pub(crate) route: String,
    pub(crate) origin: u16,
}

/// One caller's requests.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) answers: Vec<(usize, Answer)>,
    /// Requests without an answer, with what was wrong.
    pub(crate) broken: Vec<String>,
    /// From when each was due to its answer, in milliseconds.
    pub(crate) millis: Vec<f64>,
}

/// A connection that is kept.
pub(crate) struct Caller {
    port: u16,
    stream: Option<TcpStream>,
}

impl Caller {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub(crate) fn ask(&mut self, path: &str) -> Result<Answer, String> {
        let sent = Instant::now();
        let asked = self.exchange(path);
        match asked {
            Ok((head, stays)) => {
                if !stays {
                    self.stream = None;
                }
                parse(&head, sent).ok_or_else(|| format!("not an answer: {head}"))
            }
            Err(error) => {
                self.stream = None;
                Err(error.to_string())
            }
        }
    }

    fn exchange(&mut self, path: &str) -> std::io::Result<(String, bool)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().expect("opened just before");
        stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes())?;
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let length = stream.read(&mut chunk)?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let expected = field(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if body.len() >= expected {
                let stays = field(head, "connection") != Some("close");
                return Ok((head.to_owned(), stays));
            }
        }
    }
}

fn parse(head: &str, sent: Instant) -> Option<Answer> {
    Some(Answer {
        sent,
        done: Instant::now(),
        status: head.split(' ').nth(1)?.parse().ok()?,
        version: field(head, "x-version").and_then(|text| text.parse().ok()),
        route: field(head, "x-route").unwrap_or_default().to_owned(),
        origin: field(head, "x-origin").and_then(|text| text.parse().ok()).unwrap_or(0),
    })
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value.trim()))
}

/// Asks for the paths in turn, so many a second, until told to stop. The first request is due after `wait`: callers that
/// all began at once would go on asking all at once.
pub(crate) fn steady(
    port: u16,
    per_second: u32,
    wait: Duration,
    paths: &[String],
    stop: &AtomicBool,
) -> Record {
    let mut record = Record::default();
    let mut caller = Caller::new(port);
    let step = Duration::from_secs(1) / per_second;
    let mut due = Instant::now() + wait;
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        due += step;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        turn = (turn + 1) % paths.len();
        match caller.ask(&paths[turn]) {
            Ok(answer) => {
                record.millis.push(answer.done.duration_since(due).as_secs_f64() * 1000.0);
                record.answers.push((turn, answer));
            }
            Err(error) => record.broken.push(error),
        }
    }
    record
}
