//! What an answer of Consul says. Pure.

use irongate_config::Endpoint;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) endpoints: Vec<Endpoint>,
    /// What was left out, as a sentence.
    pub(super) remark: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Option<Node>,
    service: Service,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    address: Option<String>,
    port: Option<u16>,
    weights: Option<Weights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: Option<u32>,
    warning: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    status: Option<String>,
}

/// What the checks of an instance, and of its node, come to: the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Passing,
    Warning,
    Critical,
}

impl Instance {
    fn status(&self) -> Status {
        let status = |check: &Check| match check.status.as_deref() {
            Some("passing") => Status::Passing,
            Some("warning") => Status::Warning,
            // `critical`, `maintenance`, and what nobody knows.
            _ => Status::Critical,
        };
        self.checks.iter().flatten().map(status).max().unwrap_or(Status::Passing)
    }

    /// The service's own address, else its node's.
    fn address(&self) -> Result<SocketAddr, String> {
        let own = self.service.address.as_deref().filter(|address| !address.is_empty());
        let address = own.or_else(|| self.node.as_ref()?.address.as_deref()).unwrap_or_default();
        let ip: IpAddr =
            address.parse().map_err(|_| format!("`{}` is no IP address", address.escape_debug()))?;
        match self.service.port {
            Some(port @ 1..) if !ip.is_unspecified() => Ok(SocketAddr::new(ip, port)),
            Some(1..) => Err(format!("`{ip}` is no instance's address")),
            _ => Err(format!("{ip} has no port")),
        }
    }
}

/// Reads an answer to `/v1/health/service/NAME`. `includes_warning`: instances with a check that warns count, with the weight that
/// they have then.
///
/// # Errors
/// It is no such answer.
pub(super) fn read(body: &[u8], includes_warning: bool) -> Result<Answer, String> {
    let instances: Vec<Instance> =
        serde_json::from_slice(body).map_err(|error| format!("Consul's answer cannot be read: {error}"))?;
    let mut answer = Answer::default();
    let mut left_out = 0;
    for instance in &instances {
        let weights = instance.service.weights.as_ref();
        let weight = match instance.status() {
            Status::Passing => weights.and_then(|weights| weights.passing).unwrap_or(1).max(1),
            Status::Warning if includes_warning => weights.and_then(|weights| weights.warning).unwrap_or(1),
            Status::Warning | Status::Critical => 0,
        };
        if weight == 0 {
            continue;
        }
        match instance.address() {
            Ok(address) => answer.endpoints.push(Endpoint::new(address, weight)),
            Err(fault) => {
                left_out += 1;
                answer.remark = Some(format!("instances left out: {left_out}; the last one since {fault}"));
            }
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, includes_warning: bool) -> Result<String, String> {
        let answer = read(body.as_bytes(), includes_warning)?;
        let endpoints = answer.endpoints.iter().map(|one| format!("{} {}", one.address, one.weight));
        Ok(endpoints.chain(answer.remark).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn instances_have_their_own_address_or_their_nodes() {
        let body = r#"[
            {"Node": {"Node": "n1", "Address": "10.0.0.1"}, "Service": {"ID": "a", "Address": "", "Port": 80}, "Checks": []},
            {"Node": {"Address": "10.0.0.1"}, "Service": {"Address": "10.0.0.2", "Port": 80, "Weights": {"Passing": 5, "Warning": 1}}},
            {"Node": {"Address": "10.0.0.3"}, "Service": {"Address": "2001:db8::1", "Port": 8080, "Weights": null, "Tags": null}, "Checks": null}
        ]"#;
        let expected = "10.0.0.1:80 1, 10.0.0.2:80 5, [2001:db8::1]:8080 1";
        assert_eq!(check(body, false).as_deref(), Ok(expected));
        assert_eq!(check("[]", false).as_deref(), Ok(""));
    }

    #[test]
    fn the_worst_check_counts() {
        let body = r#"[
            {"Service": {"Address": "10.0.0.1", "Port": 80}, "Checks": [{"Status": "passing"}, {"Status": "warning"}]},
            {"Service": {"Address": "10.0.0.2", "Port": 80, "Weights": {"Passing": 9, "Warning": 2}}, "Checks": [{"Status": "warning"}]},
            {"Service": {"Address": "10.0.0.3", "Port": 80, "Weights": {"Warning": 0}}, "Checks": [{"Status": "warning"}]},
            {"Service": {"Address": "10.0.0.4", "Port": 80}, "Checks": [{"Status": "warning"}, {"Status": "critical"}]},
            {"Service": {"Address": "10.0.0.5", "Port": 80}, "Checks": [{"Status": "passing"}]},
            {"Service": {"Address": "10.0.0.6", "Port": 80}, "Checks": [{"Status": "odd"}]}
        ]"#;
        assert_eq!(check(body, true).as_deref(), Ok("10.0.0.1:80 1, 10.0.0.2:80 2, 10.0.0.5:80 1"));
        assert_eq!(check(body, false).as_deref(), Ok("10.0.0.5:80 1"));
    }

    #[test]
    fn what_cannot_be_reached_is_left_out_and_told() {
        let body = r#"[
            {"Service": {"Address": "db.internal", "Port": 80}},
            {"Service": {"Address": "10.0.0.1", "Port": 0}},
            {"Service": {"Address": "10.0.0.2", "Port": 80}},
            {"Service": {"Address": "0.0.0.0", "Port": 80}}
        ]"#;
        let expected =
            "10.0.0.2:80 1, instances left out: 3; the last one since `0.0.0.0` is no instance's address";
        assert_eq!(check(body, false).as_deref(), Ok(expected));
        for body in
            ["", "{}", "null", "[{}]", "[{\"Service\": {\"Port\": 70000}}]", "[1]", "No cluster leader"]
        {
            assert!(check(body, false).is_err(), "{body}");
        }
    }
}
