//! A client that resumes sessions: `tls-resume PORT CERTIFICATE CLIENTS SECONDS 1.2|1.3`.
//!
//! Each client connects to `localhost` on 127.0.0.1, asks once and reads to the end, over and over. Prints how many
//! connections there were, and how many of them had a session that was resumed.

#![expect(clippy::print_stdout, reason = "its result")]

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, certificate, clients, seconds, version] = &arguments[..] else {
        anyhow::bail!("usage: tls-resume PORT CERTIFICATE CLIENTS SECONDS 1.2|1.3");
    };
    let (port, clients, seconds): (u16, usize, u64) = (port.parse()?, clients.parse()?, seconds.parse()?);
    let version = if version == "1.2" { &version::TLS12 } else { &version::TLS13 };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).context("the certificate cannot be read")?)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let counts = thread::scope(|scope| {
        let running: Vec<_> = (0..clients)
            .map(|_| {
                // A session each: those of TLS 1.3 are used once.
                let config = ClientConfig::builder_with_protocol_versions(&[version])
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
                scope.spawn(move || run(port, &Arc::new(config), end))
            })
            .collect();
        running
            .into_iter()
            .map(|client| client.join().expect("a client does not panic"))
            .collect::<Result<Vec<_>>>()
    })?;
    let made: usize = counts.iter().map(|(made, _)| made).sum();
    let resumed: usize = counts.iter().map(|(_, resumed)| resumed).sum();
    println!("{made} connections, {resumed} resumed");
    Ok(())
}

fn run(port: u16, config: &Arc<ClientConfig>, end: Instant) -> Result<(usize, usize)> {
    let (mut made, mut resumed) = (0, 0);
    while Instant::now() < end {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let connection = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        // Not every server says that it ends.
        let ended = stream.read_to_end(&mut answer);
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "no good answer: {ended:?}");
        made += 1;
        resumed += usize::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
    }
    Ok((made, resumed))
}
