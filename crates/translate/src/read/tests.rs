//! What is in use after files have changed: tables of files before and after.
//!
//! A file is a list of documents: `a1` is an object `a` that says 1, `a!` one that cannot be decoded, `%` broken
//! YAML, `-` an object without a name. `?` alone is a file that cannot be read.

use super::*;
use crate::kinds::{Namespace, Text};
use crate::resources::{Declared, Object};

fn text(documents: &str) -> String {
    let document = |short: &str| match short {
        "%" => "kind: [\n".to_owned(),
        "-" => "apiVersion: v1\nkind: Namespace\nmetadata: {na".to_owned(),
        _ => {
            let (name, value) = short.split_at(1);
            let value = if value == "!" { "[]" } else { value };
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{v: \"{value}\"}}\n"
            )
            .replace("\"[]\"", "[]")
        }
    };
    documents.split_whitespace().map(document).collect::<Vec<_>>().join("---\n")
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let source = |(name, documents): &(&str, &str)| match *documents {
        "?" => Source::unreadable(*name, "permission denied"),
        documents => Source::new(*name, text(documents)),
    };
    files.iter().map(source).collect()
}

type Spaces = Vec<Object<Namespace, Text>>;

fn show(objects: &Spaces) -> String {
    let one = |object: &Object<Namespace, Text>| format!("{}{}", object.name, object.labels["v"]);
    objects.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// One state of the files, what is in use then, and the reasons of problems.
type Step<'s> = (&'s [(&'s str, &'s str)], &'s str, &'s [&'s str]);

/// Reads one state of the files after the other.
#[track_caller]
fn check(steps: &[Step<'_>]) {
    let mut reader = Reader::default();
    for (number, (files, expected, reasons)) in steps.iter().enumerate() {
        let (resources, problems) = reader.read(&sources(files));
        assert_eq!(show(&resources.namespaces), *expected, "step {number}: {problems:#?}");
        let found: Vec<&str> = problems.iter().map(|problem| problem.reason).collect();
        assert_eq!(found, *reasons, "step {number}: {problems:#?}");
        for (place, object) in resources.namespaces.iter().enumerate() {
            assert_eq!(object.order as usize, place);
            let places = resources.documents[object.origin.document as usize]
                .find([(object.origin, &*NAME)].into_iter());
            assert!(places.len() == 1 && places[0].column == 3, "{places:?}");
        }
    }
}

static NAME: std::sync::LazyLock<FieldPath> = std::sync::LazyLock::new(|| {
    let mut path = FieldPath::default();
    path.push_field("metadata");
    path.push_field("name");
    path
});

const KEPT: &str = LAST_GOOD_FORM;

#[test]
fn clean_files_say_what_there_is() {
    check(&[(&[("f", "a1 b1")], "a1 b1", &[]), (&[("f", "a2 b1")], "a2 b1", &[])]);
    check(&[(&[("f", "a1 b1")], "a1 b1", &[]), (&[("f", "b1")], "b1", &[])]);
    check(&[(&[("f", "a1 b1")], "a1 b1", &[]), (&[("f", "")], "", &[])]);
    check(&[(&[("f", "a1 b1")], "a1 b1", &[]), (&[("f", "b1 c1 a1")], "b1 c1 a1", &[])]);
    check(&[(&[("f", "a1"), ("g", "b1")], "a1 b1", &[]), (&[("g", "b1")], "b1", &[])]);
    check(&[(&[("f", "a1")], "a1", &[]), (&[], "", &[]), (&[("f", "a1")], "a1", &[])]);
}

#[test]
fn at_the_start_what_is_good_counts() {
    check(&[(&[("f", "a1 b! c1")], "a1 c1", &["Invalid"])]);
    check(&[(&[("f", "a1 % c1")], "a1 c1", &["BadYaml"])]);
    check(&[(&[("f", "?"), ("g", "a1")], "a1", &["Unreadable"])]);
}

#[test]
fn an_object_that_cannot_be_used_keeps_its_last_good_form() {
    check(&[
        (&[("f", "a1 b1 c1")], "a1 b1 c1", &[]),
        (&[("f", "a1 b! c2")], "a1 b1 c2", &["Invalid", KEPT]),
        (&[("f", "a1 c2 b!")], "a1 c2 b1", &["Invalid", KEPT]),
        (&[("f", "a1 c2 b3")], "a1 c2 b3", &[]),
        (&[("f", "b! a1")], "b3 a1", &["Invalid", KEPT]),
        (&[("f", "a1")], "a1", &[]),
        (&[("f", "b! a1")], "a1", &["Invalid"]),
    ]);
}

#[test]
fn a_broken_file_keeps_what_is_not_in_its_good_documents() {
    check(&[
        (&[("f", "a1 b1 c1"), ("g", "d1")], "a1 b1 c1 d1", &[]),
        (&[("f", "a2 % c1"), ("g", "d1")], "a2 b1 c1 d1", &[KEPT, "BadYaml"]),
        (&[("f", "% d2"), ("g", "d1")], "a2 b1 c1 d2", &[KEPT, "BadYaml", "Duplicate"]),
        (&[("f", "%"), ("g", "d3")], "a2 b1 c1 d3", &[KEPT, "BadYaml"]),
        (&[("f", "b4 -"), ("g", "d3")], "a2 b4 c1 d3", &[KEPT, "BadYaml"]),
        (&[("f", "b4"), ("g", "d3")], "b4 d3", &[]),
    ]);
    check(&[
        (&[("f", "a1 b1")], "a1 b1", &[]),
        (&[("f", "?")], "a1 b1", &["Unreadable", KEPT]),
        (&[("f", "?")], "a1 b1", &["Unreadable", KEPT]),
        (&[], "", &[]),
        (&[("f", "?")], "", &["Unreadable"]),
    ]);
}

#[test]
fn objects_move_between_files() {
    check(&[(&[("f", "a1 b1"), ("g", "")], "a1 b1", &[]), (&[("f", "b1"), ("g", "a1")], "b1 a1", &[])]);
    // A good one counts before a kept one, wherever it is.
    check(&[
        (&[("f", "a1 b1"), ("g", "c1")], "a1 b1 c1", &[]),
        (&[("f", "%"), ("g", "c1 a2")], "b1 c1 a2", &[KEPT, "BadYaml"]),
        (&[("f", "a! %"), ("g", "c1 a2")], "b1 c1 a2", &[KEPT, "Invalid", "BadYaml"]),
    ]);
    // One that breaks on its way keeps its form.
    check(&[
        (&[("f", "a1 b1"), ("g", "c1")], "a1 b1 c1", &[]),
        (&[("f", "b1"), ("g", "c1 a!")], "b1 c1 a1", &["Invalid", KEPT]),
        (&[("f", "%"), ("g", "c1 a!")], "b1 c1 a1", &[KEPT, "BadYaml", "Invalid", KEPT]),
    ]);
    // Of two that are broken, the first keeps the place.
    check(&[
        (&[("f", "a1"), ("g", "b1")], "a1 b1", &[]),
        (&[("f", "a!"), ("g", "a! b1")], "a1 b1", &["Invalid", KEPT, "Invalid"]),
    ]);
}

fn declared(reader: &mut Reader, files: &[(&str, &str)]) -> Vec<Arc<Declared<Namespace, Text>>> {
    reader.read(&sources(files)).0.namespaces.iter().map(|object| object.declared().clone()).collect()
}

#[test]
fn what_did_not_change_stays_the_same() {
    let mut reader = Reader::default();
    let before = declared(&mut reader, &[("f", "a1 b1 c1 d1"), ("g", "e1")]);
    let after = declared(&mut reader, &[("f", "x1 a1 b2 d1 c1"), ("g", "e1")]);
    let same = |old: usize, new: usize| Arc::ptr_eq(&before[old], &after[new]);
    assert!(same(0, 1) && same(2, 4) && same(3, 3) && same(4, 5));
    assert!(!same(1, 2));
}

#[test]
fn too_many_problems_are_counted_and_told_later() {
    let bad: String = (0..Problems::MOST + 10).map(|_| "---\n[]\n").collect();
    let mut reader = Reader::default();
    for _ in 0..2 {
        let parts: Vec<Source> = bad
            .as_bytes()
            .chunks(7 * 500)
            .zip(0..)
            .map(|(part, n)| Source::new(format!("{n}"), String::from_utf8_lossy(part).into_owned()))
            .collect();
        let (_, problems) = reader.read(&parts);
        assert_eq!(problems.len(), Problems::MOST + 1);
        assert_eq!(
            problems.last().map(|problem| problem.message.as_str()),
            Some("there are 10 problems more")
        );
        let (_, problems) = reader.read(&parts[20..]);
        assert_eq!(problems.len(), 10);
    }
}
