//! What the balancers of a backend choose from, worked out once for all cores and off the path of requests.

use super::table::{Owner, Table};
use crate::health::EndpointState;
use irongate_config::{Algorithm, BackendOptions, Locality};
use std::sync::Arc;

/// From so many endpoints a core on, each core sends to a part of them only: a connection to each endpoint from each core
/// would be too many, and what a core learns of one it asks once a minute is nothing.
const LEAST_SUBSET: usize = 100;
/// Every core's.
const ALL: u16 = u16::MAX;
/// Levels beyond are one with the last.
const MOST_LEVELS: usize = 16;

/// One endpoint of a backend.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which.
    pub state: Arc<EndpointState>,
    /// Its weight; 0 counts as 1.
    pub weight: u32,
    /// It is in the gateway's own zone.
    pub is_near: bool,
    /// It is used when those of a lower number are not to be had.
    pub priority: u16,
}

impl Member {
    /// One that nothing sets apart but its weight.
    #[must_use]
    pub fn new(state: Arc<EndpointState>, weight: u32) -> Self {
        Self { state, weight, is_near: false, priority: 0 }
    }
}

/// A backend's endpoints, and how one of them is chosen.
#[derive(Debug)]
pub struct BalancePlan {
    pub(super) algorithm: Algorithm,
    /// What an endpoint may have under way, in parts of the mean.
    pub(super) max_load: Option<f32>,
    members: Vec<Member>,
    /// Beside `members`.
    pub(super) places: Vec<Place>,
    /// Whether each level's next one is of the same priority, only farther away.
    pub(super) spills: Vec<bool>,
    /// By key, where the algorithm goes by one.
    pub(super) table: Option<Table>,
}

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// 0: it is asked first.
    pub(super) level: u8,
    /// The core that sends to it, or [`ALL`].
    core: u16,
}

impl BalancePlan {
    /// A plan for so many cores. Each endpoint is given at most once.
    #[must_use]
    pub fn new(options: &BackendOptions, members: Vec<Member>, cores: usize) -> Arc<Self> {
        let algorithm = options.algorithm;
        let prefers_near = options.locality == Locality::PreferLocal;
        let rank = |member: &Member| (member.priority, prefers_near && !member.is_near);
        let mut ranks: Vec<_> = members.iter().map(rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks.truncate(MOST_LEVELS);
        let last = ranks.len().saturating_sub(1);
        let level = |member: &Member| ranks.binary_search(&rank(member)).unwrap_or(last) as u8;
        let mut places: Vec<Place> =
            members.iter().map(|member| Place { level: level(member), core: ALL }).collect();
        if !algorithm.is_hashed() && cores > 1 {
            (0..ranks.len()).for_each(|level| divide(&members, &mut places, level as u8, cores));
        }
        let spills = ranks.windows(2).map(|pair| pair[0].0 == pair[1].0).chain([false]).collect();
        let first = ranks.first().map(|rank| rank.0);
        let owners = || {
            let its = members.iter().enumerate().filter(|(_, member)| Some(member.priority) == first);
            let owner = |(place, member): (usize, &Member)| Owner {
                place: place as u32,
                id: member.state.id(),
                weight: member.weight.max(1),
            };
            its.map(owner).collect::<Vec<_>>()
        };
        let table = match algorithm {
            Algorithm::RingHash => Table::ring(&owners()),
            Algorithm::Maglev => Table::maglev(&owners()),
            Algorithm::PeakEwma | Algorithm::LeastRequest | Algorithm::RoundRobin | Algorithm::Random => None,
        };
        let max_load = options.hashing.max_load.map(|percent| percent.max(100) as f32 / 100.0);
        Arc::new(Self { algorithm, max_load, members, places, spills, table })
    }

    /// The endpoints, in the order given.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

impl Place {
    pub(super) fn is_of(self, core: u16) -> bool {
        self.core == ALL || self.core == core
    }
}

/// Divides the endpoints of a level among the cores, if they are many: each to the core that its hash names, or
/// the next one that has room. So each is asked by one core, the cores have equally many to within one, and few move
/// when some come or go.
fn divide(members: &[Member], places: &mut [Place], level: u8, cores: usize) {
    let mut order: Vec<usize> = (0..members.len()).filter(|&at| places[at].level == level).collect();
    if order.len() < LEAST_SUBSET * cores {
        return;
    }
    order.sort_unstable_by_key(|&at| members[at].state.id());
    let mut room = vec![order.len() / cores; cores];
    (0..order.len() % cores).for_each(|core| room[core] += 1);
    for at in order {
        let wanted = (members[at].state.id() % cores as u64) as usize;
        let mut free = (wanted..cores).chain(0..wanted).filter(|&core| room[core] > 0);
        let core = free.next().unwrap_or(wanted);
        room[core] = room[core].saturating_sub(1);
        places[at].core = core as u16;
    }
}
