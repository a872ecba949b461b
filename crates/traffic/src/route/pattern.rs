//! Regular expressions with bounds: on the pattern's length, on the size of what it compiles to, and, since
//! they run as lazily built automata, on time (linear in the text) and memory of a search.

use regex_automata::hybrid::dfa::{Cache, Config, DFA, OverlappingState};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, Look};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// The longest pattern, in bytes: what Gateway API allows for the value of a header.
const LONGEST_PATTERN: usize = 4096;
/// The most memory that one pattern's automaton may take, in bytes. A character class with `{1,1000}` fits.
const LARGEST_PATTERN: usize = 256 << 10;
/// The most memory of the patterns that are searched for together.
const LARGEST_SET: usize = 512 << 10;
/// The most memory that the automata of one table may take together.
pub(super) const LARGEST_TABLE: usize = 64 << 20;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression, or one that cannot be run in linear time.
    #[error("is not a regular expression that can be used here: {0}")]
    Syntax(String),
    /// It is too long, or becomes too large when its repetitions are written out.
    #[error("is too large: shorten it, or lower its counts of repetition")]
    TooLarge,
    /// The patterns of all the routes of a listener are too large together.
    #[error("does not fit any more: the patterns of this listener's routes are too large together")]
    NoRoom,
}

/// A pattern that was read and measured.
#[derive(Clone)]
pub(super) struct Pattern {
    /// Fits only whole texts.
    syntax: Hir,
    /// Bytes of its automaton.
    size: usize,
}

impl Pattern {
    /// Reads a pattern, to be matched against whole texts.
    ///
    /// Texts are bytes as they came, so classes such as `\w` are those of ASCII and `.` is any byte but a line
    /// feed, as in RE2 and Go for ASCII texts; only a pattern that cannot be read in this way (`\p{Greek}`) is
    /// read as Unicode.
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST_PATTERN {
            return Err(PatternError::TooLarge);
        }
        let read = |unicode| {
            let mut parser = ParserBuilder::new().unicode(unicode).utf8(false).build();
            parser.parse(text).map_err(|error| syntax_error(&error))
        };
        let syntax = read(false).or_else(|_| read(true))?;
        // Anchored as a tree: as text, a pattern with a comment or an odd bracket could escape its frame.
        let syntax = Hir::concat(vec![Hir::look(Look::Start), syntax, Hir::look(Look::End)]);
        let size = automaton(&[&syntax], Some(LARGEST_PATTERN))?.memory_usage();
        Ok(Self { syntax, size })
    }

    /// Bytes that its automaton takes.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

fn syntax_error(error: &regex_syntax::Error) -> PatternError {
    PatternError::Syntax(match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        error => error.to_string(),
    })
}

fn automaton(syntax: &[&Hir], limit: Option<usize>) -> Result<NFA, PatternError> {
    let config =
        thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(limit);
    thompson::Compiler::new().configure(config).build_many_from_hir(syntax).map_err(|error| {
        if error.size_limit().is_some() {
            PatternError::TooLarge
        } else {
            PatternError::Syntax(error.to_string())
        }
    })
}

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Patterns that are searched for together, in one pass over a text.
///
/// The automaton's states are built when they are first reached, into a cache of bounded size that each thread
/// that searches has for itself; a cache that is full is emptied.
pub(super) struct PatternSet {
    dfa: Arc<DFA>,
    caches: Pool<Cache, NewCache>,
}

impl PatternSet {
    /// Cuts a list of patterns into runs that can each be a set.
    pub(super) fn runs<T>(items: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
        let (mut runs, mut start, mut sum) = (Vec::new(), 0, 0);
        for (index, item) in items.iter().enumerate() {
            let size = size(item);
            if index > start && sum + size > LARGEST_SET {
                runs.push(&items[start..index]);
                (start, sum) = (index, 0);
            }
            sum += size;
        }
        if start < items.len() {
            runs.push(&items[start..]);
        }
        runs
    }

    pub(super) fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Result<Self, PatternError> {
        let syntax: Vec<&Hir> = patterns.into_iter().map(|pattern| &pattern.syntax).collect();
        let nfa = automaton(&syntax, None)?;
        // A cache is the more useful the larger it is, and is bounded by what the operator wrote.
        let capacity = (nfa.memory_usage() * 8).clamp(32 << 10, 1 << 20);
        let config =
            Config::new().match_kind(MatchKind::All).cache_capacity(capacity).skip_cache_capacity_check(true);
        let dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(nfa)
            .map_err(|error| PatternError::Syntax(error.to_string()))?;
        let dfa = Arc::new(dfa);
        let builder = Arc::clone(&dfa);
        Ok(Self { dfa, caches: Pool::new(Box::new(move || builder.create_cache())) })
    }

    /// Calls `found` with the index of each pattern that fits the whole text, each once, in no certain order.
    pub(super) fn find_each(&self, text: &[u8], mut found: impl FnMut(usize)) {
        let mut cache = self.caches.get();
        let input = Input::new(text).anchored(Anchored::Yes);
        let mut state = OverlappingState::start();
        // The search fails only where a DFA is set up to give up, and this one is not.
        while self.dfa.try_search_overlapping_fwd(&mut cache, &input, &mut state).is_ok() {
            match state.get_match() {
                Some(hit) => found(hit.pattern().as_usize()),
                None => return,
            }
        }
    }

    /// Whether any of the patterns fits the whole text.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let mut any = false;
        self.find_each(text, |_| any = true);
        any
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternSet").field("patterns", &self.dfa.pattern_len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, fits: &[&[u8]], fits_not: &[&[u8]]) {
        let set = PatternSet::new([&Pattern::new(pattern).expect("a usable pattern")]).expect("small");
        for text in fits {
            assert!(set.is_match(text), "{pattern} {}", text.escape_ascii());
        }
        for text in fits_not {
            assert!(!set.is_match(text), "{pattern} {}", text.escape_ascii());
        }
    }

    #[test]
    fn patterns_fit_whole_texts() {
        check("/a|/b", &[b"/a", b"/b"], &[b"/ax", b"x/b", b"/a/b", b""]);
        check("/v[0-9]+/.*", &[b"/v1/", b"/v23/x/y"], &[b"/v/", b"/v1", b"x/v1/"]);
        check("(?i)/Abc", &[b"/abc", b"/ABC"], &[b"/ab"]);
        check("^/a$", &[b"/a"], &[b"/ab"]);
        check("", &[b""], &[b"x"]);
        check("(?x) /a # a comment", &[b"/a"], &[b"/a # a comment"]);
        check("a*?", &[b"", b"aaa"], &[b"ab"]);
    }

    #[test]
    fn texts_are_bytes() {
        check(r"\w+", &[b"az_09"], &["\u{e4}".as_bytes(), b"\xff"]);
        check(".*", &["\u{e4}".as_bytes(), b"\xff\x80"], &[b"a\nb"]);
        check("\u{e4}+", &["\u{e4}\u{e4}".as_bytes()], &[b"\xc3"]);
        check(r"\p{Greek}+", &["\u{3b1}\u{3b2}".as_bytes()], &[b"ab"]);
    }

    #[test]
    fn hostile_patterns_are_refused() {
        let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
        let long = "a".repeat(5000);
        for (pattern, too_large) in [
            ("(", false),
            ("a)(b", false),
            ("[z-a]", false),
            (r"(a)\1", false),
            ("(?=a)", false),
            ("a{1001}{1001}", true),
            ("((a{1000}){1000}){1000}", true),
            (r"(\pL{100}){100}", true),
            (&deep, false),
            (&long, true),
        ] {
            let error = Pattern::new(pattern).map(|_| ()).expect_err(pattern);
            assert_eq!(error == PatternError::TooLarge, too_large, "{pattern}: {error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn usual_patterns_have_room() {
        for pattern in [r"/users/[\w.-]{1,64}", r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ".{0,1000}"] {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn a_set_tells_every_pattern_that_fits() {
        let patterns: Vec<Pattern> =
            ["/a.*", "/b.*", "/.*", "/ab"].map(|text| Pattern::new(text).expect("usable")).into();
        let set = PatternSet::new(&patterns).expect("small");
        for (text, expected) in [("/ab", &[0, 2, 3][..]), ("/b", &[1, 2]), ("/", &[2]), ("x", &[])] {
            let mut found = Vec::new();
            set.find_each(text.as_bytes(), |index| found.push(index));
            found.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn large_lists_are_cut_into_runs() {
        let sizes = [LARGEST_SET, 1, LARGEST_SET - 1, 1, LARGEST_SET + 1, 5];
        let lengths: Vec<usize> =
            PatternSet::runs(&sizes, |size| *size).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [1, 2, 1, 1, 1]);
        assert!(PatternSet::runs(&[] as &[usize], |size| *size).is_empty());
    }
}
