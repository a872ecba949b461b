//! Configuration texts to objects: whatever is read ends soon, in bounds, with a place for every problem.
#![no_main]

use irongate_fuzz::{config::check_problems, yaml};
use irongate_translate::{Resources, Source, read};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yaml::mutate(data, size, max_size, seed)
});

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let source = Source::new("0.yaml", &*text);
    let (resources, problems) = read(std::slice::from_ref(&source));
    check_problems(&problems, &[&text]);
    // What is there once is a duplicate the second time, and the first still counts.
    let (again, more) = read(&[source, Source::new("1.yaml", &*text)]);
    check_problems(&more, &[&text, &text]);
    assert_eq!(names(&resources), names(&again));
    assert!(more.len() >= problems.len());
    // A document that is not closed takes in nothing of the next file, and a good file takes no harm.
    let (beside, _) = read(&[Source::new("0.yaml", &*text), Source::new("1.yaml", GOOD)]);
    assert!(beside.services.iter().any(|service| service.name.name() == "beside-the-fuzzed-one"));
});

const GOOD: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: beside-the-fuzzed-one}\nspec: {ports: [{port: 80}]}\n";

/// The names of what was read.
fn names(resources: &Resources) -> Vec<String> {
    let mut names = Vec::new();
    macro_rules! collect {
        ($($list:ident),*) => {
            $(names.extend(resources.$list.iter().map(|object| format!("{} {}", stringify!($list), object.name)));)*
        };
    }
    collect!(
        gateway_classes,
        gateways,
        http_routes,
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
