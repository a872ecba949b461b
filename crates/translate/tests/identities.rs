//! Routes of Gateways that show different certificates to backends, from one configuration to the next.

use irongate_config::{BackendTarget, Config};
use irongate_translate::{Source, Translator, read};

/// The golden file with a route on two Gateways, of which one has a certificate for backends.
const CASE: &str = include_str!("golden/backend_tls_policy.golden");

/// The inputs of the case, with a route that differs.
fn sources(weight: u32) -> Vec<Source> {
    let inputs = CASE.split("\n=== ").filter_map(|section| section.strip_prefix("input "));
    let inputs = inputs.filter_map(|section| section.split_once('\n'));
    let changed = |text: &str| text.replace("port: 1}", &format!("port: 1, weight: {weight}}}"));
    inputs.map(|(name, text)| Source::new(name, changed(text))).collect()
}

/// Through which Gateway the backends of each Gateway's `HTTPRoute`s are spoken to.
fn identities(config: &Config) -> Vec<(String, Option<String>, u32)> {
    let mut found = Vec::new();
    for listener in &config.listeners {
        let rules = listener.routes.iter().flat_map(|attached| &attached.route.rules);
        for backend in rules.flat_map(|rule| &rule.backends) {
            if let BackendTarget::Backend(key) = &backend.target {
                let identity = key.identity.as_ref().map(ToString::to_string);
                found.push((listener.key.gateway.to_string(), identity, backend.weight));
            }
        }
    }
    found
}

#[test]
fn each_gateway_keeps_its_own_backends() {
    let mut translator = Translator::default();
    for weight in [1, 2, 2, 3] {
        let (resources, _) = read(&sources(weight));
        let found = identities(&translator.translate(&resources).config);
        assert!(found.iter().any(|(_, _, found)| *found == weight), "{found:?}");
        for (gateway, identity, _) in &found {
            let expected = (gateway == "default/known").then_some("default/known");
            assert_eq!(identity.as_deref(), expected, "{gateway}");
        }
        assert!(found.iter().any(|(gateway, ..)| gateway == "default/gw"));
    }
}
