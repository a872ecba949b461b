//! A raw client: it sends exactly the bytes that a test wants, and reads answers strictly.

use crate::http::Response;
use crate::peer::{End, Peer, ReadError};
use crate::wait::{Deadline, PATIENCE};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;

/// One client connection.
pub struct Client {
    peer: Peer,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If that fails; see [`Client::try_connect`].
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the gateway accepts a connection")
    }

    /// Connects, for tests in which that may fail.
    ///
    /// # Errors
    /// What `connect(2)` says.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        Ok(Self { peer: Peer::new(stream, Box::new(|_| {})) })
    }

    /// Its own address.
    ///
    /// # Panics
    /// Never: a connected socket has one.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.peer.stream().local_addr().expect("a connected socket has an address")
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the connection is gone; see [`Client::try_send`].
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the gateway takes the bytes");
    }

    /// Sends bytes as they are, where the gateway may have closed already.
    ///
    /// # Errors
    /// What `write(2)` says; a timeout if nothing was taken for [`PATIENCE`].
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.peer.send(bytes.as_ref())
    }

    /// Sends pieces, each likely to be read alone.
    ///
    /// # Errors
    /// As [`Client::try_send`].
    pub fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> std::io::Result<()> {
        self.peer.send_pieces(pieces)
    }

    /// Sends from another thread, so that this one can read meanwhile.
    ///
    /// # Panics
    /// If the system gives no second handle.
    #[must_use]
    pub fn send_beside(&self, bytes: Vec<u8>) -> JoinHandle<std::io::Result<()>> {
        let mut stream = self.peer.stream().try_clone().expect("a second handle of the socket");
        std::thread::spawn(move || std::io::Write::write_all(&mut stream, &bytes))
    }

    /// Reads the final answer to a `GET`, or to another method that is not `HEAD`.
    ///
    /// # Panics
    /// If it is not whole and well-formed within [`PATIENCE`].
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response("GET").expect("a whole answer")
    }

    /// Reads the final answer to `method`.
    ///
    /// # Errors
    /// Anything but a whole, well-formed answer.
    pub fn try_response(&mut self, method: &str) -> Result<Response, ReadError> {
        let deadline = Deadline::usual();
        let mut response = Response::default();
        loop {
            response.head = self.peer.head(deadline)?;
            response.status = Response::status_of(&response.head)?;
            if response.status >= 200 {
                break;
            }
            if response.head.framing()?.is_some() {
                return Err(ReadError::Malformed("framing fields of 1xx".to_owned()));
            }
            response.interim.push(std::mem::take(&mut response.head));
            if response.status == 101 {
                break;
            }
        }
        if response.status == 101 {
            response.head = response.interim.pop().unwrap_or_default();
            return Ok(response);
        }
        let framing = Response::framing_of(&response.head, method, response.status)?;
        (response.body, response.trailers) = self.peer.body(framing, deadline)?;
        Ok(response)
    }

    /// Reads one head, a 1xx one too, and nothing after it.
    ///
    /// # Errors
    /// Anything but a whole, well-formed head.
    pub fn head(&mut self) -> Result<Response, ReadError> {
        let head = self.peer.head(Deadline::usual())?;
        Ok(Response { status: Response::status_of(&head)?, head, ..Response::default() })
    }

    /// Reads that many bytes: of a tunnel, or of a body whose framing the test knows.
    ///
    /// # Errors
    /// If fewer come.
    pub fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        self.peer.exactly(length, Deadline::usual())
    }

    /// Reads everything to the end of the connection, and how it ended.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        self.peer.read_to_end(Deadline::usual()).expect("the connection ends")
    }

    /// Asserts that the gateway ends the connection, cleanly or not, without another byte.
    ///
    /// # Panics
    /// If it sends more, or does not end within [`PATIENCE`].
    #[track_caller]
    pub fn expect_end(&mut self) -> End {
        let (bytes, end) = self.read_to_end();
        assert!(bytes.is_empty(), "more came before the end: {}", String::from_utf8_lossy(&bytes));
        end
    }

    /// Whether nothing is waiting to be read and the connection is open, at this moment.
    #[must_use]
    pub fn is_quiet(&mut self) -> bool {
        let nothing = Deadline::after(std::time::Duration::from_millis(1));
        self.peer.unread().is_empty() && self.peer.fill(nothing) == Err(ReadError::Timeout)
    }

    /// Half-closes: nothing more is sent, and answers can still be read.
    pub fn finish(&self) {
        self.peer.finish();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.peer.prepare_reset();
    }

    /// Makes the socket's receive buffer as small as the system allows, so that not reading is soon felt.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn shrink_receive_buffer(&self) {
        socket2::SockRef::from(self.peer.stream()).set_recv_buffer_size(4096).expect("a positive size");
    }
}
