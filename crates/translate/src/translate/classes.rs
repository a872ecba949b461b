//! Which `GatewayClass`es are ours, and what they say for all their Gateways.

use super::index::Index;
use super::parameters;
use crate::kinds::{CONTROLLER_NAME, DEFAULT_CLASS, GatewayClass, GatewayParameters, Kind};
use crate::problems::UnplacedProblems;
use crate::resources::Resources;
use crate::status::{Condition, GatewayClassStatus, Statuses};
use crate::yaml::path::At;
use irongate_config::Severity;
use std::collections::HashMap;

/// What a Gateway learns of its class.
#[derive(Clone, Copy)]
pub(super) enum Class<'r> {
    /// It is ours, with these parameters, if it names any.
    Ours(Option<&'r GatewayParameters>),
    /// It is ours, and its parameters are not to be found: nobody knows what its Gateways should be like.
    Invalid,
    /// It belongs to another controller.
    Foreign,
}

/// The classes by name.
pub(super) struct Classes<'r> {
    by_name: HashMap<&'r str, Class<'r>>,
}

impl<'r> Classes<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        index: &Index<'r>,
        statuses: &mut Statuses,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut by_name = HashMap::new();
        for object in &resources.gateway_classes {
            let spec = &object.body.spec;
            if &*spec.controller_name != CONTROLLER_NAME {
                by_name.insert(&*object.name, Class::Foreign);
                continue;
            }
            let found = spec
                .parameters_ref
                .as_ref()
                .map(|reference| parameters::find(reference, reference.namespace.as_deref(), index))
                .transpose();
            let (class, condition) = match found {
                Ok(parameters) => (Class::Ours(parameters), Condition::accepted(object.generation)),
                Err(message) => {
                    let at = At::Root.field("spec");
                    let at = at.field("parametersRef");
                    let text = (message.clone(), "Its Gateways are not served before it is mended.");
                    problems.push(
                        Severity::Error,
                        (GatewayClass::KIND, object),
                        &at,
                        "InvalidParameters",
                        text,
                    );
                    let message = format!("spec.parametersRef {message}");
                    (Class::Invalid, Condition::not_accepted("InvalidParameters", message, object.generation))
                }
            };
            by_name.insert(&*object.name, class);
            let status = GatewayClassStatus { conditions: vec![condition] };
            statuses.gateway_classes.insert(object.name.clone(), status);
        }
        by_name.entry(DEFAULT_CLASS).or_insert(Class::Ours(None));
        Self { by_name }
    }

    /// The class of that name; `None` where no file declares it.
    pub(super) fn find(&self, name: &str) -> Option<Class<'r>> {
        self.by_name.get(name).copied()
    }
}
