//! One rule decides between policies: field by field, the first that says it counts, and they come in the order of
//! precedence: for the more specific target first, then the older, then by name.

use crate::kinds::Kind;
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{ObjectName, Severity};

/// One field of a policy whose `spec` is an `S`, and which comes to an `O`.
pub(super) struct Field<S, O> {
    /// Its path in `spec`.
    pub(super) name: &'static str,
    /// Puts what a policy says into the options; `false` if it says nothing.
    pub(super) set: fn(&S, &mut O) -> bool,
}

impl<S, O> Field<S, O> {
    /// Calls with the field's place in the object.
    pub(super) fn at(&self, call: impl FnOnce(&At<'_>)) {
        let spec = At::Root.field("spec");
        match self.name.split_once('.') {
            Some((group, name)) => call(&spec.field(group).field(name)),
            None => call(&spec.field(self.name)),
        }
    }
}

/// A kind of policy that is decided on field by field.
pub(super) trait FieldPolicy: Kind<Name = ObjectName> {
    type Spec;
    type Options: Default;
    /// All fields, in the order of the kind.
    const FIELDS: &'static [Field<Self::Spec, Self::Options>];

    fn spec(&self) -> &Self::Spec;
}

/// A field of what policies come to, and who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyField {
    /// Its path in the `spec` of the policy, such as `pool.idleTimeout`.
    pub field: &'static str,
    /// The policy that counts.
    pub policy: ObjectName,
    /// The others that say it, too, and do not count, the one that would count next first.
    pub overridden: Vec<ObjectName>,
}

/// What policies come to, given in the order of precedence.
pub(super) fn choose<P: FieldPolicy>(order: &[&Object<P>]) -> (P::Options, Vec<PolicyField>) {
    let mut options = P::Options::default();
    let mut chosen = Vec::new();
    for field in P::FIELDS {
        let mut said = order.iter().skip_while(|policy| !(field.set)(policy.body.spec(), &mut options));
        let Some(winner) = said.next() else { continue };
        let mut scratch = P::Options::default();
        let losers = said.filter(|policy| (field.set)(policy.body.spec(), &mut scratch));
        chosen.push(PolicyField {
            field: field.name,
            policy: winner.name.clone(),
            overridden: losers.map(|policy| policy.name.clone()).collect(),
        });
    }
    (options, chosen)
}

/// Tells of each field that an older policy for the same target says, too.
pub(super) fn tell_losers<P: FieldPolicy>(
    target: &str,
    list: &[&Object<P>],
    problems: &mut UnplacedProblems,
) {
    let mut scratch = P::Options::default();
    for field in P::FIELDS {
        let mut said = list.iter().filter(|policy| (field.set)(policy.body.spec(), &mut scratch));
        let Some(winner) = said.next() else { continue };
        for loser in said {
            let message =
                format!("{} {} says it for {target}, and comes before this one", P::KIND, winner.name);
            let text = (message, "The older counts, and of one age the first by name.");
            field.at(|at| problems.push(Severity::Warning, (P::KIND, loser), at, "Conflicted", text));
        }
    }
}

/// Whether every field that a policy says is said by one before it in a list for the same target.
pub(super) fn says_nothing_new<P: FieldPolicy>(place: usize, list: &[&Object<P>]) -> bool {
    let says = |policy: &Object<P>, field: &Field<P::Spec, P::Options>| {
        (field.set)(policy.body.spec(), &mut P::Options::default())
    };
    let mut own = P::FIELDS.iter().filter(|field| says(list[place], field)).peekable();
    own.peek().is_some() && own.all(|field| list[..place].iter().any(|before| says(before, field)))
}

/// For fields that are said by being there.
pub(super) fn set<T>(to: &mut T, from: Option<T>) -> bool {
    from.map(|value| *to = value).is_some()
}
