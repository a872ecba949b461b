//! What was probably meant by the name of an object that is not there.

use crate::nearest::nearest;
use crate::problems::UnplacedProblems;
use std::borrow::Cow;

/// Whoever has more problems than this reads no advice, and comparing names costs more than anything else here.
const MOST_PROBLEMS: usize = 200;

/// More names than these are not compared.
const MOST_NAMES: usize = 1000;

/// A sentence about what can be done where nothing of a kind has that namespace and name: that it is written, and broken;
/// or it names one of that name in another namespace, or one of nearly that name in the same. `known`: namespace and
/// name of each that is there.
pub(super) fn advice<'n>(
    kind: &str,
    (namespace, name): (&str, &str),
    known: impl ExactSizeIterator<Item = (&'n str, &'n str)>,
    problems: &UnplacedProblems,
) -> Cow<'static, str> {
    let plain = "Mend the reference, or add what it names.".into();
    if known.len() > MOST_NAMES || problems.count() > MOST_PROBLEMS {
        return plain;
    }
    // So many are looked through: whoever has more broken ones mends those first.
    let mut unusable = problems.unusable().iter().take(MOST_NAMES);
    if unusable.any(|key| key.kind == kind && key.name.split_once('/') == Some((namespace, name))) {
        return "It is written, and cannot be used: mend what is said of it first.".into();
    }
    let (mut beside, mut elsewhere) = (Vec::new(), None);
    for (other_namespace, other) in known {
        if other_namespace == namespace {
            beside.push(other);
        } else if other == name {
            elsewhere = elsewhere.max(Some(std::cmp::Reverse(other_namespace)));
        }
    }
    if let Some(std::cmp::Reverse(namespace)) = elsewhere {
        return format!("There is one in the namespace `{namespace}`: add namespace: {namespace}.").into();
    }
    // Of two that are equally near the first one counts, whatever order a table gave them.
    beside.sort_unstable();
    nearest(name, &beside).map_or(plain, |known| format!("Did you mean `{known}`?").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::ObjectKey;

    #[test]
    fn the_namespace_or_a_near_name_is_told() {
        let known = [("a", "shop"), ("b", "shop"), ("c", "web"), ("c", "wex"), ("c", "card")];
        for (namespace, name, expected) in [
            ("c", "shop", "There is one in the namespace `a`: add namespace: a."),
            ("c", "wep", "Did you mean `web`?"),
            ("c", "carts", "Did you mean `card`?"),
            ("c", "nothing-like-it", "Mend the reference, or add what it names."),
            ("d", "wep", "Mend the reference, or add what it names."),
        ] {
            let problems =
                UnplacedProblems::new(&[ObjectKey { group: "a", kind: "Broken", name: "c/carts".into() }]);
            let found = advice("Backend", (namespace, name), known.into_iter(), &problems);
            assert_eq!(found, expected, "{namespace}/{name}");
            let of_broken = advice("Broken", (namespace, name), known.into_iter(), &problems);
            assert_eq!(of_broken.starts_with("It is written"), name == "carts", "{namespace}/{name}");
        }
    }
}
