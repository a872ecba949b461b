//! Configuration texts to objects: whatever is read ends soon, in bounds, with a place for every problem.
#![no_main]

use irongate_config::{Problem, Severity};
use irongate_fuzz::{config::check_problems, yaml};
use irongate_translate::{Reader, Resources, Source, read};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use std::collections::BTreeSet;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yaml::mutate(data, size, max_size, seed)
});

const GOOD: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: beside-the-fuzzed-one}\nspec: {ports: [{port: 80}]}\n";

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let source = Source::new("0.yaml", &*text);
    let (resources, problems) = read(std::slice::from_ref(&source));
    check_problems(&problems, &[&text]);
    let fresh = names(&resources);
    // What is there once is a duplicate the second time, and the first still counts.
    let (again, more) = read(&[source.clone(), Source::new("1.yaml", &*text)]);
    check_problems(&more, &[&text, &text]);
    assert_eq!(fresh, names(&again));
    assert!(more.len() >= problems.len());
    // A document that is not closed takes in nothing of the next file, and a good file takes no harm.
    let (beside, _) = read(&[source.clone(), Source::new("1.yaml", GOOD)]);
    assert!(beside.services.iter().any(|service| service.name.name() == "beside-the-fuzzed-one"));
    check_again(&text, &source, &fresh, &problems);
});

/// A text that changes and changes back is read as it was; what is broken may keep what was good for a while.
fn check_again(text: &str, source: &Source, fresh: &BTreeSet<String>, problems: &[Problem]) {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if !lines.is_empty() {
        lines.remove(lines.len() / 2);
    }
    let other = lines.concat();
    let mut reader = Reader::default();
    let _first = reader.read(std::slice::from_ref(source));
    let (_, between) = reader.read(&[Source::new("0.yaml", &*other)]);
    check_problems(&between, &[&other]);
    let (last, found) = reader.read(std::slice::from_ref(source));
    check_problems(&found, &[text]);
    let last = names(&last);
    if problems.iter().all(|problem| problem.severity == Severity::Warning) {
        assert_eq!((fresh, problems), (&last, &*found));
    } else {
        assert!(fresh.is_subset(&last), "{fresh:?} {last:?}");
    }
}

/// The names of what was read.
fn names(resources: &Resources) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    macro_rules! collect {
        ($($list:ident),*) => {
            $(names.extend(resources.$list.iter().map(|object| format!("{} {}", stringify!($list), object.name)));)*
        };
    }
    collect!(
        gateway_classes,
        gateways,
        listener_sets,
        http_routes,
        grpc_routes,
        tls_routes,
        tcp_routes,
        udp_routes,
        reference_grants,
        services,
        endpoint_slices,
        namespaces,
        secrets,
        config_maps,
        backends,
        backend_policies,
        gateway_parameters
    );
    names
}
