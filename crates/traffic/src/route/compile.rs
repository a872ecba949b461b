//! From routes as they are meant to the table that is looked up.

use super::conditions::{Conditions, MatchError};
use super::paths::{Candidates, PathTable, PatternCandidates, PatternPaths};
use super::pattern::{LARGEST_TABLE, Pattern, PatternError, PatternSet};
use super::{HostTable, Match, RouteTable};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use irongate_config::{AttachedRoute, HostPattern, PathMatch, RequestMatch, RouteKey};
use std::cmp::Reverse;
use std::sync::Arc;

/// A match that the table had to leave out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{route}: rules[{rule}].matches[{request_match}]: {reason}")]
pub struct CompileError {
    /// Whose it is.
    pub route: RouteKey,
    /// Which rule, from 0.
    pub rule: usize,
    /// Which of its matches, from 0.
    pub request_match: usize,
    /// What is wrong with it.
    pub reason: MatchError,
}

/// The place of a match in precedence among those of one host and one path: the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) any_method: bool,
    pub(super) headers: Reverse<usize>,
    pub(super) query: Reverse<usize>,
    pub(super) age: u32,
    /// The indices of the route, the rule and the match.
    pub(super) place: (usize, usize, usize),
}

impl Rank {
    pub(super) fn new(matched: &RequestMatch, age: u32, place: (usize, usize, usize)) -> Self {
        Self {
            any_method: matched.method.is_none(),
            headers: Reverse(matched.headers.len()),
            query: Reverse(matched.query.len()),
            age,
            place,
        }
    }
}

/// A prefix without the `/` at its end, so that `/` is empty.
pub(super) fn normal_prefix(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

/// How specific a pattern is: the longer the more, and one whose first element may be anything less than all others, so
/// that a `GRPCRoute`'s service decides before its method.
pub(super) fn pattern_weight(pattern: &str) -> usize {
    // More than the longest pattern, which has 4,096 bytes.
    const FIRST_ELEMENT: usize = 1 << 16;
    if pattern.starts_with("/[^/]+/") { pattern.len() } else { pattern.len() + FIRST_ELEMENT }
}

/// A match, read, before its place in the table is known.
struct Plan<'a> {
    rank: Rank,
    path: &'a PathMatch,
    conditions: Option<Conditions>,
}

/// One match under one hostname.
#[derive(Clone, Copy)]
struct Entry<'a> {
    host: &'a HostPattern,
    path: &'a PathMatch,
    /// Its number in the table's matches, which are in order of rank.
    candidate: u32,
}

pub(super) fn compile(routes: &[AttachedRoute]) -> (RouteTable, Vec<CompileError>) {
    let mut patterns = Patterns::default();
    let mut errors = Vec::new();
    let mut plans = read(routes, &mut patterns, &mut errors);
    plans.sort_unstable_by_key(|plan| plan.rank);

    let mut entries = Vec::with_capacity(plans.len());
    for (candidate, plan) in plans.iter().enumerate() {
        let mut hosts: Vec<&HostPattern> = routes[plan.rank.place.0].hostnames.iter().collect();
        hosts.sort_unstable();
        hosts.dedup();
        let entry = |host| Entry { host, path: plan.path, candidate: candidate as u32 };
        entries.extend(hosts.into_iter().map(entry));
    }
    entries.sort_unstable_by(|a, b| key(a).cmp(&key(b)));

    let mut lists = Vec::with_capacity(entries.len());
    let mut lost = Vec::new();
    let hosts = HostTable::new(entries.chunk_by(|a, b| a.host == b.host).map(|entries| {
        let paths = path_table(entries, &mut lists, &mut patterns, &mut lost);
        (entries[0].host.clone(), paths)
    }));
    lost.sort_unstable_by_key(|&(candidate, _)| candidate);
    lost.dedup_by_key(|&mut (candidate, _)| candidate);
    for (candidate, reason) in lost {
        errors.push(error(routes, plans[candidate as usize].rank.place, reason));
    }
    let matches = plans.into_iter().map(|plan| Match {
        route: plan.rank.place.0 as u32,
        rule: plan.rank.place.1 as u32,
        conditions: plan.conditions.map(Box::new),
    });
    (RouteTable { hosts, matches: matches.collect(), lists: lists.into() }, errors)
}

/// Entries of one host stand together, within it those of one path, and within it the first in precedence is
/// first.
fn key<'a>(entry: &Entry<'a>) -> (&'a HostPattern, u8, &'a str, u32) {
    let (kind, text) = match entry.path {
        PathMatch::Exact(path) => (0, &**path),
        PathMatch::Regex(pattern) => (1, &**pattern),
        PathMatch::Prefix(prefix) => (2, normal_prefix(prefix)),
    };
    (entry.host, kind, text, entry.candidate)
}

fn error(routes: &[AttachedRoute], place: (usize, usize, usize), reason: MatchError) -> CompileError {
    CompileError { route: routes[place.0].route.key.clone(), rule: place.1, request_match: place.2, reason }
}

fn read<'a>(
    routes: &'a [AttachedRoute],
    patterns: &mut Patterns,
    errors: &mut Vec<CompileError>,
) -> Vec<Plan<'a>> {
    let mut plans = Vec::new();
    for (route_index, attached) in routes.iter().enumerate() {
        for (rule_index, rule) in attached.route.rules.iter().enumerate() {
            for (match_index, matched) in rule.matches.iter().enumerate() {
                let place = (route_index, rule_index, match_index);
                let checked = match &matched.path {
                    PathMatch::Regex(pattern) => patterns.read(pattern).map(|_| ()),
                    PathMatch::Exact(_) | PathMatch::Prefix(_) => Ok(()),
                };
                match checked.and_then(|()| Conditions::new(matched, patterns)) {
                    Ok(conditions) => {
                        let rank = Rank::new(matched, attached.route.age, place);
                        plans.push(Plan { rank, path: &matched.path, conditions });
                    }
                    Err(reason) => errors.push(error(routes, place, reason)),
                }
            }
        }
    }
    plans
}

/// The table of one host, whose entries are given in the order of [`key`].
fn path_table(
    entries: &[Entry<'_>],
    lists: &mut Vec<u32>,
    patterns: &mut Patterns,
    lost: &mut Vec<(u32, MatchError)>,
) -> PathTable {
    let mut table = PathTable::default();
    let mut regexes = Vec::new();
    for same in entries.chunk_by(|a, b| key(a).1 == key(b).1 && key(a).2 == key(b).2) {
        let start = lists.len() as u32;
        lists.extend(same.iter().map(|entry| entry.candidate));
        let candidates = Candidates { start, end: lists.len() as u32 };
        match same[0].path {
            PathMatch::Exact(path) => table.insert_exact(path, candidates),
            PathMatch::Prefix(prefix) => table.insert_prefix(normal_prefix(prefix), candidates),
            PathMatch::Regex(pattern) => regexes.push((pattern, same[0].candidate, candidates)),
        }
    }
    table.set_patterns(pattern_paths(regexes, lists, patterns, lost));
    table.finish();
    table
}

/// `regexes` has each pattern with its first candidate and all of them.
fn pattern_paths(
    mut regexes: Vec<(&Arc<str>, u32, Candidates)>,
    lists: &[u32],
    patterns: &mut Patterns,
    lost: &mut Vec<(u32, MatchError)>,
) -> PatternPaths {
    let mut paths = PatternPaths::default();
    regexes.sort_unstable_by_key(|&(pattern, first, _)| (Reverse(pattern_weight(pattern)), first));
    let (mut level, mut last) = (0, None);
    let leveled: Vec<_> = regexes
        .into_iter()
        .map(|(pattern, first, candidates)| {
            let weight = pattern_weight(pattern);
            if last.is_some_and(|last| last != weight) {
                level += 1;
            }
            last = Some(weight);
            (pattern, PatternCandidates { level, first, candidates })
        })
        .collect();
    for run in PatternSet::runs(&leveled, |(pattern, _)| patterns.size(pattern)) {
        match patterns.for_paths(run.iter().map(|(pattern, _)| *pattern)) {
            Ok(set) => paths.push(set, run.iter().map(|(_, candidates)| *candidates).collect()),
            Err(reason) => {
                for (pattern, PatternCandidates { candidates, .. }) in run {
                    let list = &lists[candidates.start as usize..candidates.end as usize];
                    lost.extend(list.iter().map(|&candidate| (candidate, failed(pattern, &reason))));
                }
            }
        }
    }
    paths
}

fn failed(pattern: &Arc<str>, reason: &PatternError) -> MatchError {
    MatchError::Pattern { pattern: pattern.clone(), reason: reason.clone() }
}

/// The patterns of a table while it is compiled: each is read once, and those of values are shared.
pub(super) struct Patterns {
    read: HashMap<Arc<str>, Result<Pattern, PatternError>, FixedState>,
    values: HashMap<Arc<str>, Arc<PatternSet>, FixedState>,
    /// Bytes that further automata may take.
    room: usize,
}

impl Default for Patterns {
    fn default() -> Self {
        Self { read: HashMap::default(), values: HashMap::default(), room: LARGEST_TABLE }
    }
}

impl Patterns {
    fn read(&mut self, pattern: &Arc<str>) -> Result<&Pattern, MatchError> {
        let read = self.read.entry(pattern.clone()).or_insert_with(|| Pattern::new(pattern));
        read.as_ref().map_err(|reason| failed(pattern, reason))
    }

    fn size(&self, pattern: &Arc<str>) -> usize {
        self.read.get(pattern).and_then(|read| read.as_ref().ok()).map_or(0, Pattern::size)
    }

    /// A set of one pattern, for values of header fields and query parameters.
    pub(super) fn for_value(&mut self, pattern: &Arc<str>) -> Result<Arc<PatternSet>, MatchError> {
        if let Some(set) = self.values.get(pattern) {
            return Ok(set.clone());
        }
        self.read(pattern)?;
        let set = self.for_paths([pattern]).map_err(|reason| failed(pattern, &reason))?;
        Ok(self.values.entry(pattern.clone()).insert(Arc::new(set)).get().clone())
    }

    /// A set of patterns that were read before.
    fn for_paths<'a>(
        &mut self,
        patterns: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Result<PatternSet, PatternError> {
        let mut read = Vec::new();
        for pattern in patterns {
            match self.read.get(pattern) {
                Some(Ok(pattern)) => read.push(pattern),
                Some(Err(error)) => return Err(error.clone()),
                None => {}
            }
        }
        let size = read.iter().map(|pattern| pattern.size()).sum();
        self.room = self.room.checked_sub(size).ok_or(PatternError::NoRoom)?;
        PatternSet::new(read)
    }
}
