//! What answers of DNS come to. Pure.

use irongate_config::Endpoint;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Hosts of one name that are looked up; more are left out.
const MOST_HOSTS: usize = 512;
/// What a weight of SRV records is multiplied by before a host's addresses share it. A weight of 0 (which RFC 2782 gives "a very
/// small chance") then is a hundredth of 1.
const WEIGHT_UNIT: u32 = 100;

/// What came of asking for one kind of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<T> {
    /// These, for so long (the least TTL of all that led to them).
    Found(Vec<T>, Duration),
    /// There are none: no such name, or none of this kind.
    Absent,
    /// Nobody knows: no answer, or one that says that the server cannot tell.
    Failed(String),
}

/// The answers for one host; `None`: was not asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct HostAnswers {
    pub(super) v4: Option<Answer<IpAddr>>,
    pub(super) v6: Option<Answer<IpAddr>>,
}

/// One SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: Arc<str>,
}

/// The last good addresses of hosts, by family (`true`: IPv6): where one family cannot be asked for, its addresses do not go.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<Arc<str>, [Vec<IpAddr>; 2]>);

impl Memory {
    /// Forgets all hosts but these.
    pub(super) fn keep_only(&mut self, hosts: &[Arc<str>]) {
        if self.0.keys().any(|known| !hosts.contains(known)) {
            let hosts: std::collections::HashSet<&Arc<str>> = hosts.iter().collect();
            self.0.retain(|host, _| hosts.contains(host));
        }
    }

    /// The addresses of a host, out of the answers of both families:
    ///
    /// - Where one has addresses, the other may have none. If asking for the other failed, its last ones stay.
    /// - Where none has any, and asking for one failed, nobody knows.
    pub(super) fn host(&mut self, host: &Arc<str>, answers: HostAnswers) -> Answer<IpAddr> {
        let known = self.0.entry(host.clone()).or_default();
        let (mut good_for, mut failure) = (None, None);
        let mut kept = known.clone();
        for (kept, answer) in kept.iter_mut().zip([answers.v4, answers.v6]) {
            match answer {
                Some(Answer::Found(addresses, ttl)) => {
                    *kept = addresses;
                    good_for = Some(good_for.map_or(ttl, |known: Duration| known.min(ttl)));
                }
                Some(Answer::Absent) => kept.clear(),
                Some(Answer::Failed(text)) => failure = Some(text),
                None => {}
            }
        }
        match (good_for, failure) {
            (Some(good_for), _) => {
                let addresses = kept.concat();
                *known = kept;
                Answer::Found(addresses, good_for)
            }
            (None, Some(text)) => Answer::Failed(text),
            (None, None) => Answer::Absent,
        }
    }

    /// The last good addresses of a host.
    #[cfg(test)]
    fn known(&self, host: &str) -> Vec<IpAddr> {
        self.0.get(host).map(|known| known.concat()).unwrap_or_default()
    }
}

/// The records that name an instance, each once, those of the best priority first; with what had to be left out.
pub(super) fn usable(mut services: Vec<Service>) -> (Vec<Service>, Option<String>) {
    // A single "." says that the service is decidedly not there (RFC 2782).
    services.retain(|service| !matches!(&*service.host, "" | ".") && service.port != 0);
    services.sort_unstable_by(|a, b| {
        (a.priority, &a.host, a.port, a.weight).cmp(&(b.priority, &b.host, b.port, b.weight))
    });
    services.dedup();
    let more = services.len().saturating_sub(MOST_HOSTS);
    services.truncate(MOST_HOSTS);
    let remark =
        (more > 0).then(|| format!("{more} SRV records are left out: {MOST_HOSTS} are used at most"));
    (services, remark)
}

/// What SRV records and the addresses of their hosts come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) endpoints: Vec<Endpoint>,
    /// How long they are good for; `None`: there are none.
    pub(super) good_for: Option<Duration>,
    /// Why the first host that could not be looked up could not.
    pub(super) failure: Option<String>,
}

/// Puts the addresses of hosts behind the records that name them. The addresses of a host share its weight.
pub(super) fn endpoints(services: &[Service], hosts: &[(Arc<str>, Answer<IpAddr>)]) -> Merged {
    let hosts: HashMap<&str, &Answer<IpAddr>> =
        hosts.iter().map(|(host, answer)| (&**host, answer)).collect();
    let mut merged = Merged::default();
    let mut weights: BTreeMap<(u16, SocketAddr), u32> = BTreeMap::new();
    for service in services {
        match hosts.get(&*service.host) {
            Some(Answer::Found(addresses, ttl)) => {
                merged.good_for = Some(merged.good_for.map_or(*ttl, |known| known.min(*ttl)));
                let shared = u32::from(service.weight) * WEIGHT_UNIT;
                let share = shared / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
                for ip in addresses {
                    let address = SocketAddr::new(*ip, service.port);
                    let weight = weights.entry((service.priority, address)).or_default();
                    *weight = weight.saturating_add(share.max(1));
                }
            }
            Some(Answer::Failed(text)) => {
                merged.failure.get_or_insert_with(|| text.clone());
            }
            Some(Answer::Absent) | None => {}
        }
    }
    // The smallest numbers of the same proportion: they are what people see.
    let divisor = weights.values().copied().reduce(greatest_common_divisor).unwrap_or(1).max(1);
    let endpoint = |((priority, address), weight): ((u16, SocketAddr), u32)| Endpoint {
        priority,
        ..Endpoint::new(address, weight / divisor)
    };
    merged.endpoints = weights.into_iter().map(endpoint).collect();
    merged
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;
