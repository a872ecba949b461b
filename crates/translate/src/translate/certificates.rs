//! Certificates that Gateways and listeners name: whether the reference may be made, and whether there is one.

use super::gateways::{Fault, GatewayNode};
use super::index::Index;
use super::listeners::{ListenerNode, Owner};
use crate::kinds::{
    CORE_GROUP, ConfigMap, FrontendTlsConfig, FrontendTlsValidation, FrontendValidationMode, GATEWAY_GROUP,
    Kind, Protocol, Reference, Secret, SecretReference, TlsMode,
};
use crate::problems::UnplacedProblems;
use crate::yaml::path::At;
use irongate_config::{ObjectName, Severity};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;

/// Where a reference to another namespace has to be allowed.
const GRANT_ADVICE: &str = "Add a ReferenceGrant in the namespace of what is named.";

/// Objects with certificates. Each is read once, however many refer to it.
pub(super) struct Certificates<'t, 'r> {
    index: &'t Index<'r>,
    /// What is wrong with a Secret.
    secrets: HashMap<&'r ObjectName, Option<&'static str>>,
    /// Whether a `ConfigMap` has certificates.
    config_maps: HashMap<&'r ObjectName, bool>,
}

impl<'t, 'r> Certificates<'t, 'r> {
    pub(super) fn new(index: &'t Index<'r>) -> Self {
        Self { index, secrets: HashMap::new(), config_maps: HashMap::new() }
    }
}

/// Judges the certificates of one listener.
pub(super) fn check_listener(
    listener: &mut ListenerNode<'_>,
    frontend: &Frontend,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) {
    let Some(protocol @ (Protocol::Https | Protocol::Tls)) = listener.protocol else { return };
    if protocol == Protocol::Https {
        frontend.apply(listener);
    }
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
    let mut resolved = 0;
    for (number, reference) in references.iter().enumerate() {
        match secret(owner, reference, certificates) {
            Ok(()) => resolved += 1,
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
    listener.lacks_certificates = resolved == 0;
}

/// Judges the certificate that a Gateway shows to backends; `None` where it has none.
pub(super) fn check_backend(
    gateway: &GatewayNode<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) -> Option<Result<(), Fault>> {
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
enum Unresolved {
    NotPermitted,
    Kind,
    Invalid,
}

/// With what is wrong, and what to do.
type Problem = (Unresolved, String, &'static str);

/// Whether a reference leads to a Secret with a certificate and its key.
fn secret(
    owner: Owner<'_>,
    reference: &SecretReference,
    certificates: &mut Certificates<'_, '_>,
) -> Result<(), Problem> {
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
    match certificates.secrets.entry(&object.name).or_insert_with(|| missing_part(&object.body)) {
        None => Ok(()),
        Some(part) => {
            let advice = "It needs a certificate chain in tls.crt and its key in tls.key, both PEM.";
            Err((Unresolved::Invalid, format!("Secret {name} has no {part}"), advice))
        }
    }
}

/// What a Secret lacks of a certificate and its key.
fn missing_part(secret: &Secret) -> Option<&'static str> {
    let bytes = |key| secret.get(key).map_or(&[][..], |bytes| bytes.expose());
    if !has_certificates(bytes("tls.crt")) {
        return Some("PEM certificate in tls.crt");
    }
    PrivateKeyDer::from_pem_slice(bytes("tls.key")).is_err().then_some("PEM key in tls.key")
}

/// Whether a reference leads to certificates of authorities.
fn authority(
    owner: Owner<'_>,
    reference: &Reference,
    certificates: &mut Certificates<'_, '_>,
) -> Result<(), Problem> {
    let index = certificates.index;
    let (group, kind) = (&*reference.group, &*reference.kind);
    let namespace = permitted(owner, (group, kind), reference.namespace.as_deref(), &reference.name, index)?;
    if (group, kind) != (CORE_GROUP, ConfigMap::KIND) {
        let message = format!("certificates of authorities cannot come from a {kind} of the group `{group}`");
        return Err((Unresolved::Kind, message, "Name a ConfigMap."));
    }
    let name = format!("{namespace}/{}", reference.name);
    let Some(object) = index.config_maps.get(&(namespace, &*reference.name)) else {
        let advice = "Add one, with the certificates in ca.crt.";
        return Err((Unresolved::Invalid, format!("there is no ConfigMap {name}"), advice));
    };
    let has_them = certificates
        .config_maps
        .entry(&object.name)
        .or_insert_with(|| has_certificates(object.body.get("ca.crt").unwrap_or_default()));
    if !*has_them {
        let message = format!("ConfigMap {name} has no PEM certificate in ca.crt");
        return Err((Unresolved::Invalid, message, "Put the certificates of the authorities there."));
    }
    Ok(())
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

/// Whether a text holds certificates, and nothing of it is broken.
fn has_certificates(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    let is_first_whole = matches!(certificates.next(), Some(Ok(_)));
    is_first_whole && certificates.all(|certificate| certificate.is_ok())
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
    /// Whether none can be.
    has_no_authority: bool,
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

    fn apply(&self, listener: &mut ListenerNode<'_>) {
        let validation = self.per_port.get(&listener.spec.port).unwrap_or(&self.default);
        let Some(unresolved) = &validation.unresolved else { return };
        listener.set_unresolved(unresolved.clone());
        if validation.has_no_authority && listener.fault.is_none() {
            let message = "no certificate of an authority can be used to validate clients";
            listener.fault = Some(Fault::new("NoValidCACertificate", message));
        }
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
        let mut found = Self { is_insecure, has_no_authority: true, ..Self::default() };
        let references = at.field("caCertificateRefs");
        for (place, reference) in validation.ca_certificate_refs.iter().enumerate() {
            match authority(owner, reference, certificates) {
                Ok(()) => found.has_no_authority = false,
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
        found
    }
}
