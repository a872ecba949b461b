//! Requests over TLS.

use irongate_testkit::PATIENCE;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
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
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyServer));
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
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "example.org");
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    builder.with_client_auth_cert(chain, key).expect("a certificate and its key")
}

fn authority_key() -> String {
    let lines = AUTHORITY.lines().map(str::trim);
    let lines = lines.skip_while(|line| *line != "-----BEGIN PRIVATE KEY-----");
    let mut key: Vec<&str> = lines.take_while(|line| *line != "-----END PRIVATE KEY-----").collect();
    key.push("-----END PRIVATE KEY-----");
    key.join("\n")
}

/// Takes every certificate: what servers show is for other tests.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
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
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}
