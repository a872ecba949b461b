//! The hosts that a route is for, and sets of host patterns.

use crate::kinds::RouteObject;
use irongate_config::{HostPattern, RouteKind};
use std::collections::HashSet;

/// The hosts that a route is for.
pub(super) enum Hosts {
    /// The kind has none.
    None,
    /// Those of the listener.
    Inherited,
    These(Vec<HostPattern>),
}

impl Hosts {
    pub(super) fn of<K: RouteObject>(route: &K) -> Self {
        if matches!(K::ROUTE_KIND, RouteKind::Tcp | RouteKind::Udp) {
            return Self::None;
        }
        let hostnames = route.hostnames();
        if hostnames.is_empty() {
            return Self::Inherited;
        }
        // They were checked on reading.
        Self::These(hostnames.iter().filter_map(|hostname| HostPattern::parse(hostname).ok()).collect())
    }

    /// Those that a listener has, too.
    pub(super) fn shared(&self, listener: &HostPattern) -> Vec<HostPattern> {
        let hostnames = match self {
            Self::None => return vec![HostPattern::Any],
            Self::Inherited => return vec![listener.clone()],
            Self::These(hostnames) => hostnames,
        };
        let mut shared: Vec<HostPattern> = Vec::new();
        for hostname in hostnames.iter().filter_map(|hostname| hostname.intersect(listener)) {
            if !shared.contains(&hostname) {
                shared.push(hostname);
            }
        }
        shared
    }
}

/// Host patterns.
#[derive(Default)]
pub(super) struct HostSet {
    patterns: HashSet<HostPattern>,
    /// Every pattern that is wider than one of them.
    wider: HashSet<HostPattern>,
}

impl HostSet {
    pub(super) fn add(&mut self, pattern: &HostPattern) {
        if self.patterns.insert(pattern.clone()) {
            self.wider.extend(wider_patterns(pattern));
        }
    }

    /// Whether one of them shares hosts with a pattern. Two patterns do if they are the same or one is the wider, so that a
    /// few looks tell, however many there are.
    pub(super) fn overlaps(&self, pattern: &HostPattern) -> bool {
        self.patterns.contains(pattern)
            || self.wider.contains(pattern)
            || wider_patterns(pattern).iter().any(|wider| self.patterns.contains(wider))
    }
}

/// The patterns that take every host that this one takes, and more: few, since a name has at most 127 labels.
pub(super) fn wider_patterns(host: &HostPattern) -> Vec<HostPattern> {
    let name = match host {
        HostPattern::Any => return Vec::new(),
        HostPattern::Exact(name) => name,
        HostPattern::Suffix(suffix) => suffix,
    };
    let dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
    let mut wider: Vec<HostPattern> = dots.map(|at| HostPattern::Suffix(name[at..].into())).collect();
    wider.push(HostPattern::Any);
    wider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_share_hosts_are_found() {
        let pattern = |text: &str| match text {
            "*" => HostPattern::Any,
            text => HostPattern::parse(text).expect("a pattern"),
        };
        for (held, asked, shared) in [
            ("a.example", "a.example", true),
            ("a.example", "b.example", false),
            ("a.example", "*.example", true),
            ("*.example", "a.b.example", true),
            ("*.a.example", "*.example", true),
            ("*.a.example", "*.b.example", false),
            ("*.example", "example", false),
            ("*", "a.example", true),
            ("a.example", "*", true),
            ("*", "*", true),
        ] {
            let mut set = HostSet::default();
            set.add(&pattern(held));
            assert_eq!(set.overlaps(&pattern(asked)), shared, "{held} {asked}");
            let intersects = pattern(held).intersect(&pattern(asked)).is_some();
            assert_eq!(intersects, shared, "{held} {asked}");
        }
    }
}
