//! A service that speaks Envoy's rate limit protocol: one call of gRPC a request, on one connection of HTTP/2.

use super::keep::{Opened, Pulse};
use super::messages::{
    CurrentLimit, Descriptor, DescriptorStatus, Entry, HeaderValue, OK, OVER_LIMIT, RateLimitRequest,
    RateLimitResponse,
};
use super::{Answer, Io, Peer, Question};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, Uri};
use irongate_config::LimitStore;
use irongate_message::FieldName;
use irongate_traffic::LimitVerdict;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// What an answer takes at most.
const LONGEST: usize = 64 << 10;
/// Fields that a service may add to the answer to the client, and how long a value may be.
const MOST_FIELDS: usize = 16;
const LONGEST_VALUE: usize = 1024;
/// How long to wait where a service does not say it.
const UNSAID: Duration = Duration::from_secs(1);
/// Fields that say how a message is framed and where it goes: nobody else's to set.
const NOT_THEIRS: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A connection to a service.
pub(super) struct Service {
    sender: SendRequest<Bytes>,
    uri: Uri,
    domain: Arc<str>,
    /// `grpc-timeout`.
    timeout: String,
}

/// Begins HTTP/2, and waits for a first sign of life.
pub(super) async fn open(
    config: &LimitStore,
    domain: &Arc<str>,
    stream: Box<dyn Io>,
) -> Result<Opened, String> {
    let host = if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.to_string() };
    let uri = Uri::builder()
        .scheme(if config.tls.is_some() { "https" } else { "http" })
        .authority(format!("{host}:{}", config.port))
        .path_and_query(PATH)
        .build()
        .map_err(told)?;
    let begun = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(16 << 10)
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .handshake(stream)
        .await;
    let (sender, mut connection) = begun.map_err(told)?;
    let mut pings = connection.ping_pong().ok_or_else(|| "pings are taken".to_owned())?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // What went wrong is told by the calls that it ended.
        let _ = connection.await;
    });
    ping(&mut pings).await?;
    let timeout = format!("{}u", config.timeout.as_micros());
    let service = Service { sender, uri, domain: domain.clone(), timeout };
    Ok(Opened { peer: Peer::Service(service), pulse: Pulse::Service(pings), driver })
}

/// Asks a connection for a sign of life.
pub(super) async fn ping(pings: &mut h2::PingPong) -> Result<(), String> {
    pings.ping(h2::Ping::opaque()).await.map(drop).map_err(told)
}

impl Service {
    pub(super) async fn ask(&self, questions: &[Question]) -> Result<Answer, String> {
        let descriptors: Vec<_> = questions.iter().filter_map(descriptor).collect();
        if descriptors.is_empty() {
            return Ok(answer(&RateLimitResponse { overall_code: OK, ..Default::default() }, questions));
        }
        let message = RateLimitRequest { domain: self.domain.to_string(), descriptors, hits_addend: 1 };
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", &self.timeout)
            .header("user-agent", concat!("irongate/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(told)?;
        let mut sender = self.sender.clone().ready().await.map_err(told)?;
        let (response, mut body) = sender.send_request(request, false).map_err(told)?;
        body.send_data(framed(&message), true).map_err(told)?;
        let (head, mut body) = response.await.map_err(told)?.into_parts();
        if head.status.as_u16() != 200 {
            return Err(format!("it answers {}", head.status));
        }
        check_status(&head.headers, false)?;
        let message = read(&mut body).await?;
        let trailers = body.trailers().await.map_err(told)?.unwrap_or_default();
        check_status(&trailers, true)?;
        Ok(answer(&message, questions))
    }
}

/// What is asked for one limit.
fn descriptor(question: &Question) -> Option<Descriptor> {
    let Question::Describe(entries) = question else { return None };
    let entry = |(key, value): &(Arc<str>, String)| Entry { key: key.to_string(), value: value.clone() };
    (!entries.is_empty()).then(|| Descriptor { entries: entries.iter().map(entry).collect() })
}

/// A message with its prefix.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // There is room, since the buffer grows.
    let _ = message.encode(&mut frame);
    frame.freeze()
}

async fn read(body: &mut RecvStream) -> Result<RateLimitResponse, String> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(told)?;
        let _ = body.flow_control().release_capacity(piece.len());
        if bytes.len() + piece.len() > LONGEST {
            return Err("its answer is too long".to_owned());
        }
        bytes.extend_from_slice(&piece);
    }
    let mut bytes = bytes.freeze();
    if bytes.is_empty() {
        return Ok(RateLimitResponse::default());
    }
    if bytes.len() < 5 || bytes.get_u8() != 0 || bytes.get_u32() as usize != bytes.len() {
        return Err("its answer is no message".to_owned());
    }
    RateLimitResponse::decode(bytes).map_err(told)
}

/// Whether a call went well, as its answer's head or its trailers say.
fn check_status(fields: &HeaderMap, is_needed: bool) -> Result<(), String> {
    match fields.get("grpc-status").map(|status| status.as_bytes()) {
        Some(b"0") => Ok(()),
        None if !is_needed => Ok(()),
        None => Err("its answer has no status".to_owned()),
        Some(status) => {
            Err(format!("its answer has the status {}", String::from_utf8_lossy(status).escape_debug()))
        }
    }
}

/// What an answer says to the limits that were asked about.
fn answer(message: &RateLimitResponse, questions: &[Question]) -> Answer {
    let asked = questions.iter().filter(|question| descriptor(question).is_some()).count();
    // Some services say the whole alone.
    let whole = DescriptorStatus { code: message.overall_code, ..DescriptorStatus::default() };
    let is_each = message.statuses.len() == asked;
    let mut statuses = message.statuses.iter();
    let mut answer = Answer::default();
    let mut tightest: Option<&DescriptorStatus> = None;
    for question in questions {
        if descriptor(question).is_none() {
            answer.verdicts.push(LimitVerdict::Admitted);
            continue;
        }
        let status = if is_each { statuses.next().unwrap_or(&whole) } else { &whole };
        answer.verdicts.push(match status.code {
            OVER_LIMIT => LimitVerdict::Refused(until_reset(status)),
            _ => LimitVerdict::Admitted,
        });
        if status.code == OVER_LIMIT && status.current_limit.is_some() {
            tightest.get_or_insert(status);
        }
    }
    answer.fields = added(&message.response_headers_to_add);
    if let Some((status, limit)) = tightest.and_then(|status| Some((status, status.current_limit.as_ref()?)))
    {
        answer.fields.extend(described(status, limit));
    }
    answer
}

fn until_reset(status: &DescriptorStatus) -> Duration {
    let Some(until) = &status.duration_until_reset else { return UNSAID };
    let seconds = u64::try_from(until.seconds).unwrap_or_default();
    Duration::new(seconds, u32::try_from(until.nanos).unwrap_or_default().min(999_999_999))
}

/// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (draft-ietf-httpapi-ratelimit-headers-03), as Envoy says them.
fn described(status: &DescriptorStatus, limit: &CurrentLimit) -> Vec<(FieldName, Box<[u8]>)> {
    let seconds = match limit.unit {
        1 => Some(1),
        2 => Some(60),
        3 => Some(3600),
        4 => Some(86_400),
        5 => Some(2_592_000),
        6 => Some(31_536_000),
        7 => Some(604_800),
        _ => None,
    };
    let requests = limit.requests_per_unit;
    let window = seconds.map(|seconds: u32| format!(", {requests};w={seconds}")).unwrap_or_default();
    let until = until_reset(status);
    let reset = until.as_secs() + u64::from(until.subsec_nanos() > 0);
    let fields = [
        ("x-ratelimit-limit", format!("{requests}{window}")),
        ("x-ratelimit-remaining", status.limit_remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ];
    let named = fields.into_iter().filter_map(|(name, value)| Some((FieldName::new(name).ok()?, value)));
    named.map(|(name, value)| (name, value.into_bytes().into())).collect()
}

/// The fields that a service wants in the answer to the client, as far as they may be there.
fn added(fields: &[HeaderValue]) -> Vec<(FieldName, Box<[u8]>)> {
    let take = |field: &HeaderValue| {
        let name = field.key.to_ascii_lowercase();
        let value = if field.raw_value.is_empty() { field.value.as_bytes() } else { &field.raw_value };
        let is_value = value.len() <= LONGEST_VALUE
            && value.iter().all(|byte| *byte == b'\t' || (b' '..=b'~').contains(byte));
        let may_be = is_value && !NOT_THEIRS.contains(&name.as_str());
        may_be.then(|| Some((FieldName::new(&name).ok()?, value.trim_ascii().into()))).flatten()
    };
    fields.iter().filter_map(take).take(MOST_FIELDS).collect()
}

/// An error for people, of bounded length.
fn told(error: impl std::fmt::Display) -> String {
    error.to_string().chars().filter(|one| !one.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
