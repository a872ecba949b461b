//! How TLS ends at a listener, ready for handshakes.

use super::certificates::{Certificates, certified_key};
use super::clients::ClientVerifier;
use super::provider::provider;
use super::quic;
use crate::place::speaks_http3;
use irongate_config::{
    ClientValidation, Listener, ListenerKey, ListenerProtocol, ListenerTls, Problem, Severity,
};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CipherSuite, ServerConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The tickets that a client gets at most, if it asks for several.
const MOST_TICKETS: usize = 4;

/// How TLS ends at a listener.
///
/// Its tickets can be read by itself alone: a session that was begun under other certificates, or another validation of
/// clients, is not resumed here. All cores share it, and reloads keep it as long as the configuration is the same.
pub(crate) struct ServerPlan {
    config: Arc<ServerConfig>,
    /// The same for clients without instructions for AES, who put ChaCha20 first.
    for_chacha20: Arc<ServerConfig>,
    /// What was asked of the clients that it let in.
    pub(crate) clients: Option<Arc<ClientValidation>>,
    protocol: ListenerProtocol,
    /// The same for QUIC, where HTTP/3 is on.
    pub(super) quic: Option<Arc<QuicServerConfig>>,
    /// What of its configuration cannot be used.
    problems: Vec<Problem>,
}

impl ServerPlan {
    /// The configuration for a client with these cipher suites.
    pub(super) fn config(&self, offered: &[CipherSuite]) -> Arc<ServerConfig> {
        // Clients may begin with one that means nothing (RFC 8701), which rustls does not know.
        let first = offered.iter().find(|suite| suite.as_str().is_some());
        if first == Some(&CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) {
            self.for_chacha20.clone()
        } else {
            self.config.clone()
        }
    }
}

/// The plans by listener, beside the snapshots.
#[derive(Default)]
pub(crate) struct ServerPlans {
    known: Mutex<HashMap<ListenerKey, Known>>,
}

/// What was configured, and what was made of it.
type Known = (Arc<ListenerTls>, Arc<ServerPlan>);

impl ServerPlans {
    /// The plan of a listener; the one that runs, if its configuration is the same. `None` where TLS does not end.
    ///
    /// What cannot be used is a problem: a certificate is left out; without any, or without authorities for the
    /// validation of clients, there is no plan, and nobody is let in.
    pub(crate) fn plan(&self, listener: &Listener, problems: &mut Vec<Problem>) -> Option<Arc<ServerPlan>> {
        let tls = listener.tls.as_ref()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, plan)) = known.get_mut(&listener.key)
            && (Arc::ptr_eq(old, tls) || old == tls)
            && plan.protocol == listener.protocol
            && plan.quic.is_some() == speaks_http3(listener)
        {
            *old = tls.clone();
            problems.extend(plan.problems.iter().cloned());
            return Some(plan.clone());
        }
        match build(listener, tls) {
            Ok(plan) => {
                problems.extend(plan.problems.iter().cloned());
                let plan = Arc::new(plan);
                known.insert(listener.key.clone(), (tls.clone(), plan.clone()));
                Some(plan)
            }
            Err(what) => {
                problems.push(unusable(&listener.key, &what));
                known.remove(&listener.key);
                None
            }
        }
    }

    /// Forgets listeners that are gone.
    pub(crate) fn retain(&self, listeners: &[Arc<Listener>]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > listeners.iter().filter(|listener| listener.tls.is_some()).count() {
            known.retain(|key, _| listeners.iter().any(|listener| listener.key == *key));
        }
    }
}

fn build(listener: &Listener, tls: &ListenerTls) -> Result<ServerPlan, String> {
    let mut problems = Vec::new();
    let mut keys = Vec::with_capacity(tls.certificates.len());
    for (index, certificate) in tls.certificates.iter().enumerate() {
        match certified_key(certificate) {
            Ok(key) => keys.push((key, &certificate.names[..])),
            Err(what) => {
                let what = format!("certificate {} is not used: {what}.", index + 1);
                problems.push(unusable(&listener.key, &what));
            }
        }
    }
    if keys.is_empty() {
        return Err("no certificate is left, and connections are refused.".to_owned());
    }
    let verifier = match &tls.clients {
        Some(validation) => ClientVerifier::new(validation)
            .map_err(|what| format!("clients cannot be validated ({what}), and connections are refused."))?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let internal = |error: rustls::Error| format!("TLS cannot be set up: {error}.");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(internal)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Certificates::new(keys)));
    // Tickets hold the session themselves, so that any core can resume it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(internal)?;
    // Each costs as much as an answer, and a connection that resumes a session gets a new one. Who wants more says so (RFC 9149).
    config.send_tls13_tickets = 1;
    config.max_tls13_tickets = MOST_TICKETS;
    let protocol = listener.protocol;
    if protocol == ListenerProtocol::Https {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    let for_chacha20 = Arc::new(config.clone());
    config.ignore_client_order = true;
    let quic = speaks_http3(listener).then(|| quic::config(&config)).transpose().map_err(internal)?;
    Ok(ServerPlan {
        config: Arc::new(config),
        for_chacha20,
        clients: tls.clients.clone(),
        protocol,
        quic,
        problems,
    })
}

fn unusable(listener: &ListenerKey, what: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        position: None,
        resource: format!("Gateway {}", listener.gateway),
        field: format!("listener {}", listener.section),
        reason: "InvalidCertificateRef",
        message: what.to_owned(),
        advice:
            "Check the Secrets and ConfigMaps that its tls names: PEM, the key in PKCS #8, PKCS #1 or SEC 1."
                .to_owned(),
    }
}
