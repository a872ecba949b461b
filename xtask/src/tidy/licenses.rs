//! Licenses of everything that the workspace depends on.

use super::metadata::Metadata;
use super::{Finding, Rules};

/// Every package needs a license that the rules allow; where it offers several, one of them.
pub(super) fn check(metadata: &Metadata, rules: &Rules, findings: &mut Vec<Finding>) {
    for package in &metadata.packages {
        let license = package.license.as_deref().unwrap_or_default();
        if !is_allowed(license, &rules.licenses) {
            let text = format!(
                "`{}` comes under `{license}`, which is not among the allowed licenses",
                package.name
            );
            findings.push(Finding { file: "Cargo.lock".into(), line: 0, text });
        }
    }
}

/// Reads the forms of SPDX expressions that occur: `A OR B`, `A/B` (old), `(A OR B) AND C`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')', ' ']);
        part.split(" OR ")
            .flat_map(|part| part.split('/'))
            .any(|one| allowed.iter().any(|name| name == one.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_enough_and_all_of_a_sum_are_needed() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND OpenSSL"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
