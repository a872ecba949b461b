//! Requests that arrive steadily, whatever becomes of them, over kept connections:
//! `arrivals PORT EVERY RATE:SECONDS..`.
//!
//! One request in `EVERY` is of high priority (`X-Tier: gold`); the phases follow one another. A line a request is written:
//! when it was due and how long it took from then, in seconds; 1 for high priority, else 0; and its fate: `ok`, another status,
//! or how it broke off. The runtime's timers are a millisecond coarse, which counts as time that a request took. One thread.

use anyhow::{Context, Result, bail};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

/// For how long a caller waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many requests may be on their way; further ones fail at once.
const MOST: usize = 2000;

struct Load {
    port: u16,
    start: Instant,
    idle: RefCell<Vec<TcpStream>>,
    busy: Cell<usize>,
    lines: RefCell<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, every, phases @ ..] = &arguments[..] else {
        bail!("usage: arrivals PORT EVERY RATE:SECONDS..")
    };
    let (port, every) = (port.parse()?, every.parse::<usize>()?.max(1));
    let mut due = Vec::new();
    let mut since = 0.0;
    for phase in phases {
        let (rate, seconds) = phase.split_once(':').context("a phase is RATE:SECONDS")?;
        let (rate, seconds): (f64, f64) = (rate.parse()?, seconds.parse()?);
        due.extend(
            (0..).map(|number| f64::from(number) / rate).take_while(|at| *at < seconds).map(|at| since + at),
        );
        since += seconds;
    }
    let load = Rc::new(Load {
        port,
        start: Instant::now(),
        idle: RefCell::default(),
        busy: Cell::new(0),
        lines: RefCell::default(),
    });
    LocalSet::new().run_until(arrive(&load, &due, every)).await;
    std::io::stdout().write_all(load.lines.take().as_bytes())?;
    Ok(())
}

/// Starts each request when it is due, and waits for the last.
async fn arrive(load: &Rc<Load>, due: &[f64], every: usize) {
    for (number, &due) in due.iter().enumerate() {
        let at = load.start + Duration::from_secs_f64(due);
        if Instant::now() < at {
            sleep_until(at).await;
        }
        let is_high = number.is_multiple_of(every);
        if load.busy.get() >= MOST {
            load.note(due, is_high, "no caller");
            continue;
        }
        load.busy.set(load.busy.get() + 1);
        let load = load.clone();
        tokio::task::spawn_local(async move {
            let fate = match timeout(PATIENCE, load.ask(is_high)).await {
                Ok(Ok(200)) => "ok".to_owned(),
                Ok(Ok(status)) => status.to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            load.note(due, is_high, &fate);
            load.busy.set(load.busy.get() - 1);
        });
    }
    while load.busy.get() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Load {
    fn note(&self, due: f64, is_high: bool, fate: &str) {
        let took = self.start.elapsed().as_secs_f64() - due;
        // Writing into a string cannot fail.
        let _ = writeln!(self.lines.borrow_mut(), "{due:.6} {took:.6} {} {fate}", u8::from(is_high));
    }

    /// Sends a request and reads its answer, whose status is given.
    async fn ask(&self, is_high: bool) -> Result<u16> {
        let kept = self.idle.borrow_mut().pop();
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect(("127.0.0.1", self.port)).await?,
        };
        let tier = if is_high { "X-Tier: gold\r\n" } else { "" };
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: bench\r\n{tier}\r\n").as_bytes()).await?;
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                bail!("closed");
            }
            if let Some(answer) = Answer::read(&bytes)? {
                if answer.stays {
                    self.idle.borrow_mut().push(stream);
                }
                return Ok(answer.status);
            }
        }
    }
}

struct Answer {
    status: u16,
    stays: bool,
}

impl Answer {
    /// The answer, if it is there whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let text = str::from_utf8(bytes)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
        let status = head.get(9..12).context("no status")?.parse()?;
        let (mut length, mut stays) = (0, true);
        for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            stays &= !(name.eq_ignore_ascii_case("connection") && value.trim() == "close");
        }
        Ok((body.len() >= length).then_some(Self { status, stays }))
    }
}
