//! A strict, minimal reader of HTTP/1.1 messages, independent of the gateway's own.
//!
//! It takes only what a careful sender writes: CRLF line ends, one framing, token names. So whatever the gateway
//! sends is also checked for its form.

use crate::peer::ReadError;

/// A head: its first line and its field lines. Bytes are shown as Latin-1, so that none is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The request line or status line, without its end.
    pub start: String,
    /// Names as written, and values without the spaces around them.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The value of a field that is there at most once; the case of names is ignored.
    ///
    /// # Panics
    /// If there is more than one line of that name.
    #[must_use]
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next();
        assert!(values.next().is_none(), "more than one `{name}` in {self:?}");
        value
    }

    /// Every value of a name, in order.
    pub fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes a head from the beginning of `bytes`: it and its length; `None` if it is not whole yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ReadError> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text: String = bytes[..end].iter().map(|&byte| char::from(byte)).collect();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines.map(field_line).collect::<Result<_, _>>()?;
        if start.is_empty() || start.contains(['\r', '\n', '\0']) {
            return Err(malformed(&start));
        }
        Ok(Some((Self { start, fields }, end + 4)))
    }

    /// How the body is framed by the fields alone.
    pub(crate) fn framing(&self) -> Result<Option<Framing>, ReadError> {
        let mut lengths = self.values("content-length");
        let mut codings = self.values("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (Some(length), None) if lengths.next().is_none() => {
                if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(malformed(length));
                }
                Ok(Some(Framing::Length(length.parse().map_err(|_| malformed(length))?)))
            }
            (None, Some("chunked")) if codings.next().is_none() => Ok(Some(Framing::Chunked)),
            (None, None) => Ok(None),
            _ => Err(malformed("framing fields")),
        }
    }
}

pub(crate) fn field_line(line: &str) -> Result<(String, String), ReadError> {
    let (name, value) = line.split_once(':').ok_or_else(|| malformed(line))?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let valid = |c: char| c == '\t' || (c >= ' ' && c != '\x7f');
    if name.is_empty() || !name.chars().all(token) || !value.chars().all(valid) {
        return Err(malformed(line));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

pub(crate) fn malformed(what: &str) -> ReadError {
    ReadError::Malformed(what.to_owned())
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A request as an origin read it, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
}

impl Request {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    /// The target as it came.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a field; see [`Head::field`].
    #[must_use]
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub(crate) fn check_start(head: &Head) -> Result<(), ReadError> {
        let parts: Vec<&str> = head.start.split(' ').collect();
        match parts[..] {
            [method, target, "HTTP/1.1"] if !method.is_empty() && !target.is_empty() => Ok(()),
            _ => Err(malformed(&head.start)),
        }
    }
}

/// An answer as a client read it, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head of the final answer.
    pub head: Head,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// 1xx answers that came before it.
    pub interim: Vec<Head>,
}

impl Response {
    /// The value of a field; see [`Head::field`].
    #[must_use]
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The body as text, for messages and comparisons.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn status_of(head: &Head) -> Result<u16, ReadError> {
        let rest = head.start.strip_prefix("HTTP/1.1 ").ok_or_else(|| malformed(&head.start))?;
        let (code, _reason) = rest.split_once(' ').ok_or_else(|| malformed(&head.start))?;
        match code.parse() {
            Ok(status @ 100..=999) if code.len() == 3 => Ok(status),
            _ => Err(malformed(&head.start)),
        }
    }

    /// How the body of an answer to `method` is framed (RFC 9112 §6.3); `None`: it has none.
    pub(crate) fn framing_of(head: &Head, method: &str, status: u16) -> Result<Option<Framing>, ReadError> {
        let by_fields = head.framing()?;
        Ok(match status {
            _ if method == "HEAD" => None,
            100..=199 | 204 if by_fields.is_some() => return Err(malformed("framing fields of 1xx or 204")),
            100..=199 | 204 | 304 => None,
            _ => Some(by_fields.unwrap_or(Framing::UntilClose)),
        })
    }
}
