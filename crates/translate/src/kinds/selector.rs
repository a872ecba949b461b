//! Label selectors.

use super::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A choice of objects by their labels: all conditions must hold, and none at all choose everything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with these values.
    pub match_labels: BTreeMap<Text, Text>,
    /// More general conditions.
    pub match_expressions: Vec<SelectorRequirement>,
}

/// One condition on a label.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SelectorRequirement {
    /// The label.
    pub key: Text,
    /// What must hold.
    pub operator: SelectorOperator,
    /// The values of `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<Text>,
}

/// What must hold of a label.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum SelectorOperator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is chosen.
    #[must_use]
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|condition| {
                let value = label(&condition.key);
                let listed = value.is_some_and(|value| condition.values.iter().any(|v| **v == *value));
                match condition.operator {
                    SelectorOperator::In => listed,
                    SelectorOperator::NotIn => !listed,
                    SelectorOperator::Exists => value.is_some(),
                    SelectorOperator::DoesNotExist => value.is_none(),
                }
            })
    }
}
