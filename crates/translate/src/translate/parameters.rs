//! `GatewayParameters` to [`ProxyOptions`].

use crate::kinds::{GatewayParameters, IRONGATE_GROUP, Kind, ParametersReference, Text, parse_network};
use irongate_config::ProxyOptions;

use super::index::Index;

/// The parameters that a reference names.
///
/// # Errors
/// A sentence, where there are none.
pub(super) fn find<'r>(
    reference: &ParametersReference,
    namespace: Option<&str>,
    index: &Index<'r>,
) -> Result<&'r GatewayParameters, String> {
    let ParametersReference { group, kind, name, .. } = reference;
    if (&**group, &**kind) != (IRONGATE_GROUP, GatewayParameters::KIND) {
        return Err(format!(
            "names a {kind} of the group `{group}`, not a GatewayParameters of {IRONGATE_GROUP}"
        ));
    }
    let Some(namespace) = namespace else {
        return Err("needs the namespace of the GatewayParameters".into());
    };
    match index.parameters.get(&(namespace, name)) {
        Some(object) => Ok(&object.body),
        None => Err(format!("names GatewayParameters {namespace}/{name}, which does not exist")),
    }
}

/// Puts what parameters say over what was said before.
pub(super) fn apply(parameters: &GatewayParameters, options: &mut ProxyOptions) {
    let spec = &parameters.spec;
    let networks = |list: &Vec<Text>| list.iter().filter_map(|text| parse_network(text)).collect();
    set(&mut options.trusted_proxies, spec.trusted_proxies.as_ref().map(networks));
    set(&mut options.proxy_protocol_from, spec.proxy_protocol_from.as_ref().map(networks));
    set(&mut options.http3, spec.http3);
    let (from, to) = (&spec.limits, &mut options.limits);
    let bytes = |bytes: crate::kinds::Bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX);
    set(&mut to.head_bytes, from.head_bytes.map(bytes));
    set(&mut to.head_fields, from.head_fields.map(|fields| fields as usize));
    set(&mut to.target_bytes, from.target_bytes.map(bytes));
    set(&mut to.pipelined, from.pipelined);
    set(&mut to.streams, from.streams);
    set(&mut to.replay_bytes, from.replay_bytes.map(bytes));
    set(&mut to.sessions, from.sessions);
    let (from, to) = (&spec.timeouts, &mut options.timeouts);
    for (to, from) in [
        (&mut to.head, from.head),
        (&mut to.idle, from.idle),
        (&mut to.http2_idle, from.http2_idle),
        (&mut to.stalled_write, from.stalled_write),
        (&mut to.stream_idle, from.stream_idle),
        (&mut to.tunnel_idle, from.tunnel_idle),
        (&mut to.session_idle, from.session_idle),
        (&mut to.response, from.response),
    ] {
        set(to, from.map(|duration| duration.0));
    }
}

fn set<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}
