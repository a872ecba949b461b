//! The requests of Gateway API's conformance tests, through the whole binary.
//!
//! Each test of the suite has a golden file in `crates/translate/tests/golden/conformance/`, named after it: the
//! manifests, and what is translated of them. Here the same manifests run: [`Conformance::start`] takes them out of
//! the file, gives every Gateway an address of 127.0.0.0/8 of its own and every port of a listener a free one, puts an
//! origin that echoes behind every endpoint, and starts the binary with the result. The requests of a test are data:
//!
//! ```text
//! Conformance::start("HTTPRouteExactPathMatching").at("same-namespace", 80).check([
//!     get("/one").to("infra-backend-v1"),
//!     get("/one/example").status(404),
//!     get("/").host("a.example").field("X-A", "1").to("infra-backend-v2").sees("X-B", "2"),
//! ]);
//! ```
//!
//! Gateways, ports, hosts, paths and Services are named as the manifests name them; [`cases`] has everything that a case
//! can say. To add a test: write the golden's input (`=== base namespaces.yaml backends.yaml same-namespace.yaml` for
//! what is shared, then `=== input NAME.yaml`), let `UPDATE_GOLDEN=1 cargo test -p irongate-translate conformance`
//! add what it comes to, compare that with what the suite wants, name it in `suite.txt`, and add a function to the module of its
//! kind here.

#[path = "../../../translate/tests/golden/case.rs"]
#[expect(dead_code, reason = "the golden tests use the rest of it")]
mod case;
mod cases;
mod echo;
mod gateways;
mod http_routes;
mod listener_sets;
mod manifests;
mod secure;
mod stream_routes;

use cases::Case;
use irongate_testkit::{Client, Gateway, Request, eventually};
use manifests::Manifests;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_irongate");

/// A conformance test's manifests, running.
struct Conformance {
    manifests: Manifests,
    gateway: Gateway,
}

impl Conformance {
    /// Runs the manifests of the golden file of that name.
    #[track_caller]
    fn start(test: &str) -> Self {
        let mut manifests = Manifests::default();
        let gateway = Gateway::start_text(BINARY, &["--threads", "1"], |_| {
            manifests = Manifests::default();
            manifests.rewrite(&sources(test))
        });
        Self { manifests, gateway }
    }

    /// Replaces the manifests by those of another golden file and reloads; addresses, ports and origins stay. What
    /// changes shows when the gateway gets to it: [`Listening::eventually`] waits for that.
    #[track_caller]
    fn change(&mut self, test: &str) {
        self.gateway.configure_text(&self.manifests.rewrite(&sources(test)));
        self.gateway.reload();
    }

    /// Requests to a Gateway, by its name, at the port of one of its listeners or its sets' listeners.
    #[track_caller]
    fn at(&self, gateway: &str, port: u16) -> Listening<'_> {
        Listening { manifests: &self.manifests, address: self.manifests.address(gateway, port) }
    }

    /// What the admin API says of the statuses.
    fn statuses(&self) -> Value {
        serde_json::from_str(&self.gateway.admin("/api/statuses").text()).expect("JSON")
    }

    /// Every request that the instances of a Service got so far.
    fn requests_of(&self, service: &str) -> Vec<Request> {
        self.manifests
            .origins
            .iter()
            .filter(|one| one.is_of(service))
            .flat_map(|one| one.requests())
            .collect()
    }
}

/// Where requests are sent.
struct Listening<'c> {
    manifests: &'c Manifests,
    address: SocketAddr,
}

impl Listening<'_> {
    /// Sends each request on a connection of its own, one after the other, and compares what comes of it.
    #[track_caller]
    fn check(&self, cases: impl IntoIterator<Item = Case>) {
        let failures: Vec<String> =
            cases.into_iter().filter_map(|case| case.failure(self.address, self.manifests)).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Asks over HTTP/2 with prior knowledge; gives the body of the answer.
    #[track_caller]
    fn http2(&self, target: &str) -> String {
        echo::get_http2(self.address, target)
    }

    /// Whether anybody accepts connections.
    fn is_open(&self) -> bool {
        Client::try_connect(self.address).is_ok()
    }

    /// Sends a request until what comes of it is as expected.
    #[track_caller]
    fn eventually(&self, case: &Case) {
        eventually("a change is followed", || case.failure(self.address, self.manifests).is_none());
    }
}

/// Where the golden files are.
fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../translate/tests/golden/conformance")
}

fn sources(test: &str) -> Vec<(String, String)> {
    let folder = goldens();
    let path = folder.join(format!("{test}.golden"));
    let text = std::fs::read_to_string(&path);
    case::parse(&text.unwrap_or_else(|error| unreachable!("{}: {error}", path.display())), &folder).sources
}

/// Each test of the suite on Gateways, their classes, HTTPRoutes and ListenerSets is named where it runs.
#[test]
fn each_test_of_the_suite_runs() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")];
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push_str(&std::fs::read_to_string(path).expect("a text"));
            }
        }
    }
    let suite = std::fs::read_to_string(goldens().join("suite.txt")).expect("the list is there");
    let is_here =
        |name: &&str| ["Gateway", "HTTPRoute", "ListenerSet"].iter().any(|kind| name.starts_with(kind));
    let missing: Vec<&str> =
        suite.lines().filter(is_here).filter(|name| !sources.contains(&format!("\"{name}\""))).collect();
    assert_eq!(missing, [""; 0], "run them through the binary");
}
