//! Whether a regular expression can be used.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ParserBuilder;
use std::collections::HashMap;

/// The longest pattern, in bytes: what Gateway API allows for the value of a header.
const LONGEST_PATTERN: usize = 4096;
/// The most memory that one pattern's automaton may take, in bytes.
const LARGEST_PATTERN: usize = 256 << 10;

/// Verdicts on regular expressions, each made once: routes often share them.
#[derive(Default)]
pub(super) struct Regexes<'r> {
    known: HashMap<&'r str, Option<String>>,
}

impl<'r> Regexes<'r> {
    /// What is wrong with a pattern.
    pub(super) fn fault(&mut self, pattern: &'r str) -> Option<String> {
        self.known.entry(pattern).or_insert_with(|| fault(pattern)).clone()
    }
}

/// Reads a pattern in the way in which routes are matched: by bytes, as ASCII, and as Unicode only where that
/// is needed to read it.
fn fault(pattern: &str) -> Option<String> {
    if pattern.len() > LONGEST_PATTERN {
        return Some(format!("is longer than {LONGEST_PATTERN} bytes"));
    }
    let read = |unicode| {
        let mut parser = ParserBuilder::new().unicode(unicode).utf8(false).build();
        parser.parse(pattern).map_err(|error| match error {
            regex_syntax::Error::Parse(error) => not_a_regex(error.kind()),
            regex_syntax::Error::Translate(error) => not_a_regex(error.kind()),
            _ => "is not a regular expression".into(),
        })
    };
    let syntax = match read(false).or_else(|_| read(true)) {
        Ok(syntax) => syntax,
        Err(message) => return Some(message),
    };
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(LARGEST_PATTERN));
    match thompson::Compiler::new().configure(config).build_from_hir(&syntax) {
        Ok(_) => None,
        Err(_) => Some("is too large when its repetitions are written out".into()),
    }
}

fn not_a_regex(kind: &dyn std::fmt::Display) -> String {
    format!("is not a regular expression: {kind}")
}
