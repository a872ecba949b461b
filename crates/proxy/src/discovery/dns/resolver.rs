//! Asking DNS servers: hickory's resolver, without its cache, since the schedule is ours.

use super::answers::{Answer, Service};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use irongate_config::DnsSource;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// How long one question may take in all, whatever the system's configuration says.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one server has for it, before it is asked again or the next one is.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Questions that are asked at once; more wait for their turn.
const AT_ONCE: usize = 64;
/// Lists of servers that are kept ready.
const MOST_LISTS: usize = 64;

/// The resolvers of all sources: one for each list of servers.
pub(in crate::discovery) struct Resolvers {
    turns: Semaphore,
    /// By the servers; none: those of the system.
    known: Mutex<HashMap<Vec<SocketAddr>, Known>>,
}

struct Known {
    resolver: Arc<TokioResolver>,
    /// When the files that it was made from were changed.
    files: [Option<SystemTime>; 2],
}

impl Default for Resolvers {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), known: Mutex::default() }
    }
}

impl Resolvers {
    /// The addresses of a host: AAAA if `v6`, else A.
    pub(super) async fn addresses(&self, servers: &[SocketAddr], host: &str, v6: bool) -> Answer<IpAddr> {
        let kind = if v6 { RecordType::AAAA } else { RecordType::A };
        self.ask(servers, host, kind, |data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .await
    }

    /// Any address of a host, as the system knows it; those of IPv4 first.
    ///
    /// # Errors
    /// A sentence.
    async fn host(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let (v4, v6) = tokio::join!(self.addresses(&[], host, false), self.addresses(&[], host, true));
        let (mut found, mut failure) = (Vec::new(), format!("there is no host {host}"));
        for answer in [v4, v6] {
            match answer {
                Answer::Found(addresses, _) => found.extend(addresses),
                Answer::Absent => {}
                Answer::Failed(text) => failure = text,
            }
        }
        if found.is_empty() { Err(failure) } else { Ok(found) }
    }

    /// Where a host is, on a port; it may be an address itself.
    ///
    /// # Errors
    /// A sentence.
    pub(in crate::discovery) async fn place(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = self.host(host).await?;
        Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// The SRV records of a name.
    pub(super) async fn services(&self, source: &DnsSource) -> Answer<Service> {
        self.ask(&source.servers, &source.name, RecordType::SRV, |data| match data {
            RData::SRV(service) => Some(Service {
                priority: service.priority,
                weight: service.weight,
                port: service.port,
                host: service.target.to_ascii().to_ascii_lowercase().into(),
            }),
            _ => None,
        })
        .await
    }

    async fn ask<T>(
        &self,
        servers: &[SocketAddr],
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Answer<T> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Answer::Failed("the process ends".to_owned());
        };
        let Ok(parsed) = Name::from_utf8(name) else { return Answer::Failed(format!("`{name}` is no name")) };
        let resolver = match self.resolver(servers) {
            Ok(resolver) => resolver,
            Err(error) => return Answer::Failed(format!("there is no resolver: {error}")),
        };
        let failed =
            |what: &dyn std::fmt::Display| Answer::Failed(format!("{kind} records of {name}: {what}"));
        match tokio::time::timeout(PATIENCE, resolver.lookup(parsed, kind)).await {
            Err(_) => failed(&"no server answered in time"),
            Ok(Err(error)) if is_denial(&error) => Answer::Absent,
            Ok(Err(error)) => failed(&error),
            Ok(Ok(answer)) => {
                let found: Vec<T> = answer.answers().iter().filter_map(|record| read(&record.data)).collect();
                // An alias on the way may be good for less than what it leads to.
                let ttl = answer.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                if found.is_empty() {
                    Answer::Absent
                } else {
                    Answer::Found(found, Duration::from_secs(ttl.into()))
                }
            }
        }
    }

    /// The resolver for these servers; made anew when the system's files have changed.
    fn resolver(&self, servers: &[SocketAddr]) -> Result<Arc<TokioResolver>, NetError> {
        let files = if servers.is_empty() {
            ["/etc/resolv.conf", "/etc/hosts"].map(|path| std::fs::metadata(path).ok()?.modified().ok())
        } else {
            [None; 2]
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(servers).filter(|known| known.files == files) {
            return Ok(known.resolver.clone());
        }
        if known.len() >= MOST_LISTS {
            known.clear();
        }
        let resolver = Arc::new(if servers.is_empty() { of_system()? } else { of_servers(servers)? });
        known.insert(servers.to_vec(), Known { resolver: resolver.clone(), files });
        Ok(resolver)
    }
}

fn of_system() -> Result<TokioResolver, NetError> {
    let builder = match TokioResolver::builder_tokio() {
        Ok(mut builder) => {
            let options = builder.options_mut();
            options.timeout = options.timeout.min(ATTEMPT);
            builder
        }
        // Without the file, or a server in it, the one on this machine is meant (resolv.conf(5)).
        Err(_) => {
            let here = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), vec![here]),
                TokioRuntimeProvider::default(),
            )
        }
    };
    let mut builder = builder;
    configure(builder.options_mut());
    builder.build()
}

fn of_servers(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let server = |address: &SocketAddr| {
        let with_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        server.connections = server.connections.into_iter().map(with_port).collect();
        server
    };
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = ATTEMPT;
    configure(builder.options_mut());
    builder.build()
}

fn configure(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.preserve_intermediates = true;
    // The answers of one server are as good as another's, and asking two at once doubles what they are asked.
    options.num_concurrent_reqs = 1;
    // Room for more records in an answer before it has to come over TCP.
    options.edns0 = true;
}

/// Whether the server knows that there is nothing: no such name, or no such records.
fn is_denial(error: &NetError) -> bool {
    matches!(
        error,
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
    )
}
