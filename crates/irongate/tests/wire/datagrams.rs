//! UDP: datagrams are passed on in sessions.

use crate::BINARY;
use crate::layer4::Layer4;
use irongate_testkit::{Gateway, PATIENCE, eventually};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers each datagram with the port that it came from, a space, and the datagram.
struct Echo {
    address: SocketAddr,
    sources: Arc<Mutex<BTreeSet<u16>>>,
    stopped: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

impl Echo {
    fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("its address");
        let sources = Arc::<Mutex<BTreeSet<u16>>>::default();
        let stopped = Arc::<AtomicBool>::default();
        let running = std::thread::spawn({
            let (sources, stopped) = (sources.clone(), stopped.clone());
            move || {
                let mut space = vec![0; 65536];
                while let Ok((length, from)) = socket.recv_from(&mut space) {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    sources.lock().expect("no holder panics").insert(from.port());
                    // What the largest datagram has no room for besides is left away.
                    let mut answer = format!("{} ", from.port()).into_bytes();
                    answer.extend_from_slice(&space[..length]);
                    answer.truncate(65507);
                    let _gone_already = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, sources, stopped, running: Some(running) }
    }

    fn sessions(&self) -> usize {
        self.sources.lock().expect("no holder panics").len()
    }

    fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.stopped.store(true, Ordering::Release);
        let waker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        waker.send_to(b"", self.address).expect("it listens");
        running.join().expect("it does not panic");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Client(UdpSocket);

impl Client {
    fn new(gateway: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        // Answers of others than whom it speaks to do not come through then.
        socket.connect(gateway).expect("a way");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("not zero");
        Self(socket)
    }

    /// Sends until an answer to this comes: the port that the instance saw.
    #[track_caller]
    fn ask(&self, what: &str) -> u16 {
        self.ask_within(what, PATIENCE).expect("an answer")
    }

    fn ask_within(&self, what: &str, patience: Duration) -> Option<u16> {
        let mut space = vec![0; 65536];
        let tries = (patience.as_millis() / 50).max(1);
        for _ in 0..tries {
            let _refused = self.0.send(what.as_bytes());
            while let Ok(length) = self.0.recv(&mut space) {
                let text = String::from_utf8_lossy(&space[..length]).into_owned();
                let (port, rest) = text.split_once(' ').expect("the instance's form");
                if what.starts_with(rest) && rest.len() + 6 >= what.len().min(65507) {
                    return port.parse().ok();
                }
            }
        }
        None
    }
}

#[track_caller]
fn gateway(manifest: &Layer4, threads: &str) -> Gateway {
    Gateway::start_text(BINARY, &["--threads", threads], |address| manifest.yaml(address))
}

fn to(echo: &Echo) -> Layer4 {
    Layer4::to("UDP", &[echo.address])
}

#[test]
fn each_client_has_a_session_of_its_own() {
    let echo = Echo::start();
    let gateway = gateway(&to(&echo), "1");
    let (one, other) = (Client::new(gateway.address()), Client::new(gateway.address()));
    let (first, second) = (one.ask("a"), other.ask("b"));
    assert_ne!(first, second);
    for round in 0..20 {
        assert_eq!((one.ask(&format!("a{round}")), other.ask(&format!("b{round}"))), (first, second));
    }
    let labels =
        ["listener=\"default/gw/l4\"", "route=\"default/route\"", "backend=\"Service default/b0:53 udp\""];
    assert!((gateway.metric("irongate_streams_active", &labels) - 2.0).abs() < 0.5);
    assert!(gateway.metric("irongate_datagrams_received_total", &labels) > 41.5);
    assert!(gateway.metric("irongate_datagrams_sent_total", &labels) > 41.5);
}

#[test]
fn the_largest_datagrams_and_empty_ones_pass() {
    let echo = Echo::start();
    let gateway = gateway(&to(&echo), "1");
    let client = Client::new(gateway.address());
    for length in [0, 1, 1472, 9000, 65000, 65507] {
        client.ask(&"x".repeat(length));
    }
}

#[test]
fn sessions_stay_over_a_reload_whichever_core_has_them() {
    let (echo, other) = (Echo::start(), Echo::start());
    let manifest = to(&echo);
    let gateway = gateway(&manifest, "4");
    let clients: Vec<_> = (0..24).map(|_| Client::new(gateway.address())).collect();
    let ports: Vec<_> = clients.iter().map(|client| client.ask("a")).collect();
    assert_eq!(echo.sessions(), 24);
    // Another backend beside it.
    let more = manifest.backend(1, &[other.address]);
    gateway.configure_text(&more.yaml(gateway.address()));
    eventually("the new configuration counts", || {
        Client::new(gateway.address()).ask("new");
        other.sessions() > 0
    });
    let again: Vec<_> = clients.iter().map(|client| client.ask("b")).collect();
    assert_eq!(ports, again);
    // The old backend is not the route's any more: its sessions go elsewhere.
    let instead = Layer4::new("UDP").backend(0, &[]).backend(1, &[other.address]);
    gateway.configure_text(&instead.yaml(gateway.address()));
    let before = other.sessions();
    eventually("all have moved", || {
        for client in &clients {
            let _port = client.ask_within("c", Duration::from_millis(50));
        }
        other.sessions() >= before + 24
    });
}

#[test]
fn an_instance_that_is_not_there_is_left() {
    let (mut echo, other) = (Echo::start(), Echo::start());
    let gateway = gateway(&Layer4::to("UDP", &[echo.address, other.address]), "1");
    let clients: Vec<_> = (0..16).map(|_| Client::new(gateway.address())).collect();
    for client in &clients {
        let _port = client.ask("a");
    }
    assert!(echo.sessions() > 0 && other.sessions() > 0, "{} and {}", echo.sessions(), other.sessions());
    echo.stop();
    for client in &clients {
        let _port = client.ask("b");
    }
    eventually("it is counted", || {
        gateway.metric("irongate_stream_failures_total", &["reason=\"upstream_unreachable\""]) > 0.5
    });
}

#[test]
fn a_session_ends_when_nothing_passes() {
    let echo = Echo::start();
    let manifest = to(&echo).parameters("{timeouts: {sessionIdle: 100ms}}");
    let gateway = gateway(&manifest, "1");
    Client::new(gateway.address()).ask("a");
    eventually("it ends", || {
        gateway.metric("irongate_streams_active", &[]) < 0.5
            && gateway.metric("irongate_stream_duration_seconds_count", &[]) > 0.5
    });
    assert!(gateway.metric("irongate_stream_failures_total", &[]) < 0.5);
}

#[test]
fn sessions_are_bounded_and_idle_ones_make_room() {
    let echo = Echo::start();
    let manifest = to(&echo).parameters("{limits: {sessions: 8}}");
    let gateway = gateway(&manifest, "1");
    let clients: Vec<_> = (0..40).map(|_| Client::new(gateway.address())).collect();
    // However long it takes: those that were idle for a second make room for others, one after the other.
    for client in &clients {
        let _port = client.ask("a");
    }
    assert!(gateway.metric("irongate_streams_active", &[]) < 8.5);
    let evicted = gateway.metric("irongate_stream_failures_total", &["reason=\"session_evicted\""]);
    assert!(evicted > 31.5, "{evicted}");
}

#[test]
fn answers_leave_from_the_address_that_was_spoken_to() {
    let echo = Echo::start();
    let gateway = gateway(&to(&echo).everywhere(), "2");
    for last in 1..=4 {
        let ip = IpAddr::from([127, 0, 0, last]);
        // A connected socket takes answers from there alone.
        Client::new((ip, gateway.address().port()).into()).ask("a");
    }
}

#[test]
fn answers_on_their_way_are_waited_for_in_a_drain() {
    // Answers when it is told to.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let address = socket.local_addr().expect("its address");
    let mut gateway = gateway(&Layer4::to("UDP", &[address]), "1");
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
    client.send_to(b"question", gateway.address()).expect("sent");
    let mut space = [0; 64];
    let (length, from) = socket.recv_from(&mut space).expect("it comes through");
    assert_eq!(&space[..length], b"question");
    gateway.terminate();
    socket.send_to(b"answer", from).expect("sent");
    let (length, from) = client.recv_from(&mut space).expect("it comes back");
    assert_eq!((&space[..length], from), (&b"answer"[..], gateway.address()));
    assert_eq!(gateway.wait_exit().code(), Some(0));
}
