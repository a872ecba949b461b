//! One end of a real connection: reading with deadlines, writing, ending.

use crate::http::{Framing, Head, field_line, malformed};
use crate::wait::{Deadline, PATIENCE};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Why reading failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The other side closed cleanly before a byte of what was to be read.
    Closed,
    /// The other side closed in the middle of it.
    Truncated,
    /// The other side reset the connection.
    Reset,
    /// The deadline passed.
    Timeout,
    /// It came, and breaks the grammar; holds the text at fault.
    Malformed(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for ReadError {}

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a FIN.
    Closed,
    /// With a reset.
    Reset,
    /// It did not: the origin's own script ended the connection.
    Script,
}

/// A body without its framing, and its trailers.
pub(crate) type Body = (Vec<u8>, Vec<(String, String)>);

type Observe = Box<dyn FnMut(&[u8]) + Send>;

/// A stream, what was read of it and not yet used, and who is told of every byte that comes.
pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    observe: Observe,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, observe: Observe) -> Self {
        // Each write of a test is to be a segment of its own.
        stream.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        stream.set_write_timeout(Some(PATIENCE)).expect("PATIENCE is not zero");
        Self { stream, unread: Vec::new(), observe }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends pieces with a pause after each that is long enough for the other side to read it alone, usually: the
    /// pause makes a split likely, and no test's outcome depends on it.
    pub(crate) fn send_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> std::io::Result<()> {
        for piece in pieces {
            self.send(piece)?;
            std::thread::sleep(Duration::from_micros(300));
        }
        Ok(())
    }

    /// Half-closes: no more is sent.
    pub(crate) fn finish(&self) {
        let _gone_already = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the coming drop of the stream a reset.
    pub(crate) fn prepare_reset(&self) {
        let _gone_already = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads what is there, or waits for some. `Ok(0)`: the other side closed.
    pub(crate) fn fill(&mut self, deadline: Deadline) -> Result<usize, ReadError> {
        let mut chunk = [0; 16 << 10];
        loop {
            self.stream
                .set_read_timeout(Some(deadline.left().ok_or(ReadError::Timeout)?))
                .map_err(|_| ReadError::Reset)?;
            match self.stream.read(&mut chunk) {
                Ok(length) => {
                    (self.observe)(&chunk[..length]);
                    self.unread.extend_from_slice(&chunk[..length]);
                    return Ok(length);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                    _ => return Err(ReadError::Reset),
                },
            }
        }
    }

    /// Reads a head.
    pub(crate) fn head(&mut self, deadline: Deadline) -> Result<Head, ReadError> {
        loop {
            if let Some((head, length)) = Head::parse(&self.unread)? {
                self.unread.drain(..length);
                return Ok(head);
            }
            if self.fill(deadline)? == 0 {
                return Err(if self.unread.is_empty() { ReadError::Closed } else { ReadError::Truncated });
            }
        }
    }

    /// Reads a body and its trailers, without the framing.
    pub(crate) fn body(&mut self, framing: Option<Framing>, deadline: Deadline) -> Result<Body, ReadError> {
        match framing {
            None => Ok((Vec::new(), Vec::new())),
            Some(Framing::Length(length)) => {
                let length = usize::try_from(length).map_err(|_| malformed("a length beyond memory"))?;
                Ok((self.exactly(length, deadline)?, Vec::new()))
            }
            Some(Framing::UntilClose) => {
                while self.fill(deadline)? > 0 {}
                Ok((std::mem::take(&mut self.unread), Vec::new()))
            }
            Some(Framing::Chunked) => self.chunked(deadline),
        }
    }

    /// Reads that many bytes.
    pub(crate) fn exactly(&mut self, length: usize, deadline: Deadline) -> Result<Vec<u8>, ReadError> {
        while self.unread.len() < length {
            if self.fill(deadline)? == 0 {
                return Err(ReadError::Truncated);
            }
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn chunked(&mut self, deadline: Deadline) -> Result<Body, ReadError> {
        let mut body = Vec::new();
        loop {
            let line = self.line(deadline)?;
            let digits = line.split(';').next().unwrap_or_default();
            let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let size =
                usize::from_str_radix(digits, 16).ok().filter(|_| hex).ok_or_else(|| malformed(&line))?;
            if size == 0 {
                break;
            }
            body.append(&mut self.exactly(size, deadline)?);
            if self.exactly(2, deadline)? != b"\r\n" {
                return Err(malformed("no CRLF after a chunk"));
            }
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line(deadline)?;
            if line.is_empty() {
                return Ok((body, trailers));
            }
            trailers.push(field_line(&line)?);
        }
    }

    fn line(&mut self, deadline: Deadline) -> Result<String, ReadError> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line = self.unread.drain(..=end).map(char::from).collect::<String>();
                return line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| malformed(&line));
            }
            if self.fill(deadline)? == 0 {
                return Err(ReadError::Truncated);
            }
        }
    }

    /// Reads to the end: everything that was left, and how it ended.
    pub(crate) fn read_to_end(&mut self, deadline: Deadline) -> Result<(Vec<u8>, End), ReadError> {
        let end = loop {
            match self.fill(deadline) {
                Ok(0) => break End::Closed,
                Ok(_) => {}
                Err(ReadError::Reset) => break End::Reset,
                Err(error) => return Err(error),
            }
        };
        Ok((std::mem::take(&mut self.unread), end))
    }
}
