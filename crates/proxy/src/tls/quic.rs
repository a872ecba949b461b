//! TLS inside of QUIC (RFC 9001). As over TCP, the name in the client's first message chooses the listener that answers.
//!
//! quinn wants to know how TLS ends before it has seen a byte of it. So a session here begins as a collector of the first
//! message, and becomes rustls's own once the message is whole.

use super::names::TlsUse;
use super::provider::provider;
use super::{ClientTls, ServerPlan};
use crate::live::Shared;
use crate::snapshot::PortId;
use irongate_config::ClientValidation;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig as CryptoConfig, Session,
    UnsupportedVersion,
};
use quinn::{ConnectionError, ConnectionId, Side, TransportErrorCode};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ServerConfig};
use std::any::Any;
use std::sync::{Arc, LazyLock};

/// What a client may send before its first message is whole, in bytes; as over TCP.
const MOST: usize = 16 << 10;

/// How TLS ends in QUIC, from how it ends over TCP: with the same certificates and validation, and with tickets of its own.
///
/// # Errors
/// What rustls says.
pub(super) fn config(tcp: &ServerConfig) -> Result<Arc<QuicServerConfig>, rustls::Error> {
    let mut config = tcp.clone();
    config.alpn_protocols = vec![b"h3".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    // A request that was sent before the handshake could be sent again by anybody (RFC 8446 §8).
    config.max_early_data_size = 0;
    // Clients without instructions for AES put ChaCha20 first.
    config.ignore_client_order = false;
    let config = QuicServerConfig::try_from(Arc::new(config));
    Ok(Arc::new(config.map_err(|error| rustls::Error::General(error.to_string()))?))
}

/// What comes before a listener is chosen: keys that anybody can derive from a connection's id (RFC 9001 §5.2).
fn unchosen() -> Arc<QuicServerConfig> {
    static UNCHOSEN: LazyLock<Arc<QuicServerConfig>> = LazyLock::new(|| {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for these versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        let config = QuicServerConfig::try_from(Arc::new(config));
        Arc::new(config.expect("the provider has TLS13_AES_128_GCM_SHA256"))
    });
    UNCHOSEN.clone()
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// How TLS ends at a port of QUIC, whatever snapshot is published.
pub(crate) struct QuicCrypto {
    shared: Arc<Shared>,
    port: PortId,
}

impl QuicCrypto {
    pub(crate) fn new(shared: Arc<Shared>, port: PortId) -> Arc<Self> {
        Arc::new(Self { shared, port })
    }

    /// The plan for the name that a client asks for, and its part for QUIC.
    fn find(&self, name: Option<&str>) -> Option<(Arc<ServerPlan>, Arc<QuicServerConfig>)> {
        let snapshot = self.shared.snapshot.load();
        let TlsUse::Http(plan) = snapshot.ports.get(&self.port)?.tls_use(name)? else { return None };
        let quic = plan.quic.clone()?;
        Some((plan, quic))
    }
}

impl CryptoConfig for QuicCrypto {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        unchosen().initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        unchosen().retry_tag(version, id, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(QuicSession { crypto: self, version, params: *params, state: State::Hello(Vec::new()) })
    }
}

/// A client's TLS.
struct QuicSession {
    crypto: Arc<QuicCrypto>,
    version: u32,
    params: TransportParameters,
    state: State,
}

enum State {
    /// The first message, as far as it has come.
    Hello(Vec<u8>),
    /// The listener is known.
    Begun { session: Box<dyn Session>, name: Option<Box<str>>, clients: Option<Arc<ClientValidation>> },
}

/// What a handshake came to, for the connection that it began.
pub(crate) struct QuicHandshake {
    name: Option<Box<str>>,
    clients: Option<Arc<ClientValidation>>,
}

impl QuicHandshake {
    /// What requests on the connection have to agree with.
    pub(crate) fn into_tls(self) -> ClientTls {
        ClientTls::new(self.name, false, self.clients)
    }
}

impl QuicSession {
    fn begun(&self) -> Option<&dyn Session> {
        match &self.state {
            State::Hello(_) => None,
            State::Begun { session, .. } => Some(&**session),
        }
    }

    fn begun_mut(&mut self) -> Option<&mut dyn Session> {
        match &mut self.state {
            State::Hello(_) => None,
            State::Begun { session, .. } => Some(&mut **session),
        }
    }
}

impl Session for QuicSession {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        match self.begun() {
            Some(session) => session.initial_keys(id, side),
            None => unchosen()
                .initial_keys(self.version, id)
                .expect("keys of this version were derived before the session began"),
        }
    }

    /// [`QuicHandshake`], once the listener is known.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let State::Begun { name, clients, .. } = &self.state else { return None };
        Some(Box::new(QuicHandshake { name: name.clone(), clients: clients.clone() }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.begun()?.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.begun()?.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.begun()?.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.begun().is_none_or(Session::is_handshaking)
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let hello = match &mut self.state {
            State::Begun { session, .. } => return session.read_handshake(bytes),
            State::Hello(hello) => hello,
        };
        hello.extend_from_slice(bytes);
        if hello.len() > MOST {
            return Err(alert(AlertDescription::DecodeError, "the first message is too long"));
        }
        let Some(name) = name_in(hello)? else { return Ok(false) };
        let Some((plan, quic)) = self.crypto.find(name.as_deref()) else {
            return Err(alert(AlertDescription::UnrecognisedName, "no listener is for this name"));
        };
        let hello = std::mem::take(hello);
        let mut session = quic.start_session(self.version, &self.params);
        let has_data = session.read_handshake(&hello);
        self.state = State::Begun { session, name, clients: plan.clients.clone() };
        has_data
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.begun().map_or(Ok(None), Session::transport_parameters)
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        self.begun_mut()?.write_handshake(bytes)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.begun_mut()?.next_1rtt_keys()
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.begun().is_some_and(|session| session.is_valid_retry(id, header, payload))
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let session = self.begun().ok_or(ExportKeyingMaterialError)?;
        session.export_keying_material(output, label, context)
    }
}

/// The name that a first message asks for, once the message is whole.
fn name_in(hello: &[u8]) -> Result<Option<Option<Box<str>>>, TransportError> {
    const HEAD: usize = 4;
    let Some((&[_, high, middle, low], body)) = hello.split_first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if length > MOST - HEAD {
        return Err(alert(AlertDescription::DecodeError, "the first message is too long"));
    }
    if body.len() < length {
        return Ok(None);
    }
    let message = &hello[..HEAD + length];
    let [high, low] = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    // As a record, which rustls reads: it knows the first message only so.
    let record = [&[22, 3, 1, high, low], message].concat();
    let mut acceptor = Acceptor::default();
    let malformed = || alert(AlertDescription::DecodeError, "the first message cannot be read");
    acceptor.read_tls(&mut &record[..]).map_err(|_| malformed())?;
    let accepted = acceptor.accept().map_err(|_| malformed())?.ok_or_else(malformed)?;
    Ok(Some(accepted.client_hello().server_name().map(Into::into)))
}

fn alert(alert: AlertDescription, reason: &str) -> TransportError {
    TransportError { code: TransportErrorCode::crypto(alert.into()), frame: None, reason: reason.to_owned() }
}

/// Why a handshake with a client failed, as a stable token. `None`: nobody wanted anything.
pub(crate) fn reason(error: &ConnectionError) -> Option<&'static str> {
    let of_alert = |code: TransportErrorCode| match u64::from(code).checked_sub(0x100).map(u8::try_from) {
        Some(Ok(code)) => match AlertDescription::from(code) {
            AlertDescription::UnrecognisedName => "tls_unknown_name",
            AlertDescription::CertificateExpired => "tls_client_certificate_expired",
            AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                "tls_client_certificate_unknown_issuer"
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                "tls_client_certificate_invalid"
            }
            AlertDescription::CertificateRequired => "tls_client_certificate_missing",
            AlertDescription::NoApplicationProtocol
            | AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::MissingExtension => "tls_incompatible",
            AlertDescription::DecodeError => "tls_malformed",
            _ => "tls_protocol",
        },
        _ => "quic_protocol",
    };
    match error {
        ConnectionError::TransportError(error) => Some(of_alert(error.code)),
        ConnectionError::ConnectionClosed(_) => Some("tls_alert"),
        ConnectionError::TimedOut => Some("tls_timeout"),
        ConnectionError::VersionMismatch => Some("tls_incompatible"),
        ConnectionError::ApplicationClosed(_) | ConnectionError::Reset => Some("tls_closed"),
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::ClientConnection;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};

    /// The first message of a client that asks for a name, without the head of its record.
    fn hello(name: &str) -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider's versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("complete");
        let mut record = Vec::new();
        client.write_tls(&mut record).expect("memory takes it");
        record.split_off(5)
    }

    #[test]
    fn the_name_is_found_once_the_message_is_whole() {
        let hello = hello("Some.Example");
        for length in 0..hello.len() {
            assert_eq!(name_in(&hello[..length]).ok(), Some(None), "{length} bytes");
        }
        assert_eq!(name_in(&hello).ok(), Some(Some(Some("some.example".into()))));
        let more = [&hello[..], b"more"].concat();
        assert_eq!(name_in(&more).ok(), Some(Some(Some("some.example".into()))));
        let without = self::hello("127.0.0.1");
        assert_eq!(name_in(&without).ok(), Some(Some(None)));
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        let mut hello = hello("some.example");
        for (bytes, what) in
            [(vec![1, 1, 0, 0], "one that would be too long"), (vec![2, 0, 0, 1, 0], "another kind")]
        {
            assert!(name_in(&bytes).is_err(), "{what}");
        }
        hello[4] ^= 0xff;
        for length in 4..hello.len() {
            // Whatever comes of it, nothing panics.
            let _ = name_in(&[&[1, 0, 0, (length - 4) as u8][..], &hello[4..]].concat());
        }
    }
}
