//! Paths of fields: `spec.rules[0].matches[1].path.value`.

use super::{Entry, Mark, Node, Value};
use crate::problems::sentence;
use std::fmt;

/// A place in an object while it is walked: a list of steps that lives on the stack and costs nothing until
/// something is wrong there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'p> {
    Root,
    Field(&'p At<'p>, &'p str),
    Index(&'p At<'p>, usize),
}

impl At<'_> {
    pub(crate) fn field<'p>(&'p self, name: &'p str) -> At<'p> {
        At::Field(self, name)
    }

    pub(crate) fn index(&self, index: usize) -> At<'_> {
        At::Index(self, index)
    }

    pub(crate) fn to_path(self) -> FieldPath {
        let mut steps = Vec::new();
        let mut at = self;
        loop {
            match at {
                At::Root => break,
                At::Field(outer, name) => {
                    steps.push(Step::Field(name.into()));
                    at = *outer;
                }
                At::Index(outer, index) => {
                    steps.push(Step::Index(index));
                    at = *outer;
                }
            }
        }
        steps.reverse();
        FieldPath { steps }
    }
}

/// A place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Index(usize),
}

impl FieldPath {
    pub(crate) fn push_field(&mut self, name: &str) {
        self.steps.push(Step::Field(name.into()));
    }

    /// Where the place is, or as near to it as the tree goes: a field that is missing has no line of its own.
    pub(crate) fn find(&self, root: &Node<'_>) -> Mark {
        let mut node = root;
        let mut mark = root.mark;
        for step in &self.steps {
            match (step, &node.value) {
                (Step::Field(name), Value::Mapping(entries)) => {
                    let Some(entry) = entries.iter().find(|entry: &&Entry<'_>| *entry.key == **name) else {
                        return mark;
                    };
                    mark = entry.mark;
                    node = &entry.value;
                }
                (Step::Index(index), Value::Sequence(items)) => {
                    let Some(item) = items.get(*index) else { return mark };
                    mark = item.mark;
                    node = item;
                }
                _ => return mark,
            }
        }
        mark
    }
}

fn is_plain(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                // A key that is no plain name, as those of labels often are, is set in brackets.
                Step::Field(name) if !is_plain(name) => {
                    write!(f, "[\"{}\"]", sentence(name.to_string()).escape_debug())?;
                }
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}
