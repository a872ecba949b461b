//! Starting, reporting and ending: the admin API, SIGTERM.

use crate::{BINARY, GET, OK, gateway_to};
use irongate_testkit::{Client, Gate, Gateway, Manifest, Origin, eventually};

/// An origin that answers when the gate is open, and says when it has a request.
fn gated(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            gate.wait();
            connection.send(OK)?;
        }
    })
}

/// Waits until nothing listens any more.
#[track_caller]
fn wait_refused(gateway: &Gateway) {
    eventually("new connections are refused", || Client::try_connect(gateway.address()).is_err());
}

#[test]
fn what_runs_is_finished_and_the_exit_is_clean() {
    let gate = Gate::new();
    let origin = gated(&gate);
    let mut gateway = gateway_to(&origin);
    let mut busy = gateway.connect();
    busy.send(GET);
    eventually("the request arrives", || origin.requests().len() == 1);
    gateway.terminate();
    wait_refused(&gateway);
    assert!(gateway.is_running(), "it waits for what runs");
    gate.open();
    let answer = busy.response();
    assert_eq!((answer.text().as_str(), answer.field("connection")), ("ok", Some("close")));
    busy.expect_end();
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let origin = Origin::answering(OK);
    let mut gateway = gateway_to(&origin);
    let mut idle: Vec<Client> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut idle[..10] {
        client.send(GET);
        assert_eq!(client.response().text(), "ok");
    }
    gateway.terminate();
    for mut client in idle {
        client.expect_end();
    }
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn no_request_is_lost_while_it_drains() {
    let origin = Origin::echoing();
    let mut gateway = gateway_to(&origin);
    let address = gateway.address();
    let stop = Gate::new();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut served = 0;
                while !stop.is_open() {
                    let Ok(mut client) = Client::try_connect(address) else { break };
                    loop {
                        // A connection that was told to close is not used again; one that was not must answer, or
                        // end without having taken the request.
                        if client.try_send(GET).is_err() {
                            break;
                        }
                        match client.try_response("GET") {
                            Ok(answer) => {
                                assert_eq!(answer.status, 200);
                                served += 1;
                                if answer.field("connection") == Some("close") {
                                    break;
                                }
                            }
                            Err(_idle_connection_closed) => break,
                        }
                    }
                }
                served
            })
        })
        .collect();
    eventually("traffic flows", || origin.requests().len() > 200);
    gateway.terminate();
    assert_eq!(gateway.wait_exit().code(), Some(0));
    stop.open();
    let served: usize = clients.into_iter().map(|client| client.join().expect("every answer is good")).sum();
    assert_eq!(served, origin.requests().len(), "each request that reached the origin was answered");
}

#[test]
fn the_drain_has_an_end() {
    let origin = Origin::start(|connection| connection.until_end());
    let manifest = Manifest::to_origins(&[origin.address()]);
    let mut gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "1", "--drain", "300ms"]);
    let mut stuck = gateway.connect();
    stuck.send(GET);
    eventually("the request arrives", || origin.bytes().ends_with(b"\r\n\r\n"));
    gateway.terminate();
    stuck.expect_end();
    gateway.wait_exit();
}

#[test]
fn readiness_turns_before_anything_is_refused() {
    let gate = Gate::new();
    let origin = gated(&gate);
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.admin("/livez").status, 200);
    assert_eq!(gateway.admin("/readyz").status, 200);
    let mut busy = gateway.connect();
    busy.send(GET);
    eventually("the request arrives", || origin.requests().len() == 1);
    gateway.terminate();
    eventually("it is not ready any more", || {
        gateway.try_admin("/readyz").is_some_and(|answer| answer.status == 503)
    });
    assert_eq!(gateway.admin("/livez").status, 200);
    gate.open();
    assert_eq!(busy.response().text(), "ok");
}

#[test]
fn the_metrics_count_what_was_served() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..7 {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    let refused = gateway.exchange("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(refused.status, 400);
    eventually("seven requests are counted", || {
        (gateway.metric("irongate_requests_total", &[]) - 7.0).abs() < 1.5
    });
    let text = gateway.admin("/metrics").text();
    for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(family.starts_with("irongate_") || family.starts_with("process_"), "{family}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn two_threads_serve_as_one_does() {
    let origin = Origin::echoing();
    let manifest = Manifest::to_origins(&[origin.address()]);
    let mut gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "2"]);
    let mut clients: Vec<Client> = (0..16).map(|_| gateway.connect()).collect();
    for round in 0..5 {
        for client in &mut clients {
            client.send(format!("GET /{round} HTTP/1.1\r\nHost: test\r\n\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.response().text(), format!("GET /{round} 0"));
        }
    }
    gateway.terminate();
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn an_origin_idle_for_too_long_is_left() {
    let origin = Origin::answering(OK);
    let policy = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: p}\nspec:\n  \
                  targetRefs: [{group: '', kind: Service, name: origin}]\n  pool: {idleTimeout: 100ms}\n";
    let gateway = crate::gateway(&Manifest::to_origins(&[origin.address()]).document(policy));
    assert_eq!(gateway.get("/").text(), "ok");
    origin.wait_ended();
    assert_eq!(gateway.get("/").text(), "ok");
}
