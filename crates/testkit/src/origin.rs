//! Scripted raw origins: real sockets that do what a test tells them and record every byte that they get.

use crate::http::{Head, Request};
use crate::peer::{End, Peer, ReadError};
use crate::wait::{Deadline, Gate, eventually};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What an origin does with each of its connections. An error ends the connection; it is what a script gets
/// when the gateway closes or sends something else than the script reads, and the record shows it.
pub trait Script: Fn(&mut Connection) -> Result<(), ReadError> + Send + Sync + 'static {}
impl<F: Fn(&mut Connection) -> Result<(), ReadError> + Send + Sync + 'static> Script for F {}

/// What came on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Every byte, in order.
    pub bytes: Vec<u8>,
    /// The requests that the script read to their end.
    pub requests: Vec<Request>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
    /// What the script stumbled over, if not over a clean end between messages.
    pub error: Option<ReadError>,
}

#[derive(Default)]
struct Shared {
    records: Mutex<Vec<ConnectionRecord>>,
    streams: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl Shared {
    fn record<R>(&self, number: usize, change: impl FnOnce(&mut ConnectionRecord) -> R) -> R {
        change(&mut self.records.lock().expect("no holder panics")[number])
    }
}

/// A scripted origin on a port of its own. It stops when dropped.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Origin {
    /// Runs the script on each connection, each in a thread of its own.
    ///
    /// When the script returns, the origin half-closes and goes on recording until the gateway ends the
    /// connection, unless the script said [`Connection::close`] or [`Connection::reset`].
    ///
    /// # Panics
    /// If the system gives no port.
    #[must_use]
    pub fn start(script: impl Script) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// The same on an address of 127.0.0.0/8, such as another one with the same port.
    ///
    /// # Panics
    /// If the system does not give it.
    #[must_use]
    pub fn start_at(address: SocketAddr, script: impl Script) -> Self {
        let listener = TcpListener::bind(address).expect("a free port of this machine");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared, &Arc::new(script))
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Reads whole requests and answers each with the same bytes, on connections that it keeps open.
    #[must_use]
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |connection| {
            loop {
                connection.request()?;
                connection.send(&answer)?;
            }
        })
    }

    /// Answers each request with 200 and the body `METHOD target length-of-body`.
    #[must_use]
    pub fn echoing() -> Self {
        Self::start(|connection| {
            loop {
                let request = connection.request()?;
                let body = format!("{} {} {}", request.method(), request.target(), request.body.len());
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                let body = if request.method() == "HEAD" { String::new() } else { body };
                connection.send(head + &body)?;
            }
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far, a connection at a time.
    ///
    /// # Panics
    /// Never: nobody panics while holding the lock.
    #[must_use]
    pub fn records(&self) -> Vec<ConnectionRecord> {
        self.shared.records.lock().expect("no holder panics").clone()
    }

    /// Every byte that came so far, on all connections.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.records().into_iter().flat_map(|record| record.bytes).collect()
    }

    /// Every whole request so far, connection after connection.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.records().into_iter().flat_map(|record| record.requests).collect()
    }

    /// The one request that came.
    ///
    /// # Panics
    /// If there was not exactly one.
    #[must_use]
    #[track_caller]
    pub fn only_request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// Waits until the gateway has ended every connection, and says how the last one ended.
    ///
    /// # Panics
    /// If one stays open for longer than [`PATIENCE`](crate::PATIENCE).
    #[track_caller]
    pub fn wait_ended(&self) -> Option<End> {
        eventually("the gateway ends its connections to the origin", || {
            self.records().iter().all(|record| record.end.is_some())
        });
        self.records().last().and_then(|record| record.end)
    }

    /// Stops listening and ends every connection: from now on connecting is refused.
    ///
    /// # Panics
    /// If a thread of the origin panicked.
    pub fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.shared.stopped.store(true, Ordering::Release);
        let _wakes_accept = TcpStream::connect(self.address);
        accepting.join().expect("accepting does not panic");
        for stream in self.shared.streams.lock().expect("no holder panics").drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<impl Script>) {
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let number = {
            let mut records = shared.records.lock().expect("no holder panics");
            records.push(ConnectionRecord::default());
            records.len() - 1
        };
        shared.streams.lock().expect("no holder panics").extend(stream.try_clone());
        let (shared, script) = (shared.clone(), script.clone());
        std::thread::spawn(move || serve(stream, number, &shared, &*script));
    }
}

fn serve(stream: TcpStream, number: usize, shared: &Arc<Shared>, script: &impl Script) {
    let observe = {
        let shared = shared.clone();
        move |bytes: &[u8]| shared.record(number, |record| record.bytes.extend_from_slice(bytes))
    };
    let mut connection = Connection {
        peer: Peer::new(stream, Box::new(observe)),
        number,
        shared: shared.clone(),
        ending: Ending::Linger,
    };
    let result = script(&mut connection);
    match &result {
        Ok(()) | Err(ReadError::Closed) => {}
        Err(error) => shared.record(number, |record| record.error = Some(error.clone())),
    }
    if connection.ending == Ending::Script {
        shared.record(number, |record| record.end = Some(End::Script));
    } else if result == Err(ReadError::Reset) {
        shared.record(number, |record| record.end = Some(End::Reset));
    } else {
        connection.peer.finish();
        let _deadline_passed = connection.until_end();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Linger,
    Script,
}

/// One connection of an origin, in the hands of its script.
pub struct Connection {
    peer: Peer,
    number: usize,
    shared: Arc<Shared>,
    ending: Ending,
}

impl Connection {
    /// How many were accepted before it.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads a whole request, which the record then counts.
    ///
    /// # Errors
    /// If it does not come whole, or is not strictly well-formed.
    pub fn request(&mut self) -> Result<Request, ReadError> {
        let head = self.head()?;
        self.rest(head)
    }

    /// Reads a request's head only; its body can be read by [`Connection::rest`].
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub fn head(&mut self) -> Result<Head, ReadError> {
        // An idle connection may wait for as long as its test lasts; the gateway's own deadlines end it.
        let head = loop {
            match self.peer.head(Deadline::usual()) {
                Err(ReadError::Timeout) if !self.shared.stopped.load(Ordering::Acquire) => {}
                other => break other?,
            }
        };
        Request::check_start(&head)?;
        Ok(head)
    }

    /// Reads the body after a head; the record then counts the request.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub fn rest(&mut self, head: Head) -> Result<Request, ReadError> {
        let framing = head.framing()?;
        let (body, trailers) = self.peer.body(framing, Deadline::usual())?;
        let request = Request { head, body, trailers };
        self.shared.record(self.number, |record| record.requests.push(request.clone()));
        Ok(request)
    }

    /// Reads that many bytes, whatever they are.
    ///
    /// # Errors
    /// If fewer come.
    pub fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        self.peer.exactly(length, Deadline::usual())
    }

    /// Lets little of what is sent wait in the kernel.
    ///
    /// # Panics
    /// The socket is not there any more.
    pub fn shrink_send_buffer(&self) {
        socket2::SockRef::from(self.peer.stream()).set_send_buffer_size(4096).expect("a positive size");
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// [`ReadError::Reset`] if the gateway takes no more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ReadError> {
        self.peer.send(bytes.as_ref()).map_err(|_| ReadError::Reset)
    }

    /// Sends pieces, each likely to be read alone.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), ReadError> {
        self.peer.send_pieces(pieces).map_err(|_| ReadError::Reset)
    }

    /// Half-closes: nothing more is sent.
    pub fn finish(&mut self) {
        self.peer.finish();
    }

    /// Reads, and records, until the gateway ends the connection: an origin that never answers.
    ///
    /// # Errors
    /// [`ReadError::Timeout`] if it does not end.
    pub fn until_end(&mut self) -> Result<(), ReadError> {
        let (_, end) = self.peer.read_to_end(Deadline::usual())?;
        self.shared.record(self.number, |record| record.end = Some(end));
        Ok(())
    }

    /// Stops reading until the gate opens: an origin that is stuck.
    pub fn stuck(&mut self, until: &Gate) {
        until.wait();
    }

    /// Closes at once when the script returns, whatever the gateway still sends.
    pub fn close(&mut self) {
        self.ending = Ending::Script;
        // The other handle of the socket would keep it open.
        self.forget();
    }

    /// Resets the connection when the script returns.
    pub fn reset(&mut self) {
        self.peer.prepare_reset();
        self.close();
    }

    fn forget(&self) {
        let own = self.peer.stream().peer_addr().ok();
        self.shared
            .streams
            .lock()
            .expect("no holder panics")
            .retain(|stream| own.is_none() || stream.peer_addr().ok() != own);
    }
}
