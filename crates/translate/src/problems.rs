//! Problems while they are collected.

use crate::resources::{DocumentPlace, Object, ObjectKey, Origin};
use crate::yaml::path::{At, FieldPath};
use irongate_config::{Position, Problem, Severity};
use std::collections::BTreeMap;
use std::fmt::Display;

/// A list of problems that hostile input cannot make endless.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Problems that are reported one by one; the rest are only counted. Whoever has so many fixes one and sees
    /// most of them go.
    pub(crate) const MOST: usize = 10_000;

    pub(crate) fn push(&mut self, problem: impl FnOnce() -> Problem) {
        if self.list.len() < Self::MOST {
            self.list.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Counts problems that are not told.
    pub(crate) fn count_more(&mut self, more: usize) {
        self.more += more;
    }

    pub(crate) fn finish(mut self) -> Vec<Problem> {
        if self.more > 0 {
            self.list.push(Problem {
                severity: Severity::Error,
                position: None,
                resource: String::new(),
                field: String::new(),
                reason: "TooMany",
                message: format!("there are {} problems more", self.more),
                advice: "Mend some of those above first.".into(),
            });
        }
        self.list
    }
}

/// A message that stays a sentence, however long what it quotes may be.
pub(crate) fn sentence(mut message: String) -> String {
    const MOST: usize = 1000;
    if message.len() > MOST {
        message.truncate(message.floor_char_boundary(MOST));
        message.push('…');
    }
    message
}

/// A problem whose line is not looked up yet.
#[derive(Debug)]
struct Unplaced {
    origin: Origin,
    path: FieldPath,
    problem: Problem,
}

/// What a problem is about: an object.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'o> {
    pub(crate) kind: &'static str,
    pub(crate) name: &'o dyn Display,
    pub(crate) origin: Origin,
}

/// Problems between objects: their lines are looked up together, at the end, a document at a time.
#[derive(Debug, Default)]
pub(crate) struct UnplacedProblems {
    list: Vec<Unplaced>,
    more: usize,
    unusable: Vec<ObjectKey>,
}

impl UnplacedProblems {
    /// None yet. `unusable`: objects of which was told already why they cannot be used.
    pub(crate) fn new(unusable: &[ObjectKey]) -> Self {
        Self { unusable: unusable.to_vec(), ..Self::default() }
    }

    /// Objects of which was told already why they cannot be used.
    pub(crate) fn unusable(&self) -> &[ObjectKey] {
        &self.unusable
    }

    /// Adds a problem of a field of an object.
    pub(crate) fn push<T, N: Display>(
        &mut self,
        severity: Severity,
        (kind, object): (&'static str, &Object<T, N>),
        at: &At<'_>,
        reason: &'static str,
        text: (impl Into<String>, impl Into<String>),
    ) {
        self.push_about(
            severity,
            Subject { kind, name: &object.name, origin: object.origin },
            at,
            reason,
            text,
        );
    }

    /// As [`UnplacedProblems::push`].
    pub(crate) fn push_about(
        &mut self,
        severity: Severity,
        subject: Subject<'_>,
        at: &At<'_>,
        reason: &'static str,
        (message, advice): (impl Into<String>, impl Into<String>),
    ) {
        self.push_path(severity, subject, at.to_path(), reason, (message, advice));
    }

    /// As [`UnplacedProblems::push`].
    pub(crate) fn push_path(
        &mut self,
        severity: Severity,
        subject: Subject<'_>,
        path: FieldPath,
        reason: &'static str,
        (message, advice): (impl Into<String>, impl Into<String>),
    ) {
        if self.list.len() >= Problems::MOST {
            self.more += 1;
            return;
        }
        let problem = Problem {
            severity,
            position: None,
            resource: format!("{} {}", subject.kind, subject.name),
            field: path.to_string(),
            reason,
            message: sentence(message.into()),
            advice: sentence(advice.into()),
        };
        self.list.push(Unplaced { origin: subject.origin, path, problem });
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len() + self.more
    }

    /// The problems with their places, in the order of the documents.
    pub(crate) fn place(self, documents: &[DocumentPlace]) -> Vec<Problem> {
        let mut by_document: BTreeMap<u32, Vec<Unplaced>> = BTreeMap::new();
        for unplaced in self.list {
            by_document.entry(unplaced.origin.document).or_default().push(unplaced);
        }
        let mut problems = Problems { list: Vec::new(), more: self.more };
        for (document, mut list) in by_document {
            let places: Vec<Option<Position>> = match documents.get(document as usize) {
                Some(place) => {
                    place.find(list.iter().map(|one| (one.origin, &one.path))).into_iter().map(Some).collect()
                }
                None => vec![None; list.len()],
            };
            for (unplaced, position) in list.iter_mut().zip(places) {
                unplaced.problem.position = position;
            }
            // Of one line, in the order in which they were found.
            list.sort_by(|a, b| a.problem.position.cmp(&b.problem.position));
            for unplaced in list {
                problems.push(|| unplaced.problem);
            }
        }
        problems.finish()
    }
}
