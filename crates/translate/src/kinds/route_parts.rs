//! What routes of every kind have in common: parents and hostnames.

use super::{GATEWAY_GROUP, Kind, ParentReference, Text};
use crate::checks::{Checks, host_advice};
use crate::yaml::path::At;
use irongate_config::{HostPattern, ObjectName, RouteKind};

/// Hostnames that a route of requests may have.
pub(super) const MOST_HTTP_HOSTNAMES: usize = 16;

/// A kind of route.
pub(crate) trait RouteObject: Kind<Name = ObjectName> {
    const ROUTE_KIND: RouteKind;

    /// Where it attaches.
    fn parent_refs(&self) -> &[ParentReference];

    /// The hosts that it is for; empty: those of the listener.
    fn hostnames(&self) -> &[Text];
}

/// Checks a list of parentRefs.
pub(super) fn check_parents(parents: &[ParentReference], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, parents.len(), 32);
    let mut seen: Vec<(Parent<'_>, usize)> = Vec::with_capacity(parents.len().min(32));
    // More than these are refused anyhow.
    for (index, parent) in parents.iter().take(32).enumerate() {
        let at = at.index(index);
        parent.check(&at, checks);
        let own = Parent::of(parent);
        let earlier = seen.iter().find(|(other, _)| *other == own).map(|(_, earlier)| *earlier);
        let Some(earlier) = earlier else {
            seen.push((own, index));
            continue;
        };
        let is_same = |other: &ParentReference| {
            Parent::of(other) == own && other.section_name == parent.section_name && other.port == parent.port
        };
        let other = &parents[earlier];
        if parents[..index].iter().any(is_same) {
            let advice = "Tell them apart by sectionName or port.";
            checks.invalid(&at, "names the same parent as an earlier one", advice);
        } else if parent.section_name.is_some() != other.section_name.is_some()
            || parent.port.is_some() != other.port.is_some()
        {
            let message =
                "names the same parent as an earlier one, which has other fields of sectionName and port";
            checks.invalid(&at, message, "Write the same of the two fields in each of them.");
        }
    }
}

/// Which object a parentRef names, by what stands for what is not written.
#[derive(PartialEq)]
struct Parent<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Parent<'a> {
    fn of(parent: &'a ParentReference) -> Self {
        Self {
            group: parent.group.as_deref().unwrap_or(GATEWAY_GROUP),
            kind: parent.kind.as_deref().unwrap_or("Gateway"),
            namespace: parent.namespace.as_deref().filter(|namespace| !namespace.is_empty()),
            name: &parent.name,
        }
    }
}

/// Checks a list of hostnames; `most`: how many there may be.
pub(super) fn check_hostnames(hostnames: &[Text], most: usize, at: &At<'_>, checks: &mut Checks) {
    let for_all = match most {
        MOST_HTTP_HOSTNAMES => "Leave it out: a route without hostnames is for all.",
        _ => "A TCPRoute takes all connections.",
    };
    checks.no_more_than(at, hostnames.len(), most);
    for (index, hostname) in hostnames.iter().enumerate().take(most) {
        if let Err(error) = HostPattern::parse(hostname) {
            let advice = if &**hostname == "*" { for_all } else { host_advice(hostname) };
            checks.invalid(&at.index(index), format!("`{hostname}` {error}"), advice);
        } else if hostname.bytes().any(|byte| byte.is_ascii_uppercase()) {
            checks.invalid(&at.index(index), format!("`{hostname}` must be in lower case"), "");
        }
    }
}
