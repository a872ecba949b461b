//! What was probably meant by the name of an object that is not there.

use crate::nearest::nearest;
use crate::problems::UnplacedProblems;
use std::borrow::Cow;

/// Whoever has more problems than this reads no advice, and comparing names costs more than anything else here.
const MOST_PROBLEMS: usize = 200;

/// More names than these are not compared.
const MOST_NAMES: usize = 1000;

/// A sentence about what can be done where nothing has that namespace and name: names one of that name in another namespace,
/// or one of nearly that name in the same. `known`: namespace and name of each that is there.
pub(super) fn advice<'n>(
    (namespace, name): (&str, &str),
    known: impl ExactSizeIterator<Item = (&'n str, &'n str)>,
    problems: &UnplacedProblems,
) -> Cow<'static, str> {
    let plain = "Mend the reference, or add what it names.".into();
    if known.len() > MOST_NAMES || problems.count() > MOST_PROBLEMS {
        return plain;
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
            let found = advice((namespace, name), known.into_iter(), &UnplacedProblems::default());
            assert_eq!(found, expected, "{namespace}/{name}");
        }
    }
}
