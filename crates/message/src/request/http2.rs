//! Requests that come over HTTP/2 and HTTP/3, brought into the same shape and held to the same rules.

use super::RequestHead;
use crate::body::BodyLength;
use crate::bytes::{has_bad_target_byte, has_control, is_token, trim};
use crate::connection::Framing;
use crate::error::HeadError;
use crate::host::parse_authority;
use crate::limits::HeadLimits;
use crate::method::{Method, Version};
use crate::name::Known;
use crate::target::Target;

impl RequestHead {
    /// Fills the head from what HTTP/2 brings: pseudo-fields and fields. Crumbs of cookies are joined
    /// (RFC 9113 8.2.3).
    ///
    /// # Errors
    /// [`HeadError`] if the request is malformed (RFC 9113 8.1.1, 8.2, 8.3), refused or over a limit; the head
    /// is then empty.
    #[expect(clippy::too_many_arguments, reason = "the pseudo-fields of one request, each once")]
    pub fn from_parts<'a>(
        &mut self,
        method: &[u8],
        scheme: &[u8],
        authority: Option<&[u8]>,
        path: &[u8],
        end_of_stream: bool,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        self.clear();
        let filled = self
            .fill_pseudo_fields(method, scheme, path, limits)
            .and_then(|()| self.fill_fields(authority, end_of_stream, fields, limits));
        if filled.is_err() {
            self.clear();
        }
        filled
    }

    /// The request, which was filled by [`from_parts`](Self::from_parts), came over HTTP/3: its rules are the same
    /// (RFC 9114 4.2, 4.3).
    pub fn set_http3(&mut self) {
        self.version = Version::Http3;
    }

    fn fill_pseudo_fields(
        &mut self,
        method: &[u8],
        scheme: &[u8],
        path: &[u8],
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        self.version = Version::Http2;
        self.keep_alive = true;
        self.method = Method::from_text(method);
        if !is_token(method)
            || !(scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https"))
        {
            return Err(HeadError::Malformed);
        }
        if self.method == Method::Connect || method.len() > super::METHOD_BYTES {
            return Err(HeadError::Method);
        }
        if path.len() > limits.target {
            return Err(HeadError::TargetTooLong);
        }
        if has_bad_target_byte(path) {
            return Err(HeadError::Target);
        }
        self.method_text = self.fields.store(method);
        match Target::parse(path)? {
            Target::Origin { path: place, query } => {
                let place = self.fields.store(&path[place]);
                self.query = query.map(|query| self.fields.store(&path[query]));
                self.take_path(place)
            }
            Target::Asterisk if self.method == Method::Options => {
                self.path = self.fields.store(b"*");
                Ok(())
            }
            _ => Err(HeadError::Target),
        }
    }

    fn fill_fields<'a>(
        &mut self,
        authority: Option<&[u8]>,
        end_of_stream: bool,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        let mut size = limits.list_size();
        let mut framing = Framing::default();
        let mut host = None;
        let mut welcomes_trailers = false;
        let mut cookies = Vec::new();
        for (name, value) in fields {
            if name == b"cookie" {
                size.add_crumb(name, value)?;
                join_crumb(value, &mut cookies)?;
                continue;
            }
            size.add(name, value)?;
            match self.fields.push_http2(name, value)? {
                Known::ContentLength => {
                    framing.read_length(value)?;
                    self.fields.drop_last(Known::ContentLength);
                }
                Known::Host if host.is_some() => return Err(HeadError::HostRepeated),
                Known::Host => {
                    host = Some(value);
                    self.fields.drop_last(Known::Host);
                }
                known @ (Known::Proxy | Known::Http2Settings) => self.fields.drop_last(known),
                Known::Te if std::mem::replace(&mut welcomes_trailers, true) => {
                    self.fields.drop_last_repeated()
                }
                Known::Expect => self.take_expectation(value)?,
                _ => {}
            }
        }
        if !cookies.is_empty() {
            size.add(b"cookie", b"")?;
            self.fields.append_line(b"cookie", Known::Cookie, &[&cookies]);
        }
        self.body = length_of_body(framing.length, end_of_stream)?;
        self.forget_idle_expectation();
        self.count_forward()?;
        self.fill_authority(authority, host)
    }

    /// Reads the `Expect` that was pushed last; once is enough.
    fn take_expectation(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if !trim(value).eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::Expectation);
        }
        if self.expects_continue {
            self.fields.drop_last_repeated();
        }
        self.expects_continue = true;
        Ok(())
    }

    /// `:authority`, or `host` in its place; where both are there they must mean the same (RFC 9113 8.3.1).
    fn fill_authority(&mut self, authority: Option<&[u8]>, host: Option<&[u8]>) -> Result<(), HeadError> {
        let Some(main) = authority.or(host) else { return Err(HeadError::HostMissing) };
        if let (Some(_), Some(host)) = (authority, host)
            && normal(main)? != normal(host)?
        {
            return Err(HeadError::HostDiffers);
        }
        let span = self.fields.store(main);
        self.take_authority(span)
    }
}

/// Adds a part of a cookie to those before it.
pub(crate) fn join_crumb(crumb: &[u8], cookies: &mut Vec<u8>) -> Result<(), HeadError> {
    if has_control(crumb) {
        return Err(HeadError::FieldValue);
    }
    if !cookies.is_empty() {
        cookies.extend_from_slice(b"; ");
    }
    cookies.extend_from_slice(trim(crumb));
    Ok(())
}

/// An authority in its normal form.
pub(crate) fn normal(raw: &[u8]) -> Result<Vec<u8>, HeadError> {
    let mut out = Vec::new();
    parse_authority(raw)?.write(raw, &mut out);
    Ok(out)
}

/// How long the body is, by `content-length` and by whether the head ended the stream (RFC 9113 8.1.1).
pub(crate) fn length_of_body(length: Option<u64>, end_of_stream: bool) -> Result<BodyLength, HeadError> {
    match length {
        Some(1..) if end_of_stream => Err(HeadError::Malformed),
        Some(length) => Ok(BodyLength::Length(length)),
        None if end_of_stream => Ok(BodyLength::Empty),
        None => Ok(BodyLength::Chunked),
    }
}

#[cfg(test)]
mod tests;
