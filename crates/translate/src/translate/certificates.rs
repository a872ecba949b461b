//! Certificates that Gateways and listeners name: whether the reference may be made, and what is there.

mod parse;

use super::gateways::{Fault, GatewayNode};
use super::index::Index;
use super::listeners::{ListenerNode, Owner};
use crate::kinds::{
    CORE_GROUP, ConfigMap, FrontendTlsConfig, FrontendTlsValidation, FrontendValidationMode, GATEWAY_GROUP,
    Kind, Protocol, Reference, Secret, SecretReference, TlsMode,
};
use crate::problems::UnplacedProblems;
use crate::yaml::path::At;
use irongate_config::{Certificate, ClientValidation, ListenerTls, ObjectName, Severity};
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a reference to another namespace has to be allowed.
const GRANT_ADVICE: &str = "Add a ReferenceGrant in the namespace of what is named.";

/// Objects with certificates. Each is read once, however many refer to it.
pub(super) struct Certificates<'t, 'r> {
    index: &'t Index<'r>,
    /// The certificate of a Secret, or what is wrong with it.
    secrets: HashMap<&'r ObjectName, Result<Arc<Certificate>, String>>,
    /// The authorities of a `ConfigMap`, or what is wrong with them.
    config_maps: HashMap<&'r ObjectName, Result<Authorities, String>>,
}

/// Certificates of authorities, at least one.
type Authorities = Arc<Vec<CertificateDer<'static>>>;

impl<'t, 'r> Certificates<'t, 'r> {
    pub(super) fn new(index: &'t Index<'r>) -> Self {
        Self { index, secrets: HashMap::new(), config_maps: HashMap::new() }
    }

    pub(super) fn index(&self) -> &'t Index<'r> {
        self.index
    }

    /// The authorities of a `ConfigMap`.
    pub(super) fn config_map(&mut self, namespace: &str, name: &str) -> Result<Authorities, Problem> {
        let Some(object) = self.index.config_maps.get(&(namespace, name)) else {
            let advice = "Add one, with the certificates in ca.crt.";
            return Err((Unresolved::Invalid, format!("there is no ConfigMap {namespace}/{name}"), advice));
        };
        let authorities = self.config_maps.entry(&object.name).or_insert_with(|| {
            let Some(pem) = object.body.get("ca.crt") else { return Err("has no ca.crt".into()) };
            parse::authorities(pem).map(Arc::new).map_err(|fault| format!("{fault} in ca.crt"))
        });
        authorities.clone().map_err(|fault| {
            let advice = "Put the certificates of the authorities there, in PEM.";
            (Unresolved::Invalid, format!("ConfigMap {namespace}/{name} {fault}"), advice)
        })
    }
}

/// Finds the certificates of one listener, and what it asks of clients.
pub(super) fn check_listener(
    listener: &mut ListenerNode<'_>,
    frontend: &Frontend,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) {
    let Some(protocol @ (Protocol::Https | Protocol::Tls)) = listener.protocol else { return };
    let clients = if protocol == Protocol::Https { frontend.apply(listener) } else { None };
    let tls = listener.spec.tls.as_ref();
    if tls.is_some_and(|tls| tls.mode == TlsMode::Passthrough) {
        return;
    }
    let references = tls.map_or(&[][..], |tls| &tls.certificate_refs);
    let (owner, place) = (listener.owner, listener.place);
    if references.is_empty() {
        let fault = Fault::new("InvalidCertificateRef", "no certificate is named");
        let advice = "Name a Secret of type kubernetes.io/tls in tls.certificateRefs.";
        owner.report_listener(problems, place, "tls", &fault, advice);
        listener.set_unresolved(fault);
    }
    let at = At::Root.field("spec");
    let at = at.field("listeners");
    let at = at.index(place);
    let at = at.field("tls");
    let at = at.field("certificateRefs");
    let mut found = Vec::with_capacity(references.len());
    for (number, reference) in references.iter().enumerate() {
        match secret(owner, reference, certificates) {
            Ok(certificate) => found.push(certificate),
            Err((kind, message, advice)) => {
                let reason = match kind {
                    Unresolved::NotPermitted => "RefNotPermitted",
                    Unresolved::Kind | Unresolved::Invalid => "InvalidCertificateRef",
                };
                owner.report(problems, Severity::Error, &at.index(number), reason, (message.clone(), advice));
                listener.set_unresolved(Fault::new(reason, message));
            }
        }
    }
    listener.lacks_certificates = found.is_empty();
    if !found.is_empty() {
        listener.tls = Some(Arc::new(ListenerTls { certificates: found, clients }));
    }
}

/// The certificate that a Gateway shows to backends; `None` where it names none.
pub(super) fn backend_certificate(
    gateway: &GatewayNode<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) -> Option<Result<Arc<Certificate>, Fault>> {
    let backend = gateway.object.body.spec.tls.as_ref()?.backend.as_ref()?;
    let reference = backend.client_certificate_ref.as_ref()?;
    let owner = Owner::Gateway(gateway.object);
    Some(secret(owner, reference, certificates).map_err(|(kind, message, advice)| {
        let reason = match kind {
            Unresolved::NotPermitted => "RefNotPermitted",
            Unresolved::Kind | Unresolved::Invalid => "InvalidClientCertificateRef",
        };
        let at = At::Root.field("spec");
        let at = at.field("tls");
        let at = at.field("backend");
        let at = at.field("clientCertificateRef");
        owner.report(problems, Severity::Error, &at, reason, (message.clone(), advice));
        Fault::new(reason, message)
    }))
}

/// Why a reference does not resolve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    NotPermitted,
    Kind,
    Invalid,
}

/// With what is wrong, and what to do.
pub(super) type Problem = (Unresolved, String, &'static str);

/// The certificate and its key to which a reference leads.
fn secret(
    owner: Owner<'_>,
    reference: &SecretReference,
    certificates: &mut Certificates<'_, '_>,
) -> Result<Arc<Certificate>, Problem> {
    let index = certificates.index;
    let (group, kind) = reference.group_kind();
    let namespace = permitted(owner, (group, kind), reference.namespace.as_deref(), &reference.name, index)?;
    if (group, kind) != (CORE_GROUP, Secret::KIND) {
        let message = format!("certificates cannot come from a {kind} of the group `{group}`");
        return Err((Unresolved::Kind, message, "Name a Secret."));
    }
    let name = format!("{namespace}/{}", reference.name);
    let Some(object) = index.secrets.get(&(namespace, &*reference.name)) else {
        let advice = "Add a Secret of type kubernetes.io/tls with tls.crt and tls.key.";
        return Err((Unresolved::Invalid, format!("there is no Secret {name}"), advice));
    };
    let certificate = certificates.secrets.entry(&object.name);
    let certificate = certificate.or_insert_with(|| parse::certificate(&object.body).map(Arc::new));
    certificate.clone().map_err(|fault| {
        let advice = "It needs a certificate chain in tls.crt and its key in tls.key, both PEM.";
        (Unresolved::Invalid, format!("Secret {name} {fault}"), advice)
    })
}

/// The certificates of authorities to which a reference leads.
fn authority(
    owner: Owner<'_>,
    reference: &Reference,
    certificates: &mut Certificates<'_, '_>,
) -> Result<Authorities, Problem> {
    let index = certificates.index;
    let (group, kind) = (&*reference.group, &*reference.kind);
    let namespace = permitted(owner, (group, kind), reference.namespace.as_deref(), &reference.name, index)?;
    if (group, kind) != (CORE_GROUP, ConfigMap::KIND) {
        let message = format!("certificates of authorities cannot come from a {kind} of the group `{group}`");
        return Err((Unresolved::Kind, message, "Name a ConfigMap."));
    }
    certificates.config_map(namespace, &reference.name)
}

/// The namespace that a reference means, if it may be referred to.
fn permitted<'a>(
    owner: Owner<'a>,
    (group, kind): (&str, &str),
    namespace: Option<&'a str>,
    name: &str,
    index: &Index<'_>,
) -> Result<&'a str, Problem> {
    let own = owner.name().namespace();
    let namespace = namespace.unwrap_or(own);
    let from = (GATEWAY_GROUP, owner.kind(), own);
    if namespace == own || index.is_granted(from, (group, kind), (namespace, name)) {
        return Ok(namespace);
    }
    let message = format!("no ReferenceGrant lets {}s of {own} use {kind} {namespace}/{name}", owner.kind());
    Err((Unresolved::NotPermitted, message, GRANT_ADVICE))
}

/// What a Gateway asks of the clients of its listeners for HTTPS.
#[derive(Default)]
pub(super) struct Frontend {
    default: Validation,
    per_port: HashMap<u16, Validation>,
}

/// What became of one way of validating clients.
#[derive(Clone, Default)]
struct Validation {
    /// The first authority that cannot be used.
    unresolved: Option<Fault>,
    /// What is asked; `None` where nothing is, or no authority can be used.
    clients: Option<Arc<ClientValidation>>,
    is_insecure: bool,
}

impl Frontend {
    pub(super) fn new(
        gateway: &GatewayNode<'_>,
        certificates: &mut Certificates<'_, '_>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let tls = gateway.object.body.spec.tls.as_ref();
        let Some(frontend) = tls.and_then(|tls| tls.frontend.as_ref()) else { return Self::default() };
        let owner = Owner::Gateway(gateway.object);
        let at = At::Root.field("spec");
        let at = at.field("tls");
        let at = at.field("frontend");
        let mut of = |config: &FrontendTlsConfig, at: &At<'_>| match &config.validation {
            None => Validation::default(),
            Some(validation) => {
                Validation::new(validation, owner, &at.field("validation"), certificates, problems)
            }
        };
        let default = of(&frontend.default, &at.field("default"));
        let ports = at.field("perPort");
        let per_port = frontend.per_port.iter().enumerate();
        let per_port =
            per_port.map(|(place, one)| (one.port, of(&one.tls, &ports.index(place).field("tls")))).collect();
        Self { default, per_port }
    }

    /// Whether clients without a valid certificate are let in anywhere.
    pub(super) fn is_insecure(&self) -> bool {
        self.default.is_insecure || self.per_port.values().any(|validation| validation.is_insecure)
    }

    /// What is asked of a listener's clients; marks it where that cannot be asked.
    fn apply(&self, listener: &mut ListenerNode<'_>) -> Option<Arc<ClientValidation>> {
        let validation = self.per_port.get(&listener.spec.port).unwrap_or(&self.default);
        if let Some(unresolved) = &validation.unresolved {
            listener.set_unresolved(unresolved.clone());
            if validation.clients.is_none() && listener.fault.is_none() {
                let message = "no certificate of an authority can be used to validate clients";
                listener.fault = Some(Fault::new("NoValidCACertificate", message));
            }
        }
        validation.clients.clone()
    }
}

impl Validation {
    fn new(
        validation: &FrontendTlsValidation,
        owner: Owner<'_>,
        at: &At<'_>,
        certificates: &mut Certificates<'_, '_>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let is_insecure = validation.mode == FrontendValidationMode::AllowInsecureFallback;
        let mut found = Self { is_insecure, ..Self::default() };
        let mut authorities: Vec<CertificateDer<'static>> = Vec::new();
        let references = at.field("caCertificateRefs");
        for (place, reference) in validation.ca_certificate_refs.iter().enumerate() {
            match authority(owner, reference, certificates) {
                Ok(more) => authorities.extend(more.iter().cloned()),
                Err((kind, message, advice)) => {
                    let reason = match kind {
                        Unresolved::NotPermitted => "RefNotPermitted",
                        Unresolved::Kind => "InvalidCACertificateKind",
                        Unresolved::Invalid => "InvalidCACertificateRef",
                    };
                    let text = (message.clone(), advice);
                    owner.report(problems, Severity::Error, &references.index(place), reason, text);
                    found.unresolved.get_or_insert(Fault::new(reason, message));
                }
            }
        }
        if is_insecure {
            let text = (
                "lets clients in whose certificate is missing or wrong",
                "Backends have to check them; write AllowValidOnly to refuse them here.",
            );
            owner.report(problems, Severity::Warning, &at.field("mode"), "ConfigurationChanged", text);
        }
        if !authorities.is_empty() {
            found.clients = Some(Arc::new(ClientValidation { authorities, allows_invalid: is_insecure }));
        }
        found
    }
}
