//! A request, and what is to come of it.

use crate::manifests::Manifests;
use crate::secure::{self, Shown, Tls};
use irongate_testkit::{Client, Response};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// A request, and what is to come of it; made by [`get`] or [`request`].
#[derive(Clone)]
pub(crate) struct Case {
    method: &'static str,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    tls: Option<Tls>,
    expected: Expected,
}

#[derive(Clone, Default)]
struct Expected {
    statuses: Vec<u16>,
    backend: Option<String>,
    seen_line: Option<String>,
    seen: Vec<Field>,
    answered: Vec<Field>,
    /// The connection is ended before there is an answer.
    is_refused: bool,
}

/// A field's name, and its value; `None`: it is not there.
type Field = (String, Option<String>);

/// `GET` of a target, with `Host: example.com` unless the case says another. An answer of 200 is expected, unless it says
/// otherwise.
pub(crate) fn get(target: &str) -> Case {
    request("GET", target)
}

/// The same with another method.
pub(crate) fn request(method: &'static str, target: &str) -> Case {
    Case {
        method,
        target: target.to_owned(),
        host: "example.com".to_owned(),
        fields: Vec::new(),
        tls: None,
        expected: Expected::default(),
    }
}

/// What the request has.
impl Case {
    /// With this host, and its port if one is written.
    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// With this header field; may be said several times.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Over TLS, asking for this name.
    pub(crate) fn tls(mut self, name: &str) -> Self {
        self.tls = Some(Tls { name: name.to_owned(), shown: Shown::None });
        self
    }

    /// Showing this certificate, over TLS.
    pub(crate) fn showing(mut self, shown: Shown) -> Self {
        self.tls.as_mut().expect("said to be over TLS before").shown = shown;
        self
    }
}

/// What is expected.
impl Case {
    /// An instance of this Service answers.
    pub(crate) fn to(mut self, service: &str) -> Self {
        self.expected.backend = Some(service.to_owned());
        self
    }

    /// The answer has this status.
    pub(crate) fn status(self, status: u16) -> Self {
        self.one_of(&[status])
    }

    /// The answer has one of these statuses.
    pub(crate) fn one_of(mut self, statuses: &[u16]) -> Self {
        self.expected.statuses = statuses.to_vec();
        self
    }

    /// There is no answer: the connection is refused.
    pub(crate) fn refused(mut self) -> Self {
        self.expected.is_refused = true;
        self
    }

    /// The instance sees this request line, without the version: `GET /path?query`.
    pub(crate) fn sees_line(mut self, line: &str) -> Self {
        self.expected.seen_line = Some(line.to_owned());
        self
    }

    /// The instance sees a field with this value. Several lines of a name are joined by `,`.
    pub(crate) fn sees(mut self, name: &str, value: &str) -> Self {
        self.expected.seen.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// The instance sees no such field.
    pub(crate) fn sees_no(mut self, name: &str) -> Self {
        self.expected.seen.push((name.to_owned(), None));
        self
    }

    /// The answer has a field with this value. Several lines of a name are joined by `,`. In `Location` the manifests'
    /// ports stand, and the scheme's own is left out.
    pub(crate) fn answers(mut self, name: &str, value: &str) -> Self {
        self.expected.answered.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// The answer has no such field.
    pub(crate) fn answers_no(mut self, name: &str) -> Self {
        self.expected.answered.push((name.to_owned(), None));
        self
    }
}

impl Case {
    /// Sends the request; what is wrong with what comes of it.
    pub(crate) fn failure(&self, address: SocketAddr, manifests: &Manifests) -> Option<String> {
        let wrong = match self.send(address) {
            Err(_) if self.expected.is_refused => Vec::new(),
            Ok(answer) if self.expected.is_refused => vec![format!("answered {}", answer.status)],
            Err(error) => vec![format!("no answer: {error}")],
            Ok(answer) => self.compare(&answer, manifests),
        };
        let what = format!("{} {} for {} {:?}", self.method, self.target, self.host, self.fields);
        (!wrong.is_empty()).then(|| format!("{what}: {}", wrong.join("; ")))
    }

    fn send(&self, address: SocketAddr) -> Result<Response, String> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if let Some(tls) = &self.tls {
            text.push_str("Connection: close\r\n\r\n");
            let answer = secure::exchange(address, tls, &text).map_err(|error| error.to_string())?;
            let mut client = Client::try_connect(answer).map_err(|error| error.to_string())?;
            return client.try_response(self.method).map_err(|error| error.to_string());
        }
        text.push_str("\r\n");
        let mut client = Client::try_connect(address).map_err(|error| error.to_string())?;
        client.try_send(text).map_err(|error| error.to_string())?;
        client.try_response(self.method).map_err(|error| error.to_string())
    }

    fn compare(&self, answer: &Response, manifests: &Manifests) -> Vec<String> {
        let expected = &self.expected;
        let mut wrong = Vec::new();
        let statuses = if expected.statuses.is_empty() { &[200][..] } else { &expected.statuses };
        if !statuses.contains(&answer.status) {
            wrong.push(format!("status {} and not {statuses:?}", answer.status));
        }
        let compare =
            |wrong: &mut Vec<String>, whose: &str, fields: &[Field], found: &dyn Fn(&str) -> Vec<String>| {
                for (name, value) in fields {
                    let found = found(name);
                    let found = (!found.is_empty()).then(|| found.join(","));
                    if found != *value {
                        wrong.push(format!("{whose} {name}: {found:?} and not {value:?}"));
                    }
                }
            };
        compare(&mut wrong, "answered", &expected.answered, &|name| {
            let values = answer.head.values(name).map(str::to_owned);
            if name.eq_ignore_ascii_case("location") {
                values.map(|value| manifests.written_location(&value)).collect()
            } else {
                values.collect()
            }
        });
        let echo = crate::echo::Echo::read(answer);
        match (&expected.backend, &echo) {
            (Some(service), Some(echo)) if echo.is_of(service) => {}
            (Some(service), Some(echo)) => {
                wrong.push(format!("answered by {} and not {service}", echo.service))
            }
            (Some(service), None) if self.method != "HEAD" => {
                wrong.push(format!("not answered by {service}"))
            }
            (None, Some(echo)) if !statuses.contains(&200) => wrong.push(format!("came to {}", echo.service)),
            _ => {}
        }
        if let Some(echo) = echo {
            if expected.seen_line.as_ref().is_some_and(|line| *line != echo.line) {
                wrong.push(format!("seen {:?} and not {:?}", echo.line, expected.seen_line));
            }
            compare(&mut wrong, "seen", &expected.seen, &|name| echo.values(name));
        }
        wrong
    }
}
