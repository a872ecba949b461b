//! The index of blocking queries. Pure.

use irongate_config::ConsulSource;
use std::fmt::Write;
use std::time::Duration;

/// What was seen last; 0: nothing, and Consul answers at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Index(u64);

impl Index {
    /// Takes what an answer says (`X-Consul-Index`). One that went back is forgotten: the server lost its state, and would
    /// let us wait until it has caught up. One below 1 counts as 1, as 0 would make each query answer at once. An answer without
    /// one says nothing about what to wait for.
    pub(super) fn note(&mut self, told: Option<u64>) {
        self.0 = match told {
            None => 0,
            Some(told) if told < self.0 => 0,
            Some(told) => told.max(1),
        };
    }

    /// Path and query of the next question.
    pub(super) fn path(self, source: &ConsulSource, wait: Duration) -> String {
        let mut path = format!("/v1/health/service/{}?", Encoded(&source.service));
        // Writing to a string does not fail.
        if !source.includes_warning {
            path.push_str("passing=true&");
        }
        for tag in &source.tags {
            let _ = write!(path, "tag={}&", Encoded(tag));
        }
        if let Some(datacenter) = &source.datacenter {
            let _ = write!(path, "dc={}&", Encoded(datacenter));
        }
        let _ = write!(path, "index={}&wait={}s", self.0, wait.as_secs().max(1));
        path
    }
}

/// A text with all but unreserved characters in per cent (RFC 3986, 2.1).
struct Encoded<'t>(&'t str);

impl std::fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_the_documented_rules() {
        let mut index = Index::default();
        for (told, expected) in [
            (Some(7), 7),
            (Some(7), 7),
            (Some(9), 9),
            // Back: anew.
            (Some(8), 0),
            (Some(8), 8),
            (None, 0),
            // Never 0 after an answer that has one.
            (Some(0), 1),
            (Some(0), 0),
            (Some(u64::MAX), u64::MAX),
        ] {
            index.note(told);
            assert_eq!(index, Index(expected), "after {told:?}");
        }
    }

    #[test]
    fn all_that_is_asked_for_is_in_the_query() {
        let mut source = ConsulSource {
            host: "consul".into(),
            port: 8500,
            tls: None,
            service: "web".into(),
            tags: Vec::new(),
            datacenter: None,
            includes_warning: false,
            token: None,
            wait: Duration::from_secs(60),
        };
        let path = |index, source: &_| Index(index).path(source, Duration::from_secs(60));
        assert_eq!(path(0, &source), "/v1/health/service/web?passing=true&index=0&wait=60s");
        source.service = "a/b?c&d é".into();
        source.tags = vec!["v 2".into(), "canary".into()];
        source.datacenter = Some("dc-1".into());
        source.includes_warning = true;
        assert_eq!(
            path(42, &source),
            "/v1/health/service/a%2Fb%3Fc%26d%20%C3%A9?tag=v%202&tag=canary&dc=dc-1&index=42&wait=60s"
        );
    }
}
