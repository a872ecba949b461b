//! Origins that serve so many requests at once, each for so long, and let the others wait in order:
//! `slotted-origins SLOTS SECONDS PORT..`.
//!
//! A slot is a thread that sleeps for as long as a request takes, since the runtime's timers are a millisecond coarse. A
//! client sends one request at a time over a connection and gets `ok`. On 127.0.0.1 only.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::net::TcpStream as Plain;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// A connection that waits for its answer.
type Waiting = Arc<Plain>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [slots, seconds, ports @ ..] = &arguments[..] else {
        bail!("usage: slotted-origins SLOTS SECONDS PORT..")
    };
    let (slots, service) = (slots.parse()?, Duration::try_from_secs_f64(seconds.parse()?)?);
    let mut origins = Vec::new();
    for port in ports {
        let port: u16 = port.parse().context("a port")?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        origins.push(tokio::spawn(accept(listener, open_slots(slots, service, port))));
    }
    for origin in origins {
        origin.await??;
    }
    Ok(())
}

/// The queue of the slots of one origin.
fn open_slots(slots: usize, service: Duration, port: u16) -> Sender<Waiting> {
    let (queue, waiting) = channel::<Waiting>();
    let waiting = Arc::new(Mutex::new(waiting));
    let answer = Arc::new(format!("HTTP/1.1 200 OK\r\nX-Origin: {port}\r\nContent-Length: 2\r\n\r\nok"));
    for _ in 0..slots {
        let (waiting, answer) = (waiting.clone(), answer.clone());
        std::thread::spawn(move || {
            while let Some(connection) = next(&waiting) {
                std::thread::sleep(service);
                // So little always fits; a client that has gone away does not get it.
                let _ = (&*connection).write_all(answer.as_bytes());
            }
        });
    }
    queue
}

fn next(waiting: &Mutex<Receiver<Waiting>>) -> Option<Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

async fn accept(listener: TcpListener, queue: Sender<Waiting>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that fails is its peer's affair.
        tokio::spawn(serve(stream, queue.clone()));
    }
}

async fn serve(stream: TcpStream, queue: Sender<Waiting>) -> Result<()> {
    let plain = stream.into_std()?;
    let to_answer = Arc::new(plain.try_clone()?);
    let mut stream = TcpStream::from_std(plain)?;
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            queue.send(to_answer.clone())?;
        }
    }
    Ok(())
}
