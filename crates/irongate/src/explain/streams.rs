//! What becomes of a connection or a datagram that is passed on: there is no request to be matched.

use super::backends;
use super::decide::position_of;
use super::places::Places;
use super::view::{Explanation, RuleView, Verdict};
use irongate_config::{AttachedStreamRoute, Config, HostPattern, Listener, ListenerProtocol};

/// What the listener does with it. `name`: the server name that the client asks for; empty where it asks for none.
pub(super) fn serve(
    explanation: &mut Explanation,
    config: &Config,
    listener: &Listener,
    name: &str,
    places: Places<'_>,
) -> Verdict {
    position_of(explanation, listener, places);
    let Some((attached, hostname)) = route(&listener.stream_routes, name) else {
        let end = match listener.protocol {
            ListenerProtocol::Udp => "datagrams are dropped",
            _ => "the connection is closed",
        };
        let summary = match listener.stream_routes.len() {
            0 => format!("no route is attached to the listener {}: {end}", listener.key),
            _ => format!("no route of the listener {} is for that name: {end}", listener.key),
        };
        return Verdict { outcome: "closed", status: None, summary };
    };
    let route = &attached.route;
    let what = if listener.protocol == ListenerProtocol::Udp { "every datagram" } else { "every connection" };
    explanation.rule = Some(RuleView {
        route: route.key.to_string(),
        rule: 0,
        name: route.rule.as_deref().map(ToOwned::to_owned),
        request_match: 0,
        conditions: match hostname {
            HostPattern::Any => what.to_owned(),
            hostname => format!("server name {hostname}"),
        },
        position: places.rule(&route.key, 0, 0),
    });
    explanation.backends = backends::views((&route.key, 0), &route.backends, config, places);
    backends::stream_verdict(&explanation.backends, how(listener))
}

/// What happens to TLS on the way, as the end of a sentence.
fn how(listener: &Listener) -> &'static str {
    match (listener.protocol, &listener.tls) {
        (ListenerProtocol::Tls, None) => "; TLS is passed through",
        (ListenerProtocol::Tls, Some(_)) => "; TLS ends at the listener",
        _ => "",
    }
}

/// The route with the most specific hostname; of those with the same, the oldest.
fn route<'c>(
    routes: &'c [AttachedStreamRoute],
    name: &str,
) -> Option<(&'c AttachedStreamRoute, &'c HostPattern)> {
    let candidates = routes.iter().flat_map(|route| route.hostnames.iter().map(move |host| (route, host)));
    let fitting = candidates.filter(|(_, host)| host.matches(name));
    fitting.reduce(|best, other| if other.1.specificity() > best.1.specificity() { other } else { best })
}
