//! Listeners, of a `Gateway` and of a `ListenerSet` alike.

use super::{LabelSelector, SecretReference, SelectorOperator, Text};
use crate::checks::{Checks, api_group, api_kind, lower_case_host, names, section_name};
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name, unique among the listeners beside it.
    pub name: Text,
    /// The hosts that it is for, such as `example.com` or `*.example.com`; all where none is written.
    pub hostname: Option<Text>,
    /// Its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// What is spoken: `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of an implementation's own.
    pub protocol: Text,
    /// Which routes may attach.
    pub allowed_routes: Option<AllowedRoutes>,
    /// Certificates and mode of TLS, for `HTTPS` and `TLS`.
    pub tls: Option<ListenerTls>,
}

/// The protocols of the API; their case does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 in cleartext.
    Http,
    /// HTTP over TLS.
    Https,
    /// Any protocol over TLS.
    Tls,
    /// Any protocol over TCP.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

impl Listener {
    /// What is spoken, if it is one of the API's protocols.
    #[must_use]
    pub fn known_protocol(&self) -> Option<Protocol> {
        [Protocol::Http, Protocol::Https, Protocol::Tls, Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(&self.protocol))
    }
}

/// Which routes may attach to a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct AllowedRoutes {
    /// From which namespaces; that of the listener's Gateway or ListenerSet where none is written.
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds; all that the protocol allows where none is written.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RouteNamespaces {
    /// How they are chosen; `None` is only for `allowedListeners`.
    #[schemars(extend("enum" = ["All", "Selector", "Same"]))]
    pub from: NamespacesFrom,
    /// Which, for `from: Selector`.
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    All,
    /// By labels.
    Selector,
    /// The one in which this is written.
    #[default]
    Same,
    /// None.
    None,
}

/// A kind of route.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub struct RouteGroupKind {
    /// Its group; Gateway API's own where none is written.
    pub group: Option<Text>,
    /// The kind.
    pub kind: Text,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerTls {
    /// Whether TLS ends here or is passed through.
    pub mode: TlsMode,
    /// Secrets with a certificate chain and its key.
    pub certificate_refs: Vec<SecretReference>,
    /// Options of implementations.
    pub options: BTreeMap<Text, Text>,
}

/// What becomes of TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum TlsMode {
    /// It ends at the listener.
    #[default]
    Terminate,
    /// It is passed on as it is.
    Passthrough,
}

/// What the API server would refuse of a list of listeners.
///
/// It would refuse two of one port, protocol and hostname, too. Here each of them is marked as conflicted instead, so that
/// the others are served.
pub(super) fn check_listeners(listeners: &[Listener], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, listeners.len(), 64);
    checks.unique(at, "name", listeners.iter().map(|listener| Some(&*listener.name)));
    for (index, listener) in listeners.iter().enumerate() {
        check_listener(listener, &at.index(index), checks);
    }
}

fn check_listener(listener: &Listener, at: &At<'_>, checks: &mut Checks) {
    section_name(&listener.name, &at.field("name"), checks);
    checks.port(listener.port, &at.field("port"));
    check_protocol(&listener.protocol, &at.field("protocol"), checks);
    let protocol = listener.known_protocol();
    if let Some(hostname) = listener.hostname.as_deref() {
        let at = at.field("hostname");
        if hostname.is_empty() {
            checks.invalid(&at, "is empty", "Leave it out: a listener without a hostname takes every host.");
        } else {
            lower_case_host(hostname, &at, checks);
        }
        if let Some(protocol @ (Protocol::Tcp | Protocol::Udp)) = protocol {
            let message = format!("must not be given for the protocol {}", protocol.as_str());
            checks.invalid(&at, message, "Hosts cannot be told apart there; remove it.");
        }
    }
    check_tls(listener, protocol, &at.field("tls"), checks);
    let Some(allowed) = &listener.allowed_routes else { return };
    let at = at.field("allowedRoutes");
    let kinds = at.field("kinds");
    checks.no_more_than(&kinds, allowed.kinds.len(), 8);
    for (index, kind) in allowed.kinds.iter().enumerate() {
        let at = kinds.index(index);
        api_group(kind.group.as_deref().unwrap_or_default(), &at.field("group"), checks);
        api_kind(&kind.kind, &at.field("kind"), checks);
    }
    if let Some(namespaces) = &allowed.namespaces {
        if namespaces.from == NamespacesFrom::None {
            let at = at.field("namespaces");
            let message = "must be All, Selector or Same; None is only for allowedListeners";
            checks.invalid(
                &at.field("from"),
                message,
                "A Selector that fits no namespace keeps all routes out.",
            );
        }
        check_namespaces(namespaces.from, namespaces.selector.as_ref(), &at.field("namespaces"), checks);
    }
}

fn check_protocol(protocol: &str, at: &At<'_>, checks: &mut Checks) {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_plain = names::label(&protocol.to_ascii_lowercase()).is_none();
    let is_own = protocol
        .split_once('/')
        .is_some_and(|(domain, name)| names::subdomain(domain).is_none() && is_word(name));
    if protocol.len() > 255 || !is_plain && !is_own {
        let message = format!("`{}` is not the name of a protocol", protocol.escape_debug());
        checks.invalid(at, message, "Write HTTP, HTTPS, TLS, TCP or UDP.");
    }
}

fn check_tls(listener: &Listener, protocol: Option<Protocol>, at: &At<'_>, checks: &mut Checks) {
    let Some(tls) = &listener.tls else {
        if protocol == Some(Protocol::Tls) {
            checks.invalid(at, "is required for the protocol TLS", "Write tls: {mode: Passthrough}.");
        }
        return;
    };
    if let Some(protocol @ (Protocol::Http | Protocol::Tcp | Protocol::Udp)) = protocol {
        let message = format!("must not be given for the protocol {}", protocol.as_str());
        return checks.invalid(at, message, "Write protocol: HTTPS, or remove tls.");
    }
    if protocol == Some(Protocol::Https) && tls.mode == TlsMode::Passthrough {
        let advice = "Only the protocol TLS can be passed through.";
        checks.invalid(&at.field("mode"), "must be Terminate for the protocol HTTPS", advice);
    }
    let references = at.field("certificateRefs");
    if tls.mode == TlsMode::Terminate && tls.certificate_refs.is_empty() && tls.options.is_empty() {
        let advice = "Name a Secret of type kubernetes.io/tls.";
        checks.invalid(&references, "is required where TLS ends at the listener", advice);
    }
    checks.no_more_than(&references, tls.certificate_refs.len(), 64);
    for (index, reference) in tls.certificate_refs.iter().enumerate() {
        reference.check(&references.index(index), checks);
    }
    checks.no_more_than(&at.field("options"), tls.options.len(), 16);
    for (option, value) in &tls.options {
        checks.at_most_bytes(&at.field("options").field(option), value, 4096);
        let message = "is not an option that is known here, and means nothing";
        checks.warn(&at.field("options").field(option), "UnsupportedValue", message, "");
    }
}

/// `from` and `selector` of any choice of namespaces.
pub(super) fn check_namespaces(
    from: NamespacesFrom,
    selector: Option<&LabelSelector>,
    at: &At<'_>,
    checks: &mut Checks,
) {
    match (selector, from) {
        (Some(selector), NamespacesFrom::Selector) => check_selector(selector, &at.field("selector"), checks),
        (None, NamespacesFrom::Selector) => checks.warn(
            at,
            "Invalid",
            "`from: Selector` without a selector allows no namespace",
            "Add a selector, or write `from: All`.",
        ),
        (Some(_), _) => checks.warn(
            &at.field("selector"),
            "Invalid",
            "means something only with `from: Selector`",
            "Write `from: Selector`.",
        ),
        (None, _) => {}
    }
}

fn check_selector(selector: &LabelSelector, at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(&at.field("matchLabels"), selector.match_labels.len(), 64);
    let at = at.field("matchExpressions");
    checks.no_more_than(&at, selector.match_expressions.len(), 64);
    for (index, condition) in selector.match_expressions.iter().enumerate() {
        let needs_values = matches!(condition.operator, SelectorOperator::In | SelectorOperator::NotIn);
        if needs_values == condition.values.is_empty() {
            let message =
                if needs_values { "is empty, and `In` and `NotIn` need values" } else { "must be empty" };
            checks.invalid(&at.index(index).field("values"), message, "");
        }
    }
}
