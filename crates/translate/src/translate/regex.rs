//! Whether a regular expression can be used.

use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::ParserBuilder;
use std::collections::HashMap;

/// The longest pattern, in bytes: what Gateway API allows for the value of a header.
const LONGEST_PATTERN: usize = 4096;
/// The most memory that one pattern's automaton may take, in bytes.
const LARGEST_PATTERN: usize = 256 << 10;

/// The most memory that the patterns of all routes may take together.
const ROOM: usize = 64 << 20;
/// The most memory that is filled to judge patterns, good ones and bad ones.
const EFFORT: usize = 8 * ROOM;

/// Verdicts on regular expressions, each made once: routes often share them.
pub(super) struct Regexes<'r> {
    known: HashMap<&'r str, Option<String>>,
    room: usize,
    effort: usize,
}

impl Default for Regexes<'_> {
    fn default() -> Self {
        Self { known: HashMap::new(), room: ROOM, effort: EFFORT }
    }
}

impl<'r> Regexes<'r> {
    /// What is wrong with a pattern.
    pub(super) fn fault(&mut self, pattern: &'r str) -> Option<String> {
        let Self { known, room, effort } = self;
        known.entry(pattern).or_insert_with(|| judge(pattern, room, effort).err()).clone()
    }
}

fn judge(pattern: &str, room: &mut usize, effort: &mut usize) -> Result<(), String> {
    let no_room = || Err("does not fit any more: the patterns of all routes are too large together".into());
    if *effort == 0 {
        return no_room();
    }
    let size = size(pattern);
    *effort = effort.saturating_sub(*size.as_ref().unwrap_or(&LARGEST_PATTERN));
    match room.checked_sub(size?) {
        Some(rest) => *room = rest,
        None => return no_room(),
    }
    Ok(())
}

/// The memory that a pattern takes. It is read in the way in which routes are matched: by bytes, as ASCII, and as
/// Unicode only where that is needed to read it.
fn size(pattern: &str) -> Result<usize, String> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(format!("is longer than {LONGEST_PATTERN} bytes"));
    }
    let read = |unicode| {
        let mut parser = ParserBuilder::new().unicode(unicode).utf8(false).build();
        parser.parse(pattern).map_err(|error| match error {
            regex_syntax::Error::Parse(error) => not_a_regex(error.kind()),
            regex_syntax::Error::Translate(error) => not_a_regex(error.kind()),
            _ => "is not a regular expression".into(),
        })
    };
    let syntax = read(false).or_else(|_| read(true))?;
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(LARGEST_PATTERN));
    match thompson::Compiler::new().configure(config).build_from_hir(&syntax) {
        Ok(automaton) => Ok(automaton.memory_usage()),
        Err(_) => Err("is too large when its repetitions are written out".into()),
    }
}

fn not_a_regex(kind: &dyn std::fmt::Display) -> String {
    format!("is not a regular expression: {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_bounded_together() {
        let room = size("[a-z]+").expect("good");
        let mut regexes = Regexes { room, ..Regexes::default() };
        assert_eq!(regexes.fault("[a-z]+"), None);
        // Known already: it takes nothing more.
        assert_eq!(regexes.fault("[a-z]+"), None);
        assert!(regexes.fault("[a-y]+").is_some_and(|fault| fault.contains("together")));
        assert!(regexes.fault("\\p{Greek}").is_some_and(|fault| fault.contains("together")));
        regexes.effort = 0;
        assert!(regexes.fault("(").is_some_and(|fault| fault.contains("together")));
    }
}
