//! Every wait has a deadline: what the peer sees, and when.

use crate::world::{Peer, Setup, World};
use irongate_config::{RouteTimeouts, Timeouts};
use std::time::Duration;

/// What a peer does.
#[derive(Clone, Copy)]
enum Step {
    /// The client sends this.
    Client(&'static str),
    /// The client sends this, a byte every so many seconds, beginning after the first of them.
    Slowly(&'static str, u64),
    /// The client sends as much as is taken.
    ClientFloods,
    /// The origin gets a head.
    Asked,
    /// The origin sends this.
    Origin(&'static str),
    /// The origin sends as much as is taken.
    OriginFloods,
    /// So many seconds go by.
    Wait(u64),
    /// The client sends no more, and reads on.
    ClientEnds,
    /// From here on what comes to the origin counts, not what comes to the client.
    WatchOrigin,
}

use Step::{Asked, Client, ClientEnds, ClientFloods, Origin, OriginFloods, Slowly, Wait, WatchOrigin};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const POST_10: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
const POST_10_MIB: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10485760\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OK_10: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const OK_10_MIB: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

/// Plays the steps, one after another, and then sees what comes: heads by their status, and how the stream ends,
/// each with the second since the connection was opened.
fn check(name: &str, setup: &Setup, steps: &[Step], expected: &[(u64, &str)]) {
    setup.run(async |world| {
        let origin = world.origin();
        let client = world.client();
        let mut watched = &client;
        for step in steps {
            play(*step, &client, &origin).await;
            if let WatchOrigin = step {
                watched = &origin;
            }
        }
        for (second, what) in expected {
            let seen = next(watched).await;
            assert!(seen.contains(what), "{name}: {seen:?} in place of {what:?}");
            // Deadlines are rounded up by as much as a thirty-second of their distance.
            let (least, late) =
                (Duration::from_secs(*second), Duration::from_millis(10 + second * 1000 / 32));
            let at = world.elapsed();
            assert!(at + Duration::from_millis(10) >= least, "{name}: {what} too early, at {at:?}");
            assert!(at <= least + late, "{name}: {what} too late, at {at:?}");
        }
        settle(&world, client, origin).await;
        world.assert_at_rest(name);
    });
}

async fn play(step: Step, client: &Peer, origin: &Peer) {
    match step {
        Client(text) => client.send(text).await,
        Slowly(text, every) => {
            for byte in text.as_bytes() {
                tokio::time::sleep(Duration::from_secs(every)).await;
                client.send([*byte]).await;
            }
        }
        ClientFloods => assert!(client.flood(10 << 20).await > 0),
        Asked => drop(origin.head().await.expect("a request")),
        Origin(text) => origin.send(text).await,
        OriginFloods => assert!(origin.flood(10 << 20).await > 0),
        Wait(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        ClientEnds => client.shutdown(),
        WatchOrigin => {}
    }
}

/// The next head, or the end.
async fn next(peer: &Peer) -> String {
    match peer.message().await {
        Ok(message) => message.head,
        Err(end) => format!("{end:?}"),
    }
}

/// Everything ends.
async fn settle(world: &World, client: Peer, origin: Peer) {
    drop((client, origin));
    world.gateway.close_idle();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

fn route(request: Option<u64>, backend_request: Option<u64>) -> Setup {
    let seconds = |timeout: Option<u64>| timeout.map(Duration::from_secs);
    let timeouts = RouteTimeouts { request: seconds(request), backend_request: seconds(backend_request) };
    Setup { timeouts, ..Setup::default() }
}

#[test]
fn heads_and_idle_connections() {
    let setup = Setup::default();
    let late = [(10, "408"), (10, "Closed")];
    check("no byte ever", &setup, &[], &[(10, "Closed")]);
    check("a part of a head", &setup, &[Client("GET / HT")], &late);
    // The deadline counts from the first byte, however busily others follow.
    check("a byte a second", &setup, &[Slowly("GET / HTT", 1)], &[(11, "408"), (11, "Closed")]);
    check("a head in time", &setup, &[Slowly("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n", 0)], &[(0, "302")]);
    let exchange = [Client(GET), Asked, Origin(OK)];
    check("idle after an answer", &setup, &exchange, &[(0, "200"), (75, "Closed")]);
    let again = [Client(GET), Asked, Origin(OK), Wait(3), Client(GET), Asked, Origin(OK)];
    check("idle begins anew", &setup, &again, &[(3, "200"), (3, "200"), (78, "Closed")]);
    let part = [Client(GET), Asked, Origin(OK), Wait(20), Client("G")];
    check("a part of a second head", &setup, &part, &[(20, "200"), (30, "408"), (30, "Closed")]);
    let pipelined = [Client(GET), Client("GET / "), Asked, Origin(OK)];
    check("a part behind a request", &setup, &pipelined, &[(0, "200"), (10, "408"), (10, "Closed")]);
}

#[test]
fn answers_that_do_not_come() {
    let asked = [Client(GET), Asked];
    let check = |name, setup: &Setup, expected: &[(u64, &str)]| check(name, setup, &asked, expected);
    check("the response timeout", &Setup::default(), &[(60, "504"), (135, "Closed")]);
    check("the route's request timeout", &route(Some(5), None), &[(5, "504"), (80, "Closed")]);
    check("the route's backend timeout", &route(None, Some(3)), &[(3, "504")]);
    check("the nearer of both", &route(Some(5), Some(9)), &[(5, "504")]);
    check("a longer backend timeout than ours", &route(None, Some(90)), &[(90, "504")]);
    // Zero switches off what is configured, and never silence's own bound.
    check("zero for the request", &route(Some(0), None), &[(60, "504")]);
    check("zero for the attempt", &route(None, Some(0)), &[(300, "504")]);
    check("zero for both", &route(Some(0), Some(0)), &[(300, "504")]);
    check("zero for the attempt alone", &route(Some(100), Some(0)), &[(100, "504")]);
}

#[test]
fn the_response_timeout_counts_from_the_end_of_the_request() {
    let steps = [Client(POST_10), Slowly("0123456789", 50), Asked];
    check("a slow body", &Setup::default(), &steps, &[(560, "504")]);
    check("a long poll", &Setup::default(), &[Client(UPGRADE), Asked], &[(300, "504")]);
}

#[test]
fn answers_that_stop() {
    let setup = Setup::default();
    let begun = [Client(GET), Asked, Origin(OK_10), Origin("01234")];
    check("silence in an answer", &setup, &begun, &[(300, "Closed")]);
    let timed = route(Some(5), None);
    check("the request's end in an answer", &timed, &begun, &[(5, "Closed")]);
    let attempt = route(None, Some(3));
    let late = [Client(GET), Asked, Origin(OK_10), Origin("01234"), Wait(20), Origin("56789")];
    check("the attempt's timeout ends with the head", &attempt, &late, &[(20, "200")]);
    let moving = [Client(GET), Asked, Origin(OK_10), Origin("01234"), Wait(200), Origin("5"), Wait(200)];
    check("a slow answer", &setup, &moving, &[(500, "Closed")]);
    let old = [
        Client("GET / HTTP/1.0\r\nHost: h\r\n\r\n"),
        Asked,
        Origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ];
    // Only the end of the stream would end this answer: the end must not look like one.
    check("silence in an answer without a length", &setup, &old, &[(0, "200"), (300, "Reset")]);
}

#[test]
fn bodies_that_stop() {
    let setup = Setup::default();
    let stalled = [Client(POST_10), Client("01234")];
    check("the client sends no more", &setup, &stalled, &[(300, "408"), (300, "Closed")]);
    check("the client sends nothing", &setup, &[Client(POST_10)], &[(300, "408"), (300, "Closed")]);
    let slow = [Client(POST_10), Slowly("012345678", 200)];
    check("a slow body that stops", &setup, &slow, &[(2100, "408")]);
    let timed = route(Some(5), None);
    check("the request's end in a body", &timed, &stalled, &[(5, "504"), (10, "Closed")]);
    let expecting =
        [Client("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"), Asked];
    check("nobody says 100", &setup, &expecting, &[(300, "408"), (300, "Closed")]);
}

#[test]
fn peers_that_take_nothing() {
    let setup = Setup::default();
    let upload = [Client(POST_10_MIB), ClientFloods];
    check("the origin takes no body", &setup, &upload, &[(60, "504"), (60, "Closed")]);
    let download = [Client(GET), Asked, Origin(OK_10_MIB), OriginFloods, WatchOrigin];
    check("the client takes no answer", &setup, &download, &[(60, "Closed")]);
    let upward = [Client(UPGRADE), Asked, Origin(SWITCHING), ClientFloods];
    check("the origin takes nothing of a tunnel", &setup, &upward, &[(0, "101"), (60, "Reset")]);
    let downward = [Client(UPGRADE), Asked, Origin(SWITCHING), OriginFloods, WatchOrigin];
    check("the client takes nothing of a tunnel", &setup, &downward, &[(60, "Closed")]);
}

#[test]
fn tunnels_on_which_nothing_moves() {
    let setup = Setup::default();
    let begun = [Client(UPGRADE), Asked, Origin(SWITCHING)];
    check("silence", &setup, &begun, &[(0, "101"), (3600, "Reset")]);
    let upward = [Client(UPGRADE), Asked, Origin(SWITCHING), Wait(3000), Client("x"), Wait(1)];
    check("a byte upward", &setup, &upward, &[(3001, "101"), (6600, "Reset")]);
    let downward = [Client(UPGRADE), Asked, Origin(SWITCHING), Wait(3000), Origin("x"), WatchOrigin];
    check("a byte downward", &setup, &downward, &[(6600, "Closed")]);
    // A route's timeouts are for requests; a tunnel is none any more.
    check("the route's request timeout", &route(Some(5), Some(3)), &begun, &[(0, "101"), (3600, "Reset")]);
}

#[test]
fn clients_that_send_no_more() {
    let setup = Setup::default();
    let check = |name, steps: &[Step], expected: &[(u64, &str)]| check(name, &setup, steps, expected);
    let closed = [(0, "200"), (0, "Closed")];
    check("an answer at once", &[Client(GET), ClientEnds, Asked, Origin(OK)], &closed);
    let later = [Client(GET), ClientEnds, Asked, Wait(1), Origin(OK)];
    check("an answer soon", &later, &[(1, "200"), (1, "Closed")]);
    check("no answer", &[Client(GET), ClientEnds, Asked], &[(2, "")]);
    check("the origin is let go", &[Client(GET), ClientEnds, Asked, WatchOrigin], &[(2, "Closed")]);
    let slow = [
        Client(GET),
        ClientEnds,
        Asked,
        Origin("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        Origin("1"),
        Wait(1),
        Origin("2"),
        Wait(1),
        Origin("3"),
        Wait(1),
        Origin("4"),
    ];
    check("a slow answer", &slow, &[(3, "200"), (3, "Closed")]);
    check("an answer that stops", &slow[..9], &[(4, "Closed")]);
    let two = [Client(GET), Client(GET), ClientEnds, Asked, Origin(OK), Asked, Origin(OK)];
    check("two requests", &two, &[(0, "200"), (0, "200"), (0, "Closed")]);
    let ours = [Client("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n"), ClientEnds];
    check("an answer of ours", &ours, &[(0, "302"), (0, "Closed")]);
    check("a part of a head", &[Client("GET / HT"), ClientEnds], &[(0, "Closed")]);
    let cut = [Client(POST_10), Client("01234"), ClientEnds, Asked, WatchOrigin];
    check("a part of a body", &cut, &[(0, "Closed")]);
}

#[test]
fn configured_bounds_hold() {
    let mut setup = Setup::default();
    setup.options.timeouts = Timeouts {
        head: Duration::from_secs(1),
        idle: Duration::from_secs(2),
        stalled_write: Duration::from_secs(3),
        stream_idle: Duration::from_secs(4),
        tunnel_idle: Duration::from_secs(5),
        response: Duration::from_secs(6),
        ..Timeouts::default()
    };
    check("head", &setup, &[Client("G")], &[(1, "408")]);
    check("idle", &setup, &[Client(GET), Asked, Origin(OK)], &[(0, "200"), (2, "Closed")]);
    check("stalled write", &setup, &[Client(POST_10_MIB), ClientFloods], &[(3, "504")]);
    check("stream idle", &setup, &[Client(POST_10)], &[(4, "408")]);
    let tunnel = [Client(UPGRADE), Asked, Origin(SWITCHING)];
    check("tunnel idle", &setup, &tunnel, &[(0, "101"), (5, "Reset")]);
    setup.options.timeouts.stream_idle = Duration::from_secs(300);
    check("response", &setup, &[Client(GET), Asked], &[(6, "504"), (8, "Closed")]);
}
