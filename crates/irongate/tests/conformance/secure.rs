//! Requests over TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use irongate_testkit::PATIENCE;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// The manifest with the authority `tls-validity-checks-ca-certificate` and its key.
const AUTHORITY: &str = include_str!("../../../translate/tests/golden/conformance/base/certificate.yaml");

/// How a request is sent over TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    /// The name that is asked for.
    pub(crate) name: String,
    pub(crate) shown: Shown,
}

/// The certificate that a client shows if it is asked for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    None,
    /// One of the authority of the manifests.
    Good,
    /// One of an authority that nobody knows.
    Foreign,
}

/// Sends a request that ends its connection; gives where the bytes of the answer can be read.
pub(crate) fn exchange(address: SocketAddr, tls: &Tls, request: &str) -> io::Result<SocketAddr> {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(tls.name.clone()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(client(tls.shown), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, tcp);
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let replay = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = replay.local_addr()?;
    std::thread::spawn(move || replay.accept().and_then(|(mut reader, _)| reader.write_all(&answer)));
    Ok(address)
}

fn client(shown: Shown) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyPeer));
    Arc::new(match shown {
        Shown::None => builder.with_no_client_auth(),
        Shown::Good => {
            let key = KeyPair::from_pem(&authority_key()).expect("a key");
            with_certificate(builder, key)
        }
        Shown::Foreign => with_certificate(builder, KeyPair::generate().expect("a key")),
    })
}

/// With a certificate of an authority that has the name of the manifests' one, and this key.
fn with_certificate(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    authority: KeyPair,
) -> ClientConfig {
    let (chain, key) = certificate(authority, &[], ExtendedKeyUsagePurpose::ClientAuth);
    builder.with_client_auth_cert(chain, key).expect("a certificate and its key")
}

/// A certificate of an authority that has the name of the manifests' one, and this key; and its own key.
fn certificate(
    authority: KeyPair,
    names: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "example.org");
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts");
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    (vec![certificate.der().clone()], key)
}

/// An address at which TLS is spoken for `abc.example.com` and a certificate asked for. Each request goes on to an instance,
/// with the certificate that was shown in base64 in `X-Client-Certificate`. It runs until the tests are over.
pub(crate) fn stand_before(instance: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of 127.0.0.1");
    let address = listener.local_addr().expect("a bound socket has an address");
    let authority = KeyPair::from_pem(&authority_key()).expect("a key");
    let (chain, key) = certificate(authority, &["abc.example.com"], ExtendedKeyUsagePurpose::ServerAuth);
    let builder = ServerConfig::builder().with_client_cert_verifier(Arc::new(AnyPeer));
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate and its key"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || pass_on(config, stream, instance));
        }
    });
    address
}

/// One request and its answer.
fn pass_on(config: Arc<ServerConfig>, tcp: TcpStream, instance: SocketAddr) -> io::Result<()> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, tcp);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
    let shown = shown.map(|certificate| STANDARD.encode(certificate)).unwrap_or_default();
    head.truncate(head.len() - 2);
    head.extend_from_slice(format!("X-Client-Certificate: {shown}\r\n\r\n").as_bytes());
    let mut behind = TcpStream::connect(instance)?;
    behind.write_all(&head)?;
    behind.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer)?;
    stream.write_all(&answer)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The certificate `tls-validity-checks-certificate` of the manifests, in base64.
pub(crate) fn gateway_certificate() -> String {
    between("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----").concat()
}

fn authority_key() -> String {
    let (first, last) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    [&[first], &between(first, last)[..], &[last]].concat().join("\n")
}

/// The lines of the manifest between the first pair of these.
fn between(first: &str, last: &str) -> Vec<&'static str> {
    let lines = AUTHORITY.lines().map(str::trim);
    let lines = lines.skip_while(|line| *line != first).skip(1);
    lines.take_while(|line| *line != last).collect()
}

/// Takes every certificate: what servers show is for other tests, and what clients show is looked at afterwards.
#[derive(Debug)]
struct AnyPeer;

/// The schemes that both sides may sign by.
fn schemes() -> Vec<SignatureScheme> {
    vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519, SignatureScheme::RSA_PSS_SHA256]
}

impl ServerCertVerifier for AnyPeer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for AnyPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}
