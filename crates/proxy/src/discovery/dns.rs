//! Endpoints by DNS: the addresses of a host, or the hosts of a service.

mod answers;
mod resolver;

pub(super) use resolver::Resolvers;

use super::schedule::DENIAL_PAUSE;
use super::{News, Source, SourceError};
use answers::{Answer, HostAnswers, Memory, Service};
use irongate_config::{AddressFamily, DnsRecords, DnsSource, Endpoint};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A name in DNS, with what was learnt of it so far.
pub(super) struct Dns {
    source: Arc<DnsSource>,
    resolvers: Arc<Resolvers>,
    memory: Memory,
}

impl Dns {
    pub(super) fn new(source: Arc<DnsSource>, resolvers: Arc<Resolvers>) -> Self {
        Self { source, resolvers, memory: Memory::default() }
    }

    async fn look_up(&mut self) -> Result<News, SourceError> {
        match self.source.records {
            DnsRecords::Addresses { port, family } => {
                let host = self.source.name.clone();
                let answers =
                    look_up_host(self.resolvers.clone(), self.source.clone(), host.clone(), family).await;
                self.memory.keep_only(std::slice::from_ref(&host));
                match self.memory.host(&host, answers) {
                    Answer::Found(addresses, good_for) => {
                        let endpoint = |ip| Endpoint::new(SocketAddr::new(ip, port), 1);
                        Ok(self.news(addresses.into_iter().map(endpoint).collect(), good_for, None))
                    }
                    Answer::Absent => Ok(self.denial()),
                    Answer::Failed(text) => Err(SourceError(text)),
                }
            }
            DnsRecords::Services => match self.resolvers.services(&self.source).await {
                Answer::Found(services, good_for) => self.services(services, good_for).await,
                Answer::Absent => Ok(self.denial()),
                Answer::Failed(text) => Err(SourceError(text)),
            },
        }
    }

    /// The addresses of the hosts, with the ports, weights and priorities of the records that name them.
    async fn services(&mut self, services: Vec<Service>, good_for: Duration) -> Result<News, SourceError> {
        let (services, remark) = answers::usable(services);
        let mut hosts: Vec<Arc<str>> = services.iter().map(|service| service.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        self.memory.keep_only(&hosts);
        let found = self.look_up_all(hosts).await;
        let answers::Merged { endpoints, good_for: hosts, failure } = answers::endpoints(&services, &found);
        match (hosts, failure) {
            (Some(hosts), None) => Ok(self.news(endpoints, hosts.min(good_for), remark)),
            (Some(hosts), Some(text)) => {
                let remark = format!("not every host can be looked up: {text}");
                Ok(self.news(endpoints, hosts.min(good_for), Some(remark)))
            }
            (None, Some(text)) => Err(SourceError(text)),
            (None, None) => Ok(self.denial()),
        }
    }

    /// Looks up hosts, together.
    async fn look_up_all(&mut self, hosts: Vec<Arc<str>>) -> Vec<(Arc<str>, Answer<IpAddr>)> {
        let mut look_ups = JoinSet::new();
        for host in hosts {
            let (resolvers, source) = (self.resolvers.clone(), self.source.clone());
            look_ups.spawn(async move {
                let answers = look_up_host(resolvers, source, host.clone(), AddressFamily::Any).await;
                (host, answers)
            });
        }
        let mut found = Vec::with_capacity(look_ups.len());
        while let Some(looked_up) = look_ups.join_next().await {
            if let Ok((host, answers)) = looked_up {
                let addresses = self.memory.host(&host, answers);
                found.push((host, addresses));
            }
        }
        found
    }

    fn news(&self, endpoints: Vec<Endpoint>, good_for: Duration, remark: Option<String>) -> News {
        let good_for = good_for.clamp(self.source.min_refresh, self.source.max_refresh);
        News { endpoints, good_for, remark }
    }

    fn denial(&self) -> News {
        let good_for = DENIAL_PAUSE.clamp(self.source.min_refresh, self.source.max_refresh);
        News { endpoints: Vec::new(), good_for, remark: None }
    }
}

impl Source for Dns {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<News, SourceError>> + Send + '_>> {
        Box::pin(self.look_up())
    }
}

/// Asks for the addresses of a host, of both families at once where both are wanted.
async fn look_up_host(
    resolvers: Arc<Resolvers>,
    source: Arc<DnsSource>,
    host: Arc<str>,
    family: AddressFamily,
) -> HostAnswers {
    let v4 = async {
        match family {
            AddressFamily::Any | AddressFamily::V4 => {
                Some(resolvers.addresses(&source.servers, &host, false).await)
            }
            AddressFamily::V6 => None,
        }
    };
    let v6 = async {
        match family {
            AddressFamily::Any | AddressFamily::V6 => {
                Some(resolvers.addresses(&source.servers, &host, true).await)
            }
            AddressFamily::V4 => None,
        }
    };
    let (v4, v6) = tokio::join!(v4, v6);
    HostAnswers { v4, v6 }
}
