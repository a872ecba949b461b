//! Certificates, authorities and listeners change while clients shake hands and ask: nobody notices.

use crate::{BINARY, OK};
use base64::prelude::{BASE64_STANDARD, Engine};
use irongate_testkit::{Client, Gateway, Manifest, Origin, PATIENCE, PortReservation, eventually};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rounds of changes: of certificates, of authorities, of listeners.
const ROUNDS: usize = 6;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        Issued { certificate: params.signed_by(&key, &self.issuer).expect("a certificate"), key }
    }
}

/// What a client has that trusts an authority and shows a certificate.
fn client(
    trusted: &Authority,
    shown: &Issued,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).expect("a good certificate");
    let key = PrivateKeyDer::try_from(shown.key.serialize_der()).expect("a key");
    ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![shown.certificate.der().clone()], key)
        .expect("they belong together")
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection to a name, and the handshake.
fn connect(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    connection.complete_io(&mut stream)?;
    Ok(StreamOwned::new(connection, stream))
}

/// One request and the head of its answer, which is [`OK`].
fn ask(stream: &mut BufReader<Stream>, name: &str, option: &str) -> io::Result<String> {
    write!(stream.get_mut(), "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: {option}\r\n\r\n")?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    stream.read_exact(&mut [0; 2])?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head));
    }
    Ok(head)
}

fn ask_once(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<String> {
    ask(&mut BufReader::new(connect(address, name, config)?), name, "close")
}

/// Whether a name is taken: others are refused in the handshake.
fn has_listener(gateway: &Gateway, name: &str) -> bool {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let error = connect(gateway.address(), name, &Arc::new(config)).expect_err("nothing is trusted");
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_)))
}

/// What is configured, and changes.
struct World {
    origin: Origin,
    servers: Authority,
    /// What `one.test` and `two.test` show.
    shown: [Issued; 2],
    /// Whose clients are let in.
    trusted: Vec<Authority>,
    /// Listeners that come and go, by hostname, on the same port.
    more: Vec<String>,
    /// A listener on a port of its own that comes and goes.
    other: PortReservation,
    has_other: bool,
}

impl World {
    fn new() -> Self {
        let servers = Authority::new();
        Self {
            origin: Origin::answering(OK),
            shown: ["one.test", "two.test"].map(|name| servers.issue(name)),
            servers,
            trusted: vec![Authority::new()],
            more: Vec::new(),
            other: PortReservation::new(),
            has_other: false,
        }
    }

    fn listener(text: &mut String, name: &str, port: u16, hostname: &str, secret: usize) {
        let _infallible = writeln!(
            text,
            "  - {{name: {name}, port: {port}, protocol: HTTPS, hostname: {hostname}, \
             tls: {{certificateRefs: [{{name: shown-{secret}}}]}}}}"
        );
    }

    fn text(&self, address: SocketAddr) -> String {
        let mut text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\nspec:\n  \
             gatewayClassName: irongate\n  addresses: [{{value: {}}}]\n  tls: {{frontend: {{default: {{validation: \
             {{caCertificateRefs: [{{group: '', kind: ConfigMap, name: clients}}]}}}}}}}}\n  listeners:\n",
            address.ip()
        );
        Self::listener(&mut text, "one", address.port(), "one.test", 0);
        Self::listener(&mut text, "two", address.port(), "two.test", 1);
        for (number, hostname) in self.more.iter().enumerate() {
            Self::listener(&mut text, &format!("more-{number}"), address.port(), hostname, 0);
        }
        if self.has_other {
            Self::listener(&mut text, "other", self.other.address().port(), "one.test", 0);
        }
        for (number, issued) in self.shown.iter().enumerate() {
            let encode = |text: String| BASE64_STANDARD.encode(text);
            let _infallible = write!(
                text,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: shown-{number}}}\ntype: kubernetes.io/tls\n\
                 data: {{tls.crt: {}, tls.key: {}}}\n",
                encode(issued.certificate.pem()),
                encode(issued.key.serialize_pem())
            );
        }
        let authorities: String = self.trusted.iter().map(|authority| authority.certificate.pem()).collect();
        let authorities: String = authorities.lines().map(|line| format!("    {line}\n")).collect();
        let _infallible = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: clients}}\ndata:\n  ca.crt: |\n{authorities}"
        );
        let manifest = Manifest::to_origins(&[self.origin.address()]).yaml(address);
        let (_, others) = manifest.split_once("---\n").expect("the Gateway is not the only document");
        format!("{text}---\n{others}")
    }

    fn configure(&self, gateway: &Gateway) {
        gateway.configure_text(&self.text(gateway.address()));
    }

    /// Changes a certificate, the authorities, then listeners, each time until it is seen.
    fn change(&mut self, round: usize, gateway: &Gateway) {
        let steady = self.trusted[0].issue("client");
        let config = |shown: &Issued| {
            let mut config = client(&self.servers, shown, &version::TLS13);
            config.resumption = Resumption::disabled();
            Arc::new(config)
        };
        let steady = config(&steady);
        let stranger = Authority::new();
        let shown_to_it = config(&stranger.issue("client"));
        let which = round % 2;
        let name = ["one.test", "two.test"][which];

        self.shown[which] = self.servers.issue(name);
        self.configure(gateway);
        let wanted = self.shown[which].certificate.der().clone();
        eventually("the new certificate is shown", || {
            let stream = connect(gateway.address(), name, &steady).expect("a handshake");
            stream.conn.peer_certificates().and_then(<[CertificateDer<'_>]>::first) == Some(&wanted)
        });

        assert!(ask_once(gateway.address(), name, &shown_to_it).is_err(), "it is not trusted yet");
        self.trusted.truncate(1);
        self.trusted.push(stranger);
        self.configure(gateway);
        eventually("the new authority is trusted", || {
            ask_once(gateway.address(), name, &shown_to_it).is_ok()
        });

        self.more = (0..=round % 3).map(|number| format!("more-{round}-{number}.test")).collect();
        self.has_other = which == 0;
        self.configure(gateway);
        eventually("listeners come", || self.more.iter().all(|name| has_listener(gateway, name)));
        eventually("the port of its own opens or closes", || {
            Client::try_connect(self.other.address()).is_ok() == self.has_other
        });
    }
}

/// Has its clients end, whatever fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a gateway's clients do, over and over.
struct Clients {
    address: SocketAddr,
    /// Of TLS 1.3 and 1.2, with a full handshake each time.
    anew: [Arc<ClientConfig>; 2],
    /// And such that resume their sessions.
    resuming: [Arc<ClientConfig>; 2],
    resumed: AtomicUsize,
}

impl Clients {
    fn new(address: SocketAddr, world: &World) -> Self {
        let shown = world.trusted[0].issue("client");
        let config = |version| client(&world.servers, &shown, version);
        let anew = [&version::TLS13, &version::TLS12].map(|version| {
            let mut config = config(version);
            config.resumption = Resumption::disabled();
            Arc::new(config)
        });
        let resuming = [&version::TLS13, &version::TLS12].map(|version| Arc::new(config(version)));
        Self { address, anew, resuming, resumed: AtomicUsize::new(0) }
    }

    fn connect(&self, turn: usize, configs: &[Arc<ClientConfig>; 2]) -> (BufReader<Stream>, &'static str) {
        let name = ["one.test", "two.test"][turn / 2 % 2];
        let stream = connect(self.address, name, &configs[turn % 2]).expect("a handshake");
        (BufReader::new(stream), name)
    }

    /// A connection, a request, and the end, which is told: a cut would be an error.
    fn once(&self, turn: usize) {
        let (mut stream, name) = self.connect(turn, &self.anew);
        ask(&mut stream, name, "close").expect("an answer");
        assert_eq!(stream.read_to_end(&mut Vec::new()).expect("an end"), 0);
    }

    /// Twice, and such that the second may resume the session of the first.
    fn again(&self, turn: usize) {
        for _ in 0..2 {
            let (mut stream, name) = self.connect(turn, &self.resuming);
            ask(&mut stream, name, "close").expect("an answer");
            let kind = stream.get_ref().conn.handshake_kind();
            self.resumed.fetch_add(usize::from(kind == Some(HandshakeKind::Resumed)), Ordering::Relaxed);
        }
    }

    /// Requests on a connection until it is told to end.
    fn many(&self, turn: usize) {
        let (mut stream, name) = self.connect(turn, &self.anew);
        for _ in 0..50 {
            let head = ask(&mut stream, name, "keep-alive").expect("an answer on a connection that stays");
            if head.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
                break;
            }
        }
    }
}

#[test]
fn changes_cost_no_handshake_and_no_request() {
    let mut world = World::new();
    let gateway = Gateway::start_text(BINARY, &["--threads", "2"], |address| world.text(address));
    let clients = Clients::new(gateway.address(), &world);
    let over = AtomicBool::new(false);
    let run = |turn: fn(&Clients, usize)| {
        let (clients, over) = (&clients, &over);
        move || {
            let mut turns = 0;
            // Each has at least one of either version and name.
            while turns < 4 || !over.load(Ordering::Relaxed) {
                turn(clients, turns);
                turns += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        let running = [Clients::once, Clients::again, Clients::many].map(|turn| scope.spawn(run(turn)));
        for round in 0..ROUNDS {
            world.change(round, &gateway);
        }
        over.store(true, Ordering::Relaxed);
        for client in running {
            client.join().expect("no handshake failed, and no request");
        }
    });
    let before = clients.resumed.load(Ordering::Relaxed);
    (0..4).for_each(|turn| clients.again(turn));
    assert!(clients.resumed.load(Ordering::Relaxed) >= before + 4, "sessions are resumed afterwards");
}
