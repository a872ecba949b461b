//! Things by host: exact names in a hash map, wildcards in another by their suffix, and what is for any host.

use super::texts::TextMap;
use irongate_config::HostPattern;
use std::fmt;

/// Values by [`HostPattern`], found by a request's host; the most specific pattern first (exact, then the
/// longest wildcard, then any).
///
/// A look-up costs one hash of the host, and one a label where wildcards exist, however many patterns there
/// are.
pub struct HostTable<T> {
    exact: TextMap<T>,
    /// By the suffix with its leading dot: `.example.com`.
    suffixes: TextMap<T>,
    /// The longest key of `suffixes`: longer tails of a host are not looked up.
    longest_suffix: usize,
    any: Option<T>,
    /// Whether there is any pattern but that for any host.
    has_more_than_any: bool,
}

impl<T> HostTable<T> {
    /// Of several values for one pattern, the first counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (HostPattern, T)>) -> Self {
        let mut table = Self {
            exact: TextMap::default(),
            suffixes: TextMap::default(),
            longest_suffix: 0,
            any: None,
            has_more_than_any: false,
        };
        for (pattern, value) in entries {
            match pattern {
                HostPattern::Exact(name) => table.exact.insert(name.as_bytes(), value),
                HostPattern::Suffix(suffix) => {
                    table.longest_suffix = table.longest_suffix.max(suffix.len());
                    table.suffixes.insert(suffix.as_bytes(), value);
                }
                HostPattern::Any => {
                    table.any.get_or_insert(value);
                }
            }
        }
        table.has_more_than_any = !table.exact.is_empty() || !table.suffixes.is_empty();
        table.exact.shrink_to_fit();
        table.suffixes.shrink_to_fit();
        table
    }

    /// The value of the most specific pattern that a host fits. The host is in lower case and without a port;
    /// empty where a request has none.
    #[must_use]
    pub fn find(&self, host: &[u8]) -> Option<&T> {
        self.find_map(host, Some)
    }

    /// Offers the values of the patterns that a host fits, the most specific first, until one gives a result.
    #[inline]
    pub fn find_map<'a, R>(&'a self, host: &[u8], mut take: impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        if self.has_more_than_any
            && let Some(result) = self.find_before_any(host, &mut take)
        {
            return Some(result);
        }
        self.any.as_ref().and_then(take)
    }

    /// Apart, so that the smallest table, one for all hosts, is not slowed down by what larger ones need.
    #[inline(never)]
    fn find_before_any<'a, R>(&'a self, host: &[u8], take: &mut impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        if !self.exact.is_empty()
            && let Some(value) = self.exact.get(host)
            && let Some(result) = take(value)
        {
            return Some(result);
        }
        if self.longest_suffix > 0 {
            // A wildcard stands for one label or more, so the suffix never begins at the first byte.
            for dot in memchr::memchr_iter(b'.', host).filter(|&dot| dot > 0) {
                if host.len() - dot <= self.longest_suffix
                    && let Some(value) = self.suffixes.get(&host[dot..])
                    && let Some(result) = take(value)
                {
                    return Some(result);
                }
            }
        }
        None
    }
}

impl<T> fmt::Debug for HostTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostTable")
            .field("exact", &self.exact)
            .field("suffixes", &self.suffixes)
            .field("any", &self.any.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> HostTable<String> {
        HostTable::new(patterns.iter().map(|text| {
            let pattern = match *text {
                "*" => HostPattern::Any,
                text => HostPattern::parse(text).expect("a valid pattern"),
            };
            (pattern, (*text).to_owned())
        }))
    }

    fn check(patterns: &[&str], cases: &[(&str, Option<&str>)]) {
        let table = table(patterns);
        for &(host, expected) in cases {
            assert_eq!(table.find(host.as_bytes()).map(String::as_str), expected, "{host} in {patterns:?}");
        }
    }

    #[test]
    fn the_most_specific_pattern_is_found() {
        check(
            &["*", "*.com", "*.example.com", "a.example.com", "example.com"],
            &[
                ("a.example.com", Some("a.example.com")),
                ("b.example.com", Some("*.example.com")),
                ("c.a.example.com", Some("*.example.com")),
                ("example.com", Some("example.com")),
                ("other.com", Some("*.com")),
                ("com", Some("*")),
                ("[::1]", Some("*")),
                ("", Some("*")),
            ],
        );
    }

    #[test]
    fn wildcards_spare_the_bare_domain() {
        check(
            &["*.wildcard.io"],
            &[
                ("foo.wildcard.io", Some("*.wildcard.io")),
                ("foo.bar.wildcard.io", Some("*.wildcard.io")),
                ("wildcard.io", None),
                (".wildcard.io", None),
                ("foo.wildcard.io.evil", None),
                ("badwildcard.io", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn less_specific_values_are_offered_in_turn() {
        let table = table(&["*", "*.com", "*.example.com", "a.example.com"]);
        let mut seen = Vec::new();
        let nothing: Option<()> = table.find_map(b"a.example.com", |value| {
            seen.push(value.as_str());
            None
        });
        assert!(nothing.is_none());
        assert_eq!(seen, ["a.example.com", "*.example.com", "*.com", "*"]);
    }

    #[test]
    fn the_first_of_equal_patterns_counts() {
        let table = HostTable::new([(HostPattern::Any, 1), (HostPattern::Any, 2)]);
        assert_eq!(table.find(b"x"), Some(&1));
    }
}
