//! Matches of one host by path: exact paths and prefixes in hash maps, patterns in sets.
//!
//! A prefix ends where a path element ends, so a path has as many possible prefixes as elements, however many
//! routes there are; and only the depths that some route uses are looked up. This is cheaper than a tree,
//! which has to begin at the root, and needs no more memory than the prefixes themselves.

use super::pattern::PatternSet;
use super::texts::TextMap;

/// A range of a table's list of candidates, the first in precedence first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidates {
    pub(super) start: u32,
    pub(super) end: u32,
}

type PathMap = TextMap<Candidates>;

/// The matches of one host.
#[derive(Debug, Default)]
pub(super) struct PathTable {
    exact: PathMap,
    patterns: Option<Box<PatternPaths>>,
    /// All prefixes but `/`, without a `/` at the end.
    prefixes: PathMap,
    /// Bit `n` is set if a prefix of `n` elements exists; the last bit stands for all depths from 63.
    depths: u64,
    /// The depth of the deepest prefix.
    deepest: usize,
    /// The length of the longest prefix in bytes.
    longest: usize,
    /// The prefix `/`, which every path has.
    root: Candidates,
    /// Whether there is anything but the prefix `/`.
    has_more_than_root: bool,
}

/// What a path was matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathHit {
    /// The candidate that fitted.
    pub(super) candidate: u32,
    /// Bytes of the path that the prefix fitted; 0 if it was not a prefix.
    pub(super) matched_prefix: usize,
}

impl PathTable {
    pub(super) fn insert_exact(&mut self, path: &str, candidates: Candidates) {
        self.exact.insert(path.as_bytes(), candidates);
    }

    /// `prefix` has no `/` at its end; it is empty for the prefix `/`.
    pub(super) fn insert_prefix(&mut self, prefix: &str, candidates: Candidates) {
        if prefix.is_empty() {
            self.root = candidates;
            return;
        }
        let depth = memchr::memchr_iter(b'/', prefix.as_bytes()).count();
        self.depths |= 1 << depth.min(63);
        self.deepest = self.deepest.max(depth);
        self.longest = self.longest.max(prefix.len());
        self.prefixes.insert(prefix.as_bytes(), candidates);
    }

    pub(super) fn set_patterns(&mut self, patterns: PatternPaths) {
        self.patterns = (!patterns.sets.is_empty()).then(|| Box::new(patterns));
    }

    /// Done with inserting.
    pub(super) fn finish(&mut self) {
        self.has_more_than_root = !self.exact.is_empty() || self.patterns.is_some() || self.deepest > 0;
        self.exact.shrink_to_fit();
        self.prefixes.shrink_to_fit();
    }

    /// The candidate that comes first in precedence among those that the path fits and `first_fit` takes:
    /// exact path, then patterns, then prefixes from the longest on.
    #[inline]
    pub(super) fn find(
        &self,
        path: &[u8],
        first_fit: impl Fn(Candidates) -> Option<u32> + Copy,
    ) -> Option<PathHit> {
        if self.has_more_than_root
            && let Some(hit) = self.find_before_root(path, first_fit)
        {
            return Some(hit);
        }
        first_fit(self.root).map(|candidate| PathHit { candidate, matched_prefix: 1 })
    }

    /// Apart, so that the smallest table, one for all paths, is not slowed down by what larger ones need.
    #[inline(never)]
    fn find_before_root(
        &self,
        path: &[u8],
        first_fit: impl Fn(Candidates) -> Option<u32> + Copy,
    ) -> Option<PathHit> {
        let whole = |candidate| PathHit { candidate, matched_prefix: 0 };
        if !self.exact.is_empty()
            && let Some(candidates) = get(&self.exact, path)
            && let Some(candidate) = first_fit(*candidates)
        {
            return Some(whole(candidate));
        }
        if let Some(patterns) = &self.patterns
            && let Some(candidate) = patterns.find(path, first_fit)
        {
            return Some(whole(candidate));
        }
        if self.deepest > 0 { self.find_prefix(path, first_fit) } else { None }
    }

    #[inline]
    fn find_prefix(&self, path: &[u8], first_fit: impl Fn(Candidates) -> Option<u32>) -> Option<PathHit> {
        // From the second byte on, since the first is a slash; and no further than a prefix could end. Elements
        // are short: a plain loop is at their end before a vectorised search has begun.
        let window = &path[..path.len().min(self.longest + 1)];
        let (mut depth, mut end) = (1, 1.min(window.len()));
        loop {
            match window[end..].iter().position(|&byte| byte == b'/') {
                Some(length) => end += length,
                None => end = window.len(),
            }
            if depth == self.deepest || end == window.len() {
                break;
            }
            (depth, end) = (depth + 1, end + 1);
        }
        while depth > 0 {
            if self.depths & 1 << depth.min(63) != 0
                && end <= self.longest
                && let Some(candidates) = get(&self.prefixes, &path[..end])
                && let Some(candidate) = first_fit(*candidates)
            {
                return Some(PathHit { candidate, matched_prefix: end });
            }
            end = memchr::memrchr(b'/', &path[..end])?;
            depth -= 1;
        }
        None
    }
}

#[inline]
fn get<'a>(map: &'a PathMap, path: &[u8]) -> Option<&'a Candidates> {
    #[cfg(test)]
    super::tests::count_step();
    map.get(path)
}

/// The matches of one host by pattern.
#[derive(Debug, Default)]
pub(super) struct PatternPaths {
    sets: Vec<PathSet>,
}

/// Patterns that are searched for together.
#[derive(Debug)]
struct PathSet {
    set: PatternSet,
    /// By the index of the pattern in the set.
    patterns: Box<[PatternCandidates]>,
}

/// The candidates of one pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatternCandidates {
    /// 0 for the longest patterns of the host, more for shorter ones; the same for those of one length.
    pub(super) level: u32,
    /// The first of the candidates.
    pub(super) first: u32,
    /// All of them.
    pub(super) candidates: Candidates,
}

impl PatternPaths {
    /// Adds a set. Sets are added in the order of their patterns' levels and first candidates.
    pub(super) fn push(&mut self, set: PatternSet, patterns: Box<[PatternCandidates]>) {
        self.sets.push(PathSet { set, patterns });
    }

    #[inline(never)]
    fn find(&self, path: &[u8], first_fit: impl Fn(Candidates) -> Option<u32>) -> Option<u32> {
        // Numbers of candidates are ranks, so that the least pair of level and number is first in precedence.
        let mut best: Option<(u32, u32)> = None;
        for PathSet { set, patterns } in &self.sets {
            let beaten = |pattern: &PatternCandidates, best: Option<(u32, u32)>| {
                best.is_some_and(|best| best < (pattern.level, pattern.first))
            };
            if patterns.first().is_some_and(|first| beaten(first, best)) {
                break;
            }
            set.find_each(path, |index| {
                #[cfg(test)]
                super::tests::count_step();
                if let Some(pattern) = patterns.get(index)
                    && !beaten(pattern, best)
                    && let Some(candidate) = first_fit(pattern.candidates)
                    && best.is_none_or(|best| (pattern.level, candidate) < best)
                {
                    best = Some((pattern.level, candidate));
                }
            });
        }
        best.map(|(_, candidate)| candidate)
    }
}
