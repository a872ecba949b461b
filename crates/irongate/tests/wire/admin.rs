//! The admin API of a running gateway: the shapes that `docs/admin.md` promises.

use crate::{BINARY, OK, gateway};
use irongate_testkit::{Gateway, Manifest, Origin, eventually};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

fn api(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.admin(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"), "{path}");
    serde_json::from_str(&answer.text()).expect("JSON")
}

#[test]
fn what_runs_is_told() {
    let origin = Origin::answering(OK);
    let manifest = Manifest::to_origins(&[origin.address()])
        .route("- matches: [{path: {value: /missing}}]\n  backendRefs: [{name: missing, port: 80}]");
    let gateway = gateway(&manifest);
    for _ in 0..3 {
        assert_eq!(gateway.get("/").status, 200);
    }
    let config = api(&gateway, "/api/config");
    assert_eq!(
        (&config["version"], &config["listeners"], &config["attachedRoutes"]),
        (&1.into(), &1.into(), &2.into())
    );
    assert_eq!(config["errors"], 1);
    let problems = api(&gateway, "/api/problems");
    assert_eq!(
        (&problems["total"], &problems["problems"][0]["reason"]),
        (&1.into(), &"BackendNotFound".into())
    );
    assert!(problems["problems"][0]["line"].is_u64(), "{problems}");
    let statuses = api(&gateway, "/api/statuses");
    assert_eq!(statuses["gateways"][0]["listeners"][0]["attachedRoutes"], 2, "{statuses}");
    let (gateways, routes) = (&statuses["gateways"], &statuses["httpRoutes"]);
    assert!(gateways[0]["file"].as_str().is_some_and(|file| file.ends_with("/gateway.yaml")), "{statuses}");
    let lines = [&gateways[0]["line"], &routes[0]["line"], &routes[1]["line"]].map(Value::as_u64);
    assert!(lines[0] == Some(1) && lines.is_sorted() && lines[1] != lines[2], "{lines:?}");
    let listeners = api(&gateway, "/api/listeners");
    let address = gateway.address().to_string();
    assert_eq!(listeners["listeners"][0]["addresses"][0]["address"], address.as_str(), "{listeners}");
    assert_eq!(listeners["listeners"][0]["addresses"][0]["open"], true, "{listeners}");
    let routes = api(&gateway, "/api/routes?offset=1&limit=1");
    assert_eq!(
        (&routes["total"], routes["routes"].as_array().map(Vec::len)),
        (&2.into(), Some(1)),
        "{routes}"
    );
    assert_eq!(routes["routes"][0]["rules"][0]["backends"][0]["invalid"], "BackendNotFound", "{routes}");
}

/// A Gateway of its own on a port that somebody else has. Its name comes first, so that its status does.
fn with_a_port(address: SocketAddr) -> Manifest {
    let (ip, port) = (address.ip(), address.port());
    Manifest::new().document(&format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: a}}
spec:
  gatewayClassName: irongate
  addresses: [{{value: {ip}}}]
  listeners:
  - {{name: taken, port: {port}, protocol: HTTP}}"
    ))
}

#[test]
fn a_port_that_is_taken_is_told_while_it_is() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("bound");
    let gateway = gateway(&with_a_port(address));
    let problems = api(&gateway, "/api/problems");
    let problem = &problems["problems"][0];
    assert_eq!(
        (&problems["total"], &problem["reason"]),
        (&1.into(), &"PortUnavailable".into()),
        "{problems}"
    );
    assert_eq!(
        (&problem["resource"], &problem["field"]),
        (&"Gateway default/a".into(), &"spec.listeners[0].port".into())
    );
    assert!(problem["line"].is_u64() && problem["file"].is_string(), "{problem}");
    assert!(gateway.printed().contains("gateway.yaml:"), "the log has the place");
    assert_eq!(api(&gateway, "/api/config")["errors"], 1);
    let programmed = |gateway: &Gateway, which: usize| {
        let statuses = api(gateway, "/api/statuses");
        let owner = &statuses["gateways"][which];
        let find = |conditions: &Value| {
            let list = conditions.as_array().expect("a list");
            let one = list.iter().find(|one| one["type"] == "Programmed").expect("it is there");
            (one["status"] == true, one["reason"].as_str().unwrap_or_default().to_owned())
        };
        (find(&owner["conditions"]), find(&owner["listeners"][0]["conditions"]))
    };
    let good = (true, "Programmed".to_owned());
    assert_eq!(
        programmed(&gateway, 0),
        ((false, "AddressNotUsable".to_owned()), (false, "PortUnavailable".to_owned()))
    );
    assert_eq!(programmed(&gateway, 1), (good.clone(), good.clone()), "nobody else's");
    assert_eq!(gateway.get("/").status, 404);
    drop(holder);
    eventually("the port is taken when it is free", || {
        programmed(&gateway, 0) == (good.clone(), good.clone())
    });
    assert_eq!(api(&gateway, "/api/problems")["total"], 0);
    assert_eq!(api(&gateway, "/api/config")["errors"], 0);
}

#[test]
fn endpoints_are_told_with_what_is_thought_of_them() {
    let (good, mut gone) = (Origin::answering(OK), Origin::answering(OK));
    let (alive, dead) = (good.address().to_string(), gone.address().to_string());
    let gateway = gateway(&Manifest::to_origins(&[good.address(), gone.address()]));
    gone.stop();
    for _ in 0..20 {
        assert_eq!(gateway.get("/").status, 200);
    }
    let backends = api(&gateway, "/api/backends");
    let endpoint = |address: &str| {
        let endpoints = backends["backends"][0]["endpoints"].as_array().expect("a list");
        endpoints.iter().find(|one| one["address"] == address).expect("it is there").clone()
    };
    let (up, down) = (endpoint(&alive), endpoint(&dead));
    assert_eq!(
        (&up["health"], &up["pending"], &up["failures"]),
        (&"ready".into(), &0.into(), &0.into()),
        "{up}"
    );
    assert_eq!(up["requests"], 20, "{up}");
    assert_eq!((&down["health"], &down["cause"]), (&"unreachable".into(), &"connect".into()), "{down}");
    for field in ["healthSeconds", "estimateMilliseconds", "doubt", "failuresInARow", "ejectionsInARow"] {
        assert!(down[field].is_number(), "{field} of {down}");
    }
}

#[test]
fn requests_are_explained_by_the_running_gateway_and_beside_it() {
    let origin = Origin::answering(OK);
    let manifest = Manifest::to_origins(&[origin.address()]);
    let gateway = gateway(&manifest);
    let url = format!("http://{}/x", gateway.address());
    let explained = api(&gateway, &format!("/api/explain?method=PUT&header=a:%20b&url={url}"));
    assert_eq!(explained["verdict"]["outcome"], "forwarded", "{explained}");
    assert_eq!(explained["forwarded"]["method"], "PUT", "{explained}");
    assert!(explained["rule"]["position"].is_string(), "{explained}");
    for (query, told) in [("url=nothing", "no URL"), ("urk=x", "urk"), ("", "no URL")] {
        let answer = gateway.admin(&format!("/api/explain?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(told), "{query}: {}", answer.text());
    }
    let folder = std::env::temp_dir().join(format!("irongate-explain-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder in the temporary directory");
    std::fs::write(folder.join("gateway.yaml"), manifest.yaml(gateway.address())).expect("writable");
    let output = Command::new(BINARY)
        .args(["explain", "-c"])
        .arg(&folder)
        .args(["--admin", &gateway.admin_address().to_string(), "-o", "json", &url])
        .output()
        .expect("the binary runs");
    std::fs::remove_dir_all(&folder).expect("it was made above");
    let explained: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let endpoint = &explained["backends"][0]["endpoints"][0];
    assert_eq!(endpoint["live"]["health"], "ready", "{explained}");
}

#[test]
fn secrets_are_not_shown() {
    let origin = Origin::answering(OK);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n";
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(secret));
    for path in ["config", "problems", "statuses", "listeners", "routes", "backends"] {
        let answer = api(&gateway, &format!("/api/{path}")).to_string();
        assert!(!answer.contains("hunter2") && !answer.contains("aHVudGVyMg"), "{path}: {answer}");
    }
}
