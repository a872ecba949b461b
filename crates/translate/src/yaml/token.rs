//! The parser's events, cut down to what a tree needs: they are large, and are moved often.

use super::{Mark, YamlError};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use std::borrow::Cow;

/// One step through a text.
pub(super) struct Token<'a> {
    pub(super) mark: Mark,
    pub(super) kind: TokenKind<'a>,
}

/// Anchors are numbers, 0 for none.
pub(super) enum TokenKind<'a> {
    DocumentStart { offset: usize },
    DocumentEnd,
    Scalar { text: Cow<'a, str>, plain: bool, anchor: usize },
    Sequence { anchor: usize },
    SequenceEnd,
    Mapping { anchor: usize },
    MappingEnd,
    Alias(usize),
    StreamEnd,
    Other,
}

/// The next step.
pub(super) fn next<'a>(
    parser: &mut Parser<'a, StrInput<'a>>,
    lines_before: u32,
) -> Result<Token<'a>, YamlError> {
    let (event, span) = match parser.next_event() {
        Some(Ok(event)) => event,
        Some(Err(error)) => {
            let mark = mark(error.marker(), lines_before);
            return Err(YamlError { mark, message: error.info(), advice: advice(error.kind()) });
        }
        None => return Ok(Token { mark: Mark { line: 1, column: 1 }, kind: TokenKind::StreamEnd }),
    };
    let mark = mark(&span.start, lines_before);
    let kind = match event {
        Event::Scalar(text, style, anchor, tag) => {
            let is_text = check_tag(tag.as_deref(), mark)?;
            TokenKind::Scalar { text, plain: matches!(style, ScalarStyle::Plain) && !is_text, anchor }
        }
        Event::SequenceStart(_, anchor, tag) => {
            check_tag(tag.as_deref(), mark)?;
            TokenKind::Sequence { anchor }
        }
        Event::MappingStart(_, anchor, tag) => {
            check_tag(tag.as_deref(), mark)?;
            TokenKind::Mapping { anchor }
        }
        Event::SequenceEnd => TokenKind::SequenceEnd,
        Event::MappingEnd => TokenKind::MappingEnd,
        Event::Alias(id) => TokenKind::Alias(id),
        Event::DocumentStart(..) => {
            TokenKind::DocumentStart { offset: span.start.byte_offset().unwrap_or_default() }
        }
        Event::DocumentEnd => TokenKind::DocumentEnd,
        Event::StreamEnd => TokenKind::StreamEnd,
        _ => TokenKind::Other,
    };
    Ok(Token { mark, kind })
}

const QUOTES: &str = "Put the text in quotes.";

/// What to do about the mistakes that are made most.
fn advice(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "Write spaces.",
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => "Remove it.",
        ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::UndeclaredTagHandle
        | ErrorKind::PlainScalarStartsWithDashFlowIndicator => {
            "Put a text that holds such signs in quotes; after a key stands `: `."
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => "Close the quote.",
        ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            "Close each bracket with its own kind."
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation => "Look at the indentation here and above.",
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            "Write a comma between entries, and close the bracket."
        }
        ErrorKind::SimpleKeyExpected => "Write `key: value`; is the file whole?",
        ErrorKind::UnknownAnchor => {
            "Put a text that begins with `*` in quotes, or write the anchor before it."
        }
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => {
            "Write `\\\\` for a backslash, or single quotes."
        }
        ErrorKind::ExpectedDocumentStart => "Begin each document with a line `---`.",
        ErrorKind::RecursionLimitExceeded => "Nest less.",
        ErrorKind::CommentNotSeparated => "Write a space before `#`.",
        _ => "",
    }
}

fn mark(marker: &Marker, lines_before: u32) -> Mark {
    Mark {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX).saturating_add(lines_before),
        column: u32::try_from(marker.col()).unwrap_or(u32::MAX).saturating_add(1),
    }
}

/// Whether the tag makes the value a text. Types of YAML's own are implied by the fields; others are refused,
/// since nobody knows what they should do.
fn check_tag(tag: Option<&Tag>, mark: Mark) -> Result<bool, YamlError> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.is_yaml_core_schema_tag("str")),
        // `!` alone: "not a plain scalar".
        Some(tag) if tag.original() == "!" => Ok(true),
        Some(_) => {
            // The tag is not quoted: it may be a password that begins with `!` and has no quotes.
            let message = "the tag means nothing here".into();
            Err(YamlError { mark, message, advice: QUOTES })
        }
    }
}
