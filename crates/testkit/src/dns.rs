//! A DNS server that says what a test wants.

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a thread of the server waits before it looks whether the test is over.
const TURN: Duration = Duration::from_millis(20);
/// The longest answer that goes out as a datagram; a longer one is cut, and asked for over TCP.
const LONGEST: usize = 512;

/// Priority, weight, port and host of an SRV record.
pub type SrvRecord<'r> = (u16, u16, u16, &'r str);

/// A server on a free port of 127.0.0.1, by UDP and TCP. It knows no name at first: NXDOMAIN.
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    records: HashMap<(String, RecordType), Vec<Record>>,
    /// What every question is answered with.
    failure: Option<Failure>,
    questions: Vec<(String, RecordType)>,
    is_over: bool,
}

#[derive(Clone, Copy)]
enum Failure {
    Silence,
    ServerFailure,
}

impl DnsServer {
    /// Starts one.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn start() -> Self {
        let (datagrams, connections) = sockets();
        let address = datagrams.local_addr().expect("it is bound");
        let zone = Arc::<Mutex<Zone>>::default();
        let (of_datagrams, of_connections) = (zone.clone(), zone.clone());
        std::thread::spawn(move || serve_datagrams(&datagrams, &of_datagrams));
        std::thread::spawn(move || serve_connections(&connections, &of_connections));
        Self { address, zone }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A name has these addresses from now on, for so many seconds (TTL). None: it has records, but no addresses.
    ///
    /// # Panics
    /// If it is no name.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr], ttl: u32) {
        let record = |address: &IpAddr| match address {
            IpAddr::V4(address) => RData::A(A(*address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
        };
        for (kind, is_wanted) in
            [(RecordType::A, IpAddr::is_ipv4 as fn(&_) -> _), (RecordType::AAAA, IpAddr::is_ipv6)]
        {
            let data = addresses.iter().filter(|address| is_wanted(address)).map(record).collect();
            self.set(name, kind, data, ttl);
        }
    }

    /// A name has these SRV records from now on.
    ///
    /// # Panics
    /// If one of them names no name.
    pub fn set_services(&self, name: &str, services: &[SrvRecord<'_>], ttl: u32) {
        let record = |&(priority, weight, port, host): &SrvRecord<'_>| {
            RData::SRV(SRV::new(priority, weight, port, absolute(host)))
        };
        self.set(name, RecordType::SRV, services.iter().map(record).collect(), ttl);
    }

    /// There is no such name any more.
    pub fn forget(&self, name: &str) {
        self.zone().records.retain(|(known, _), _| known != name);
    }

    /// It answers no question from now on, or does again.
    pub fn silence(&self, is_silent: bool) {
        self.zone().failure = is_silent.then_some(Failure::Silence);
    }

    /// It answers each question with SERVFAIL from now on, or does not any more.
    pub fn fail(&self, fails: bool) {
        self.zone().failure = fails.then_some(Failure::ServerFailure);
    }

    /// How often a name was asked for, whatever the records.
    #[must_use]
    pub fn questions(&self, name: &str) -> usize {
        self.zone().questions.iter().filter(|(asked, _)| asked == name).count()
    }

    fn set(&self, name: &str, kind: RecordType, data: Vec<RData>, ttl: u32) {
        let owner = absolute(name);
        let records = data.into_iter().map(|data| Record::from_rdata(owner.clone(), ttl, data)).collect();
        self.zone().records.insert((name.to_owned(), kind), records);
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().expect("no holder panics")
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.zone().is_over = true;
    }
}

fn absolute(name: &str) -> Name {
    Name::from_utf8(format!("{}.", name.trim_end_matches('.'))).expect("a name")
}

/// One port for both.
fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let connections = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = connections.local_addr().expect("it is bound");
        if let Ok(datagrams) = UdpSocket::bind(address) {
            datagrams.set_read_timeout(Some(TURN)).expect("a timeout that is not nothing");
            connections.set_nonblocking(true).expect("a socket can be told not to wait");
            return (datagrams, connections);
        }
    }
    unreachable!("some port is free for both")
}

fn serve_datagrams(socket: &UdpSocket, zone: &Mutex<Zone>) {
    let mut buffer = [0; 4096];
    while !zone.lock().expect("no holder panics").is_over {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let Some(mut answer) = answer(&buffer[..length], zone) else { continue };
        let mut bytes = answer.to_vec().expect("what was built can be written");
        if bytes.len() > LONGEST {
            answer.answers.clear();
            answer.metadata.truncation = true;
            bytes = answer.to_vec().expect("what was built can be written");
        }
        let _the_client_may_be_gone = socket.send_to(&bytes, client);
    }
}

fn serve_connections(listener: &TcpListener, zone: &Arc<Mutex<Zone>>) {
    while !zone.lock().expect("no holder panics").is_over {
        match listener.accept() {
            Ok((stream, _)) => {
                let zone = zone.clone();
                std::thread::spawn(move || serve_connection(stream, &zone));
            }
            Err(_) => std::thread::sleep(TURN),
        }
    }
}

/// Questions and answers with their lengths before them (RFC 1035, 4.2.2).
fn serve_connection(mut stream: TcpStream, zone: &Mutex<Zone>) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(crate::PATIENCE)).ok()?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question).ok()?;
        let answer = answer(&question, zone)?.to_vec().ok()?;
        let length = u16::try_from(answer.len()).expect("a test's answers are not that long");
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).ok()?;
    }
}

fn answer(question: &[u8], zone: &Mutex<Zone>) -> Option<Message> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?.clone();
    let mut zone = zone.lock().expect("no holder panics");
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    zone.questions.push((name.clone(), query.query_type()));
    let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    answer.metadata.response_code = match zone.failure {
        Some(Failure::Silence) => return None,
        Some(Failure::ServerFailure) => ResponseCode::ServFail,
        None => match zone.records.get(&(name.clone(), query.query_type())) {
            Some(records) => {
                answer.answers.extend(records.iter().cloned());
                ResponseCode::NoError
            }
            None if zone.records.keys().any(|(known, _)| *known == name) => ResponseCode::NoError,
            None => ResponseCode::NXDomain,
        },
    };
    Some(answer)
}
