//! Whether a regular expression can be used.

use crate::kinds::Text;
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

/// What patterns take, as it was found out: it is always the same for a pattern.
pub(super) type Sizes = HashMap<Text, Result<usize, String>>;

/// Verdicts on regular expressions, each made once: routes often share them.
pub(super) struct Regexes<'r> {
    known: HashMap<&'r str, Option<String>>,
    /// Those of the last time.
    former: &'r Sizes,
    sizes: Sizes,
    asked: usize,
    room: usize,
    effort: usize,
}

impl<'r> Regexes<'r> {
    pub(super) fn new(former: &'r Sizes) -> Self {
        let (known, sizes) = (HashMap::new(), HashMap::new());
        Self { known, former, sizes, asked: 0, room: ROOM, effort: EFFORT }
    }

    /// What is wrong with a pattern.
    pub(super) fn fault(&mut self, pattern: &'r Text) -> Option<String> {
        self.asked += 1;
        if let Some(known) = self.known.get(&**pattern) {
            return known.clone();
        }
        let verdict = self.judge(pattern).err();
        self.known.insert(pattern, verdict.clone());
        verdict
    }

    /// How often it was asked for a pattern.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// What the patterns take, for the next time.
    pub(super) fn into_sizes(self) -> Sizes {
        self.sizes
    }

    fn judge(&mut self, pattern: &Text) -> Result<(), String> {
        let no_room =
            || Err("does not fit any more: the patterns of all routes are too large together".into());
        if self.effort == 0 {
            return no_room();
        }
        let size = self.former.get(pattern).cloned().unwrap_or_else(|| size(pattern));
        self.sizes.insert(pattern.clone(), size.clone());
        self.effort = self.effort.saturating_sub(*size.as_ref().unwrap_or(&LARGEST_PATTERN));
        match self.room.checked_sub(size?) {
            Some(rest) => self.room = rest,
            None => return no_room(),
        }
        Ok(())
    }
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
        let [good, other, greek, bad] = ["[a-z]+", "[a-y]+", "\\p{Greek}", "("].map(Text::from);
        let former = Sizes::new();
        let mut regexes = Regexes { room, ..Regexes::new(&former) };
        assert_eq!(regexes.fault(&good), None);
        // Known already: it takes nothing more.
        assert_eq!(regexes.fault(&good), None);
        assert!(regexes.fault(&other).is_some_and(|fault| fault.contains("together")));
        assert!(regexes.fault(&greek).is_some_and(|fault| fault.contains("together")));
        regexes.effort = 0;
        assert!(regexes.fault(&bad).is_some_and(|fault| fault.contains("together")));
    }
}
