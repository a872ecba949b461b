//! What the admin API is told of resources, statuses and explanations, of which it knows nothing by itself.

use crate::explain::{self, Places, Question as Asked, Request};
use crate::view;
use irongate_admin::{Knowledge, Question};
use irongate_config::{BackendKey, Config, Problem};
use irongate_proxy::Unopened;
use irongate_translate::{PolicyField, Resources, RulePlace, Statuses};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was read and what became of it, apart from the configuration itself.
pub(crate) struct Known {
    pub(crate) resources: Resources,
    pub(crate) statuses: Statuses,
    pub(crate) policies: BTreeMap<BackendKey, Vec<PolicyField>>,
    pub(crate) traffic_policies: BTreeMap<RulePlace, Arc<Vec<PolicyField>>>,
}

impl Knowledge for Known {
    fn problem(&self, problem: &Problem) -> Value {
        view::problem(problem)
    }

    fn unopened(&self, unopened: &Unopened) -> Value {
        view::problem(&placed(unopened, &self.resources))
    }

    fn statuses(&self, unopened: &[Unopened]) -> Value {
        let mut statuses = view::statuses(&self.statuses, &self.resources);
        for one in unopened {
            view::not_programmed(&mut statuses, &one.listener, &one.problem);
        }
        statuses
    }

    fn explain(&self, question: &Question, config: &Config) -> Result<Value, String> {
        let Question { method, url, headers } = question.clone();
        let request = Request::new(&Asked { method, url, headers }).map_err(|error| format!("{error:#}"))?;
        let places = Places::of(&self.resources, &self.policies, &self.traffic_policies);
        let explanation = explain::explain(request, config, &places);
        serde_json::to_value(explanation).map_err(|error| error.to_string())
    }
}

/// The problem with an address that cannot be opened, with the place where its port was written.
pub(crate) fn placed(unopened: &Unopened, resources: &Resources) -> Problem {
    let mut problem = unopened.problem.clone();
    if let Some((field, position)) = resources.listener_port(&unopened.listener) {
        problem.field = field;
        problem.position = Some(position);
    }
    problem
}
