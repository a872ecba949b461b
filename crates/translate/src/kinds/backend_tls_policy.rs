//! `BackendTLSPolicy`: how TLS is begun with the instances of a Service (GEP-1897).

use super::backend_reference::LocalObjectReference;
use super::{GATEWAY_GROUP, Kind, PolicyTargetReference, Service, Text};
use crate::checks::{Checks, api_group, api_kind, lower_case_host, object_name, section_name};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use crate::yaml::{Node, Value};
use irongate_config::{HostPattern, ObjectName};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A `BackendTLSPolicy`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct BackendTlsPolicy {
    /// What is wanted.
    pub spec: BackendTlsPolicySpec,
}

/// What is wanted of a `BackendTLSPolicy`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicySpec {
    /// The Services that it is for; one port of a Service by `sectionName`.
    pub target_refs: Vec<PolicyTargetReference>,
    /// Whom to trust, and which name to ask for.
    pub validation: BackendTlsValidation,
    /// Options of implementations.
    #[serde(default)]
    pub options: BTreeMap<Text, Text>,
}

/// How the certificate of an instance is validated.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsValidation {
    /// ConfigMaps with certificates of authorities in `ca.crt`. Either these or `wellKnownCACertificates`.
    #[serde(default, rename = "caCertificateRefs")]
    pub ca_certificate_refs: Vec<LocalObjectReference>,
    /// `System`: the authorities that the system trusts.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<Text>,
    /// The name that is asked for (SNI). The certificate has to be for it, unless `subjectAltNames` says otherwise.
    pub hostname: Text,
    /// One of these the certificate has to be for, in place of the host name.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name in a certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SubjectAltName {
    /// Of which type it is.
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    /// A host, such as `example.com` or `*.example.com`, for the type `Hostname`.
    pub hostname: Option<Text>,
    /// A URI, such as `spiffe://example.com/service`, for the type `URI`.
    pub uri: Option<Text>,
}

/// The type of a name in a certificate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum SubjectAltNameType {
    /// A DNS name.
    Hostname,
    /// A URI.
    #[serde(rename = "URI")]
    Uri,
}

impl BackendTlsPolicy {
    /// Whether it stands for one that cannot be used: no other is without a host name.
    pub(crate) fn is_stand_in(&self) -> bool {
        self.spec.validation.hostname.is_empty()
    }
}

impl Kind for BackendTlsPolicy {
    const KIND: &'static str = "BackendTLSPolicy";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1alpha3"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.backend_tls_policies
    }

    /// A policy that is not valid, for the same targets: nothing goes to them in cleartext.
    fn stand_in(node: &Node<'_>) -> Option<Self> {
        let Value::Sequence(targets) = &node.get("spec")?.get("targetRefs")?.value else { return None };
        let target = |node: &Node<'_>| {
            let text = |field| node.get(field).and_then(Node::text).map(Text::from);
            Some(PolicyTargetReference {
                group: text("group").unwrap_or_default(),
                kind: text("kind").unwrap_or_else(|| Service::KIND.into()),
                name: text("name")?,
                section_name: text("sectionName"),
            })
        };
        let target_refs: Vec<_> = targets.iter().filter_map(target).collect();
        let validation = BackendTlsValidation {
            ca_certificate_refs: Vec::new(),
            well_known_ca_certificates: None,
            hostname: Text::default(),
            subject_alt_names: Vec::new(),
        };
        let spec = BackendTlsPolicySpec { target_refs, validation, options: BTreeMap::new() };
        (!spec.target_refs.is_empty()).then_some(Self { spec })
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        check_targets(&spec.target_refs, &at.field("targetRefs"), checks);
        spec.validation.check(&at.field("validation"), checks);
        let options = at.field("options");
        checks.no_more_than(&options, spec.options.len(), 16);
        for option in spec.options.keys() {
            let message = "is not an option that is known here, and means nothing";
            checks.warn(&options.field(option), "UnsupportedValue", message, "");
        }
    }
}

fn check_targets(targets: &[PolicyTargetReference], at: &At<'_>, checks: &mut Checks) {
    if targets.is_empty() {
        checks.invalid(at, "is empty", "Name the Service that it is for.");
    }
    checks.no_more_than(at, targets.len(), 16);
    for (index, target) in targets.iter().enumerate().take(16) {
        let at = at.index(index);
        api_group(&target.group, &at.field("group"), checks);
        api_kind(&target.kind, &at.field("kind"), checks);
        object_name(&target.name, &at.field("name"), checks);
        let section =
            |target: &PolicyTargetReference| target.section_name.clone().filter(|name| !name.is_empty());
        if let Some(name) = section(target) {
            section_name(&name, &at.field("sectionName"), checks);
        }
        let is_same = |other: &&PolicyTargetReference| {
            (&other.group, &other.kind, &other.name) == (&target.group, &target.kind, &target.name)
        };
        for other in targets[..index].iter().filter(is_same) {
            let (own, other) = (section(target), section(other));
            if own == other {
                let advice = "Remove one, or tell them apart by sectionName.";
                checks.invalid(&at, "names the same target as an earlier one", advice);
            } else if own.is_none() || other.is_none() {
                let message = "names the same target as an earlier one, and not both have a sectionName";
                checks.invalid(&at, message, "Write a sectionName in each of them.");
            }
        }
    }
}

impl BackendTlsValidation {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let has_refs = !self.ca_certificate_refs.is_empty();
        let has_known = self.well_known_ca_certificates.as_ref().is_some_and(|name| !name.is_empty());
        let advice = "Write caCertificateRefs, or wellKnownCACertificates: System.";
        match (has_refs, has_known) {
            (true, true) => {
                checks.invalid(at, "has both caCertificateRefs and wellKnownCACertificates", advice);
            }
            (false, false) => checks.invalid(at, "does not say whom to trust", advice),
            _ => {}
        }
        let references = at.field("caCertificateRefs");
        checks.no_more_than(&references, self.ca_certificate_refs.len(), 8);
        for (index, reference) in self.ca_certificate_refs.iter().enumerate() {
            reference.check(&references.index(index), checks);
        }
        check_precise(&self.hostname, &at.field("hostname"), checks);
        let names = at.field("subjectAltNames");
        checks.no_more_than(&names, self.subject_alt_names.len(), 5);
        for (index, name) in self.subject_alt_names.iter().enumerate() {
            name.check(&names.index(index), checks);
        }
    }
}

/// One host, no pattern.
fn check_precise(hostname: &str, at: &At<'_>, checks: &mut Checks) {
    match HostPattern::parse(hostname) {
        Ok(HostPattern::Suffix(_) | HostPattern::Any) => {
            checks.invalid(at, "must be one host, not a pattern", "");
        }
        _ => lower_case_host(hostname, at, checks),
    }
}

impl SubjectAltName {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        fn given(text: Option<&Text>) -> Option<&str> {
            text.map(|text| &**text).filter(|text| !text.is_empty())
        }
        let (hostname, uri) = (given(self.hostname.as_ref()), given(self.uri.as_ref()));
        let (wanted, other, kind) = match self.kind {
            SubjectAltNameType::Hostname => (("hostname", hostname), ("uri", uri), "Hostname"),
            SubjectAltNameType::Uri => (("uri", uri), ("hostname", hostname), "URI"),
        };
        if wanted.1.is_none() {
            checks.invalid(&at.field(wanted.0), format!("is required for the type {kind}"), "");
        }
        if other.1.is_some() {
            checks.invalid(&at.field(other.0), format!("does not go with the type {kind}"), "");
        }
        if let Some(hostname) = hostname {
            lower_case_host(hostname, &at.field("hostname"), checks);
        }
        if let Some(uri) = uri {
            let at = at.field("uri");
            checks.at_most_bytes(&at, uri, 253);
            let has_scheme = uri.split_once("://").is_some_and(|(scheme, rest)| {
                !rest.is_empty() && !scheme.is_empty() && !scheme.contains([':', '/', '?', '#'])
            });
            if !has_scheme || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("`{}` is no URI with a scheme and a host", uri.escape_debug());
                checks.invalid(&at, message, "Write one such as spiffe://example.com/service.");
            }
        }
    }
}
