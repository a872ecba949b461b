//! Configuration texts to a Config: what comes out is valid in itself, and compiles.
#![no_main]

use irongate_fuzz::config::{check_config, check_problems};
use irongate_fuzz::yaml;
use irongate_traffic::{Filters, RouteTable};
use irongate_translate::{Source, read, translate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yaml::mutate(data, size, max_size, seed)
});

/// Something for the input to attach to and to refer to.
const BASE: &str = include_str!("../base.yaml");

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let (resources, problems) = read(&[Source::new("0.yaml", BASE), Source::new("1.yaml", &*text)]);
    let translation = translate(&resources);
    check_problems(&problems, &[BASE, &text]);
    check_problems(&translation.problems, &[BASE, &text]);
    check_config(&translation.config);
    for listener in &translation.config.listeners {
        let (_, errors) = RouteTable::compile(&listener.routes);
        assert!(errors.is_empty(), "{errors:?}");
        for rule in listener.routes.iter().flat_map(|attached| &attached.route.rules) {
            let _compiled = Filters::compile(&rule.filters);
        }
    }
});
