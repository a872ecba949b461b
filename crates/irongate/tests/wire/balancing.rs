//! How requests are shared out, as far as it is certain on the wire. How well it is done is a matter of the balancer's
//! own tests and of the simulations.

use crate::{OK, gateway};
use irongate_testkit::{Manifest, Origin};

fn counts(origins: &[Origin]) -> Vec<usize> {
    origins.iter().map(|origin| origin.requests().len()).collect()
}

fn manifest(origins: &[Origin]) -> Manifest {
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    Manifest::to_origins(&addresses)
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{group: '', kind: Service, name: origin}}]\n  {spec}\n"
    )
}

#[test]
fn round_robin_takes_turns() {
    let origins = [Origin::echoing(), Origin::echoing(), Origin::echoing()];
    let gateway = gateway(&manifest(&origins).document(&policy("algorithm: RoundRobin")));
    for _ in 0..30 {
        assert_eq!(gateway.get("/").status, 200);
    }
    assert_eq!(counts(&origins), [10, 10, 10]);
}

#[test]
fn everybody_gets_some_by_default() {
    let origins = [Origin::echoing(), Origin::echoing(), Origin::echoing()];
    let gateway = gateway(&manifest(&origins));
    for _ in 0..200 {
        assert_eq!(gateway.get("/").status, 200);
    }
    // How many is a matter of what each one's first answers took; a slow beginning is remembered for a while.
    assert!(counts(&origins).iter().all(|count| *count >= 1), "{:?}", counts(&origins));
}

#[test]
fn weights_share_out_between_backends() {
    let origins = [Origin::echoing(), Origin::echoing(), Origin::echoing()];
    let manifest = Manifest::new()
        .route(
            "- backendRefs:\n  - {name: a, port: 80, weight: 3}\n  - {name: b, port: 80, weight: 1}\n  - {name: c, port: 80, weight: 0}",
        )
        .service("a", &[origins[0].address()])
        .service("b", &[origins[1].address()])
        .service("c", &[origins[2].address()]);
    let gateway = gateway(&manifest);
    let mut client = gateway.connect();
    for _ in 0..400 {
        client.send(crate::GET);
        assert_eq!(client.response().status, 200);
    }
    let counts = counts(&origins);
    // 300 expected, with a standard deviation of 9: ten of them are never left by chance.
    assert!((210..=390).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
}

#[test]
fn an_endpoint_that_always_fails_is_left_out() {
    let bad = Origin::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let good = [Origin::answering(OK), Origin::answering(OK), Origin::answering(OK)];
    let mut addresses: Vec<_> = good.iter().map(Origin::address).collect();
    addresses.push(bad.address());
    let gateway = gateway(&Manifest::to_origins(&addresses));
    let failures = (0..300).filter(|_| gateway.get("/").status != 200).count();
    assert!(failures <= 10, "{failures} failures reached the client");
}

#[test]
fn an_endpoint_that_dies_is_not_missed() {
    let mut origins = [Origin::echoing(), Origin::echoing(), Origin::echoing(), Origin::echoing()];
    let gateway = gateway(&manifest(&origins));
    let mut client = gateway.connect();
    for round in 0..200 {
        if round == 50 {
            origins[0].stop();
        }
        client.send(crate::GET);
        assert_eq!(client.response().status, 200, "round {round}");
    }
}

#[test]
fn connections_to_an_origin_are_used_again() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]));
    for _ in 0..20 {
        assert_eq!(gateway.get("/").status, 200);
    }
    assert_eq!(origin.records().len(), 1);
}

#[test]
fn a_new_configuration_is_taken_up_and_loses_nothing() {
    let (before, after) = (Origin::answering(named("a")), Origin::answering(named("b")));
    let gateway = gateway(&Manifest::to_origins(&[before.address()]));
    let mut client = gateway.connect();
    let mut ask = move || {
        client.send(crate::GET);
        let answer = client.response();
        assert_eq!(answer.status, 200);
        answer.text()
    };
    assert_eq!(ask(), "a");
    gateway.configure(&Manifest::to_origins(&[after.address()]));
    gateway.reload();
    irongate_testkit::eventually("the new configuration is taken up", || ask() == "b");
}

#[test]
fn reloads_under_traffic_lose_nothing() {
    let origins = [Origin::echoing(), Origin::echoing()];
    let gateway = gateway(&Manifest::to_origins(&[origins[0].address()]));
    let address = gateway.address();
    let stop = irongate_testkit::Gate::new();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut client = irongate_testkit::Client::connect(address);
                let mut served = 0;
                while !stop.is_open() {
                    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
                    assert_eq!(client.response().text(), "POST / 4");
                    served += 1;
                }
                served
            })
        })
        .collect();
    for round in 1..=10 {
        let next = &origins[round % 2];
        let before = next.requests().len();
        gateway.configure(&Manifest::to_origins(&[next.address()]));
        gateway.reload();
        irongate_testkit::eventually("the other origin is asked", || next.requests().len() > before + 20);
    }
    stop.open();
    let served: usize = clients.into_iter().map(|client| client.join().expect("every answer is good")).sum();
    assert_eq!(served, counts(&origins).iter().sum::<usize>());
}

#[test]
fn a_configuration_that_is_broken_keeps_what_was_good() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]));
    assert_eq!(gateway.get("/").status, 200);
    gateway.configure(&Manifest::new().document("kind: [broken\n  yaml: {"));
    gateway.reload();
    irongate_testkit::eventually("the problem is told", || gateway.printed().contains("LastGoodForm"));
    assert_eq!(gateway.get("/").status, 200);
}

fn named(name: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())
}

/// Which origin has answered, by its number.
fn asked(origins: &[Origin], before: &[usize]) -> Option<usize> {
    counts(origins).iter().zip(before).position(|(now, before)| now > before)
}

#[test]
fn a_key_always_goes_to_one_endpoint() {
    let origins = [Origin::echoing(), Origin::echoing(), Origin::echoing(), Origin::echoing()];
    for algorithm in ["RingHash", "Maglev"] {
        let keys = "hash: {keys: [{type: Header, name: X-User}, {type: Cookie, name: id}]}";
        let spec = format!("algorithm: {algorithm}\n  {keys}");
        let gateway = gateway(&manifest(&origins).document(&policy(&spec)));
        let mut used = std::collections::HashSet::new();
        for user in 0..20 {
            let mut places = std::collections::HashSet::new();
            for field in ["X-User: ", "x-user: ", "Cookie: a=b; id="] {
                let before = counts(&origins);
                let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}user{user}\r\n\r\n");
                assert_eq!(gateway.exchange(request).status, 200);
                places.insert(asked(&origins, &before));
            }
            assert_eq!(places.len(), 1, "{algorithm}: {user} was at {places:?}");
            used.extend(places);
        }
        assert!(used.len() > 1, "{algorithm}: keys are spread");
    }
}

/// Two backends of three endpoints each, and a rule with a session.
fn with_sessions(origins: &[Origin], session: &str) -> Manifest {
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    Manifest::new()
        .route(&format!(
            "- sessionPersistence: {session}\n  backendRefs:\n  - {{name: a, port: 80}}\n  - {{name: b, port: 80}}"
        ))
        .service("a", &addresses[..3])
        .service("b", &addresses[3..])
}

#[test]
fn a_session_stays_with_its_endpoint_and_moves_when_that_is_gone() {
    let mut origins: Vec<Origin> = (0..6).map(|_| Origin::echoing()).collect();
    for (session, answered, sent) in [
        ("{sessionName: sid}", "set-cookie", "Cookie: "),
        ("{sessionName: X-Sid, type: Header}", "x-sid", "X-Sid: "),
    ] {
        let gateway = gateway(&with_sessions(&origins, session));
        let before = counts(&origins);
        let first = gateway.get("/");
        let note = first.field(answered).expect("the session is noted").to_owned();
        let place = asked(&origins, &before).expect("an origin answered");
        if answered == "set-cookie" {
            assert!(note.starts_with("sid=") && note.ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{note}");
        }
        assert!(!note.contains("127.0.0.1"), "{note}");
        let value = note.split(';').next().unwrap_or_default();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{sent}{value}\r\n\r\n");
        for _ in 0..20 {
            let before = counts(&origins);
            let answer = gateway.exchange(&request);
            assert_eq!((answer.status, answer.field(answered)), (200, None));
            assert_eq!(asked(&origins, &before), Some(place));
        }
        // Its instance dies: another takes over, and is noted.
        origins[place].stop();
        let answer = gateway.exchange(&request);
        assert_eq!(answer.status, 200);
        assert_ne!(
            answer.field(answered).map(|note| note.split(';').next().unwrap_or_default()),
            Some(value)
        );
        assert!(answer.field(answered).is_some());
        origins[place] = Origin::echoing();
    }
}

#[test]
fn a_made_up_session_is_none() {
    let origins: Vec<Origin> = (0..6).map(|_| Origin::echoing()).collect();
    let gateway = gateway(&with_sessions(&origins, "{sessionName: sid}"));
    for value in ["127.0.0.1:80", "x", "00000000000000000000000000000000000000ff", ""] {
        let answer = gateway.exchange(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: sid={value}\r\n\r\n"));
        assert_eq!(answer.status, 200);
        assert!(answer.field("set-cookie").is_some(), "{value}: a new one");
    }
}
