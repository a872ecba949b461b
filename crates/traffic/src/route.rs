//! Which rule a request belongs to: Gateway API's precedence over all routes of a listener.
//!
//! Among all rules that a request fits, the one counts that is, in this order, for the most specific hostname;
//! of an exact path; of a pattern, the longest first, and those last whose first element may be anything; of the longest prefix; with a method; with the most
//! header conditions; with the most query conditions; of the oldest route; first in its route
//! (`HTTPRouteRule.matches`, Gateway API v1). Where nothing under the most specific hostname fits, the less
//! specific ones are tried.
//!
//! [`RouteTable`] finds it at a cost that depends on the request alone: one hash a candidate host, one for
//! exact paths, one a path element, and one pass of an automaton for all patterns. Only matches that share
//! host and path and differ in method, header or query are tried one after another.
//! [`naive`] says the same in a few plain lines, and tests hold the two together.

mod compile;
mod conditions;
mod hosts;
pub mod naive;
mod paths;
mod pattern;
pub(crate) mod query;
#[cfg(test)]
mod tests;
mod texts;

pub use compile::CompileError;
pub use conditions::MatchError;
pub use hosts::HostTable;
pub use pattern::PatternError;

use conditions::Conditions;
use irongate_config::AttachedRoute;
use irongate_message::RequestHead;
use paths::{Candidates, PathTable};

/// The routes of one listener, ready to be looked up. Made once a configuration, shared by all cores.
#[derive(Debug)]
pub struct RouteTable {
    hosts: HostTable<PathTable>,
    /// Every match of every route, the first in precedence first where host and path are the same.
    matches: Box<[Match]>,
    /// Indices of `matches`; each host and path has a range of it, in ascending order.
    lists: Box<[u32]>,
}

/// Which rule a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The route: its index in the slice that the table was compiled from.
    pub route: u32,
    /// The rule: its index in the route.
    pub rule: u32,
    /// Bytes of the path that a prefix match fitted (1 for the prefix `/`); 0 if the match was of another kind.
    pub matched_prefix: usize,
}

/// One match of one rule, without its host and path, which are where it is found.
#[derive(Debug)]
struct Match {
    route: u32,
    rule: u32,
    conditions: Option<Box<Conditions>>,
}

impl RouteTable {
    /// Compiles the routes that are attached to a listener.
    ///
    /// A match that cannot be used (a pattern that is wrong or too large) is left out and told; all others are
    /// served, so that one bad route takes no good one down.
    #[must_use]
    pub fn compile(routes: &[AttachedRoute]) -> (Self, Vec<CompileError>) {
        compile::compile(routes)
    }

    /// The rule that a request belongs to; `None` if it fits none (404).
    #[must_use]
    pub fn find(&self, head: &RequestHead) -> Option<RouteMatch> {
        let path = head.path();
        let first_fit = |candidates| self.first_fit(candidates, head);
        let hit = self.hosts.find_map(head.host(), |paths| paths.find(path, first_fit))?;
        let found = self.matches.get(hit.candidate as usize)?;
        Some(RouteMatch { route: found.route, rule: found.rule, matched_prefix: hit.matched_prefix })
    }

    /// The first of some candidates whose conditions a request meets.
    #[inline]
    fn first_fit(&self, candidates: Candidates, head: &RequestHead) -> Option<u32> {
        let list = self.lists.get(candidates.start as usize..candidates.end as usize)?;
        let first = *list.first()?;
        #[cfg(test)]
        tests::count_step();
        match self.matches.get(first as usize)?.conditions {
            None => Some(first),
            Some(_) => self.first_fit_of(list, head),
        }
    }

    #[inline(never)]
    fn first_fit_of(&self, list: &[u32], head: &RequestHead) -> Option<u32> {
        list.iter().copied().find(|&candidate| {
            #[cfg(test)]
            tests::count_step();
            let found = self.matches.get(candidate as usize);
            found
                .is_some_and(|found| found.conditions.as_ref().is_none_or(|conditions| conditions.hold(head)))
        })
    }
}
