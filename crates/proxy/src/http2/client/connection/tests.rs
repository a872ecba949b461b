use super::*;
use crate::live::Shared;
use crate::transport::memory_pair;
use irongate_telemetry::Registry;

#[test]
fn a_connection_takes_so_many_requests_and_no_more() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime without IO needs nothing from the system");
    runtime.block_on(async {
        let metrics = Registry::new(1);
        let (probes, _received) = tokio::sync::mpsc::unbounded_channel();
        let (discard, _discarded) = std::sync::mpsc::channel();
        let core = Core::new(0, Shared::new(metrics.clone(), probes, 1, discard));
        let (_origin, ours) = memory_pair(1 << 16);
        let backend = metrics.core(0).backend("origin");
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let begun = Connection::begin(&core, address, backend, 1 << 16, Window::Large, Rc::new(ours.into()));
        let mut connection = begun.await.expect("nothing is waited for");
        connection.lifetime = Lifetime::of_requests(3);
        let under_way: Vec<_> = (0..3).map(|_| connection.sender(Share::All).ok().flatten()).collect();
        assert!(under_way.iter().all(Option::is_some));
        assert!(connection.sender(Share::All).is_err(), "as many as it takes");
        assert_eq!(connection.state.active.get(), 3, "those under way go on");
    });
}

#[test]
fn a_quarter_of_the_room_is_left_when_the_next_connection_is_opened() {
    for (allowed, ahead, all) in [(1, 1, 1), (4, 3, 4), (5, 4, 5), (100, 75, 100), (10_000, 192, 256)] {
        assert_eq!((Share::Ahead.of(allowed), Share::All.of(allowed)), (ahead, all), "{allowed}");
    }
}
