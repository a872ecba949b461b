//! `tls` of a Gateway: client certificates, and the certificate that is shown to backends.

use super::{Reference, SecretReference};
use crate::checks::Checks;
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashSet;

/// TLS of a whole Gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GatewayTls {
    /// Towards backends.
    pub backend: Option<GatewayBackendTls>,
    /// Towards clients.
    pub frontend: Option<FrontendTls>,
}

/// TLS towards backends.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayBackendTls {
    /// The certificate that is shown to backends that ask for one: a Secret of type `kubernetes.io/tls`.
    pub client_certificate_ref: Option<SecretReference>,
}

/// TLS towards clients, of all listeners for `HTTPS`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTls {
    /// For every port that has nothing of its own.
    pub default: FrontendTlsConfig,
    /// For one port, in place of the default.
    #[serde(default)]
    pub per_port: Vec<FrontendTlsPort>,
}

/// What is asked of clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FrontendTlsConfig {
    /// How client certificates are validated; none is asked for where this is not written.
    pub validation: Option<FrontendTlsValidation>,
}

/// What is asked of the clients of one port.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct FrontendTlsPort {
    /// The port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// What is asked.
    pub tls: FrontendTlsConfig,
}

/// How client certificates are validated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTlsValidation {
    /// ConfigMaps with certificates of authorities in `ca.crt`.
    pub ca_certificate_refs: Vec<Reference>,
    /// What becomes of clients without a valid certificate.
    #[serde(default)]
    pub mode: FrontendValidationMode,
}

/// What becomes of clients without a valid certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum FrontendValidationMode {
    /// They are refused.
    #[default]
    AllowValidOnly,
    /// They are let in: backends decide. Meant for tests.
    AllowInsecureFallback,
}

impl GatewayTls {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if let Some(reference) = self.backend.as_ref().and_then(|part| part.client_certificate_ref.as_ref()) {
            reference.check(&at.field("backend").field("clientCertificateRef"), checks);
        }
        let Some(frontend) = &self.frontend else { return };
        let at = at.field("frontend");
        frontend.default.check(&at.field("default"), checks);
        let ports = at.field("perPort");
        checks.no_more_than(&ports, frontend.per_port.len(), 64);
        let mut seen = HashSet::new();
        for (index, one) in frontend.per_port.iter().enumerate() {
            let at = ports.index(index);
            checks.port(one.port, &at.field("port"));
            if !seen.insert(one.port) {
                checks.invalid(&at.field("port"), format!("{} is there twice", one.port), "");
            }
            one.tls.check(&at.field("tls"), checks);
        }
    }
}

impl FrontendTlsConfig {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let Some(validation) = &self.validation else { return };
        let at = at.field("validation");
        let at = at.field("caCertificateRefs");
        if validation.ca_certificate_refs.is_empty() {
            checks.invalid(&at, "is empty", "Name a ConfigMap that has ca.crt.");
        }
        checks.no_more_than(&at, validation.ca_certificate_refs.len(), 8);
        for (index, reference) in validation.ca_certificate_refs.iter().enumerate() {
            reference.check(&at.index(index), checks);
        }
    }
}
