//! The nearest known name to a mistyped one.

/// The candidate that a name was probably meant to be: at most about a third of its letters differ, or it is
/// a good part of the candidate (`Prefix` of `PathPrefix`).
pub(crate) fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    // A long name is no typing mistake, and comparing costs the product of the lengths.
    if name.len() > 64 {
        return None;
    }
    let bound = (name.len() + 1) / 3;
    let lower = name.to_ascii_lowercase();
    candidates
        .iter()
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
        .or_else(|| {
            let holds =
                |candidate: &&&str| name.len() >= 4 && candidate.to_ascii_lowercase().contains(&lower);
            candidates.iter().find(holds).copied()
        })
}

/// A sentence that names the nearest candidate; empty if none is near.
pub(crate) fn advice(name: &str, candidates: &[&str]) -> String {
    nearest(name, candidates).map(|known| format!("Did you mean `{known}`?")).unwrap_or_default()
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_names_find_their_neighbour() {
        let kinds = ["HTTPRoute", "Gateway", "GatewayClass", "Service"];
        for (name, known) in [
            ("HttpRoute", Some("HTTPRoute")),
            ("HTTPRoutes", Some("HTTPRoute")),
            ("Gatewy", Some("Gateway")),
            ("Servcie", Some("Service")),
            ("Deployment", None),
            ("Route", Some("HTTPRoute")),
            ("Ga", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &kinds), known, "{name}");
        }
    }
}
