//! Following a scripted source, on a paused clock.

use super::*;
use crate::live::Shared;
use irongate_config::{Backend, BackendKey, BackendKind, BackendProtocol, DnsSource, ObjectName};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::sync::mpsc::unbounded_channel;

type Told = Result<News, SourceError>;

/// Tells what a test wants, one thing after another, and then the last one for ever; and remembers when it was asked.
struct Script {
    told: VecDeque<Told>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Source for Script {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Told> + Send + '_>> {
        self.asked.lock().expect("no holder panics").push(Instant::now());
        let told = if self.told.len() > 1 { self.told.pop_front() } else { self.told.front().cloned() };
        Box::pin(async move { told.expect("a script tells something") })
    }
}

struct World {
    live: Arc<LiveBackend>,
    following: Arc<Following>,
    asked: Arc<Mutex<Vec<Instant>>>,
    task: tokio::task::JoinHandle<()>,
}

fn world(script: Vec<Told>) -> World {
    let (probes, _) = unbounded_channel();
    let (discard, _) = std::sync::mpsc::channel();
    let shared = Shared::new(Metrics::new(1), probes, 1, discard);
    let backend = Backend {
        key: BackendKey {
            kind: BackendKind::Backend,
            name: ObjectName::new("default", "web").expect("a name"),
            port: 0,
            protocol: BackendProtocol::Http1,
            identity: None,
        },
        endpoints: Endpoints::Dns(Arc::new(DnsSource::addresses("web", 80))),
        tls: None,
        options: Arc::default(),
    };
    let mut requests = shared.take_follow_requests().expect("nobody has taken them");
    let live = shared.registry.backend(&backend);
    let following = live.following().expect("a source to follow");
    let request = requests.try_recv().expect("a request to follow it");
    assert!(Weak::ptr_eq(&request.following, &Arc::downgrade(&following)));
    let asked = Arc::default();
    let source = Script { told: script.into(), asked: Arc::clone(&asked) };
    let task = tokio::spawn(follow(request.backend, request.following, Some(Box::new(source))));
    World { live, following, asked, task }
}

impl World {
    /// The ports of the endpoints: the tests tell them apart by these.
    fn ports(&self) -> Vec<u16> {
        self.live.settings().plan.members().iter().map(|member| member.state.address().port()).collect()
    }

    async fn after(&self, seconds: u64) -> Vec<u16> {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.ports()
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("no holder panics").len()
    }
}

fn news(ports: &[u16], seconds: u64) -> Told {
    let endpoint = |port: &u16| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], *port)), 1);
    Ok(News {
        endpoints: ports.iter().map(endpoint).collect(),
        good_for: Duration::from_secs(seconds),
        remark: None,
    })
}

fn failure() -> Told {
    Err(SourceError("no server answered in time".into()))
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_for_an_hour_costs_no_endpoint() {
    let world = world(vec![news(&[1, 2, 3], 30), failure()]);
    for minute in 0..60 {
        assert_eq!(world.after(60).await, [1, 2, 3], "minute {minute}");
    }
    let report = world.following.report();
    assert_eq!((report.endpoints, report.updates, report.confirmations), (3, 1, 0));
    // Asked again and again, but not without pauses: 15 s at most, 7.5 s at least.
    assert!((240..=490).contains(&report.failures), "{report:?}");
    assert_eq!(report.failures, u64::from(report.failures_in_a_row));
    assert!(report.last_answer >= Some(Duration::from_secs(3590)), "{report:?}");
    assert_eq!(report.last_failure.expect("it failed").1, "no server answered in time");
    assert!(report.next <= Some(Duration::from_secs(15)));
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_when_its_answer_ends() {
    let world = world(vec![news(&[1], 10), news(&[1, 2], 100), news(&[2], 1)]);
    assert_eq!(world.after(9).await, [1]);
    assert_eq!(world.after(3).await, [1, 2]);
    assert_eq!(world.after(95).await, [1, 2]);
    assert_eq!(world.after(20).await, [2]);
    assert!(world.asked() > 3);
    let report = world.following.report();
    assert_eq!((report.updates, report.failures), (3, 0));
    assert!(report.confirmations > 0 && report.last_failure.is_none(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_endpoint_is_believed_after_a_while() {
    let world = world(vec![news(&[1], 10), news(&[], 10)]);
    assert_eq!(world.after(12).await, [1]);
    assert_eq!(world.after(20).await, [1], "said for 20 s");
    assert_eq!(world.following.report().endpoints, 1);
    assert!(world.following.report().denials_in_a_row >= 2);
    assert_eq!(world.after(25).await, [] as [u16; 0]);
    assert_eq!(world.following.report().endpoints, 0);
}

#[tokio::test(start_paused = true)]
async fn failures_between_do_not_make_it_believed() {
    let script = vec![
        news(&[1], 10),
        news(&[], 10),
        failure(),
        news(&[], 10),
        news(&[1], 10),
        news(&[], 10),
        failure(),
    ];
    let world = world(script);
    assert_eq!(world.after(3600).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_stays_is_kept_as_it_is() {
    let world = world(vec![news(&[2, 1, 2], 10), news(&[2, 3], 10)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = world.live.settings().plan.clone();
    assert_eq!(
        before.members().iter().map(|member| member.weight).collect::<Vec<_>>(),
        [1, 2],
        "one address twice"
    );
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = world.live.settings().plan.clone();
    assert_eq!(world.ports(), [2, 3]);
    assert!(Arc::ptr_eq(&before.members()[1].state, &after.members()[0].state));
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_for_a_backend_that_is_gone() {
    let World { live, following, asked, task } = world(vec![news(&[1], 10)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop((live, following));
    tokio::time::timeout(Duration::from_secs(30), task).await.expect("it ends").expect("without a panic");
    assert!(asked.lock().expect("no holder panics").len() <= 2);
}

#[test]
fn too_many_endpoints_are_cut_and_told() {
    let endpoint = |number: u32| Endpoint::new(SocketAddr::from((number.to_be_bytes(), 80)), 1);
    let mut remark = None;
    let kept = in_order((0..20_000).rev().map(endpoint).collect(), &mut remark);
    assert_eq!((kept.len(), kept[0].clone()), (MOST_ENDPOINTS, endpoint(0)));
    assert_eq!(remark.as_deref(), Some("3616 endpoints are left out: 16384 are used at most"));
}
