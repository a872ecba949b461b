//! Changes of the configuration's files, as editors, scripts and Kubernetes make them: nobody sends a signal.

use crate::{GET, OK, gateway};
use irongate_testkit::{Client, Gate, Gateway, Manifest, Origin, PortReservation, eventually};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A configuration whose answers name it, in a header that a filter sets.
fn version(name: &str, origin: &Origin) -> Manifest {
    let rule = format!(
        "- filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-version, value: {name}}}]}}}}]\n  \
         backendRefs: [{{name: origin, port: 80}}]"
    );
    Manifest::new().route(&rule).service("origin", &[origin.address()])
}

/// The text of a configuration for a gateway that runs.
fn text(gateway: &Gateway, manifest: &Manifest) -> String {
    manifest.yaml(gateway.address())
}

/// Which configuration answers.
#[track_caller]
fn served(gateway: &Gateway) -> String {
    let answer = gateway.get("/");
    assert_eq!(answer.status, 200, "{}", gateway.printed());
    answer.field("x-version").unwrap_or_default().to_owned()
}

#[track_caller]
fn expect(gateway: &Gateway, version: &str) {
    eventually(&format!("{version} is served"), || served(gateway) == version);
}

fn file(gateway: &Gateway) -> std::path::PathBuf {
    gateway.folder().join("gateway.yaml")
}

/// Puts a link in the place of whatever has the name, at once.
fn turn(link: &Path, target: &str) {
    let fresh = link.with_file_name(".fresh-link");
    symlink(target, &fresh).expect("a link in the temporary folder");
    fs::rename(fresh, link).expect("a rename within a folder");
}

#[test]
fn a_file_that_is_renamed_over_another() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    for name in ["b", "c", "d"] {
        gateway.configure(&version(name, &origin));
        expect(&gateway, name);
    }
}

#[test]
fn a_file_that_is_written_in_place_is_read_when_it_is_whole() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    let text = text(&gateway, &version("b", &origin));
    let (begin, end) = text.split_at(text.find("kind: HTTPRoute").expect("there is a route"));
    let mut file = fs::File::create(file(&gateway)).expect("writable");
    file.write_all(begin.as_bytes()).expect("writable");
    file.sync_all().expect("writable");
    for _ in 0..20 {
        assert_eq!(served(&gateway), "a", "what is half-written does not count");
    }
    file.write_all(end.as_bytes()).expect("writable");
    drop(file);
    expect(&gateway, "b");
    assert!(!gateway.printed().contains("error:"), "{}", gateway.printed());
}

#[test]
fn a_file_that_stays_half_written_keeps_what_was_good() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    let text = text(&gateway, &version("b", &origin));
    let half = text.find("  rules:").expect("there are rules");
    fs::write(file(&gateway), &text[..half + 3]).expect("writable");
    eventually("the problem is told", || gateway.printed().contains("LastGoodForm"));
    assert_eq!(served(&gateway), "a");
    let failed = gateway.metric("irongate_config_last_reload_successful", &[]);
    assert!(failed < 0.5, "the metrics tell it, too");
    fs::write(file(&gateway), &text).expect("writable");
    expect(&gateway, "b");
    eventually("the metrics tell that it is mended", || {
        gateway.metric("irongate_config_last_reload_successful", &[]) > 0.5
    });
}

#[test]
fn links_that_are_turned_as_a_mounted_config_map_does() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    let folder = gateway.folder();
    let fill = |data: &str, name: &str| {
        fs::create_dir(folder.join(data)).expect("a new folder");
        fs::write(folder.join(data).join("gateway.yaml"), text(&gateway, &version(name, &origin)))
            .expect("writable");
    };
    fill("..1", "b");
    symlink("..1", folder.join("..data")).expect("a link");
    turn(&file(&gateway), "..data/gateway.yaml");
    expect(&gateway, "b");
    for (data, name, old) in [("..2", "c", "..1"), ("..3", "d", "..2"), ("..4", "e", "..3")] {
        fill(data, name);
        turn(&folder.join("..data"), data);
        fs::remove_dir_all(folder.join(old)).expect("nobody needs it any more");
        expect(&gateway, name);
    }
}

#[test]
fn files_that_come_and_go() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    let more = gateway.folder().join("more.yml");
    let rule = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: more}\nspec:\n  \
                parentRefs: [{name: gw}]\n  rules:\n  - matches: [{path: {value: /more}}]\n    \
                filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere}}]\n";
    for _ in 0..3 {
        assert_eq!(gateway.get("/more").status, 200);
        fs::write(&more, rule).expect("writable");
        eventually("the new file counts", || gateway.get("/more").status == 302);
        fs::remove_file(&more).expect("there");
        eventually("the old route counts again", || gateway.get("/more").status == 200);
    }
}

#[test]
fn a_folder_that_goes_and_comes_back() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    for name in ["b", "c"] {
        fs::remove_dir_all(gateway.folder()).expect("there");
        eventually("its listener closes", || Client::try_connect(gateway.address()).is_err());
        eventually("it is told", || gateway.printed().contains("is not there"));
        fs::create_dir(gateway.folder()).expect("gone before");
        gateway.configure(&version(name, &origin));
        eventually("its listener opens", || Client::try_connect(gateway.address()).is_ok());
        expect(&gateway, name);
    }
}

#[test]
fn an_object_that_breaks_keeps_its_last_good_form_and_others_change() {
    let origin = Origin::answering(OK);
    let gateway = gateway(&version("a", &origin));
    let broken = version("b", &origin).route(
        "- {matches: [{path: {value: /other}}], filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}",
    );
    let broken = text(&gateway, &broken).replace("port: 80}]", "port: eighty}]");
    fs::write(file(&gateway), broken).expect("writable");
    eventually("the other route counts", || gateway.get("/other").status == 301);
    assert_eq!(served(&gateway), "a");
    eventually("the problem is told", || gateway.printed().contains("LastGoodForm"));
    gateway.configure(&version("c", &origin));
    expect(&gateway, "c");
}

#[test]
fn listeners_open_and_close_without_touching_others() {
    let origin = Origin::echoing();
    let plain = version("a", &origin);
    let gateway = gateway(&plain);
    let other = PortReservation::new();
    let listener = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: other}}\nspec:\n  \
         gatewayClassName: irongate\n  addresses: [{{value: {}}}]\n  listeners: [{{name: http, port: {}, protocol: HTTP}}]\n",
        other.address().ip(),
        other.address().port()
    );
    let stop = Gate::new();
    let (address, stopped) = (gateway.address(), stop.clone());
    let traffic = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        let mut served = 0;
        while !stopped.is_open() {
            client.send(GET);
            let answer = client.response();
            assert_eq!(answer.status, 200);
            assert_ne!(answer.field("connection"), Some("close"));
            served += 1;
        }
        served
    });
    for _ in 0..3 {
        gateway.configure(&plain.clone().document(&listener));
        eventually("the listener opens", || Client::try_connect(other.address()).is_ok());
        gateway.configure(&plain);
        eventually("the listener closes", || Client::try_connect(other.address()).is_err());
    }
    stop.open();
    let served = traffic.join().expect("every answer is good, on one connection");
    assert_eq!(served, origin.requests().len());
}

#[test]
fn a_request_ends_on_the_configuration_that_it_began_with() {
    let (gate, held) = (Gate::new(), Gate::new());
    let (open, arrived) = (gate.clone(), held.clone());
    let slow = Origin::start(move |connection| {
        connection.request()?;
        // Only the first is held.
        if !arrived.is_open() {
            arrived.open();
            open.wait();
        }
        connection.send(OK)
    });
    let fast = Origin::answering(OK);
    let gateway = gateway(&version("a", &slow));
    let mut early = gateway.connect();
    early.send(GET);
    held.wait();
    gateway.configure(&version("b", &fast));
    expect(&gateway, "b");
    gate.open();
    let answer = early.response();
    assert_eq!((answer.status, answer.field("x-version")), (200, Some("a")));
}
