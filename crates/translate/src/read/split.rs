//! Where the documents of a text begin and end, by its marks alone.

use std::ops::Range;

/// A part of a text that can be read by itself: one document, with the comments and directives before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    pub(super) lines_before: u32,
}

/// Divides a text at its marks `---` and `...`. A line that begins so ends a document wherever it stands (YAML 1.2.2,
/// 9.1.2), so no document has to be read to find the next one. A bare `---` is in no span, so that a document is the same
/// wherever it stands.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let (mut spans, mut start, mut lines_before) = (Vec::new(), 0, 0);
    let (mut at, mut line, mut has_content) = (0, 0, false);
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1);
        let mark = marks(&bytes[at..end]);
        if mark == Some(Mark::Start) && (has_content || at == 0) {
            if start < at {
                spans.push(Span { range: start..at, lines_before });
            }
            let is_bare = bytes[at..end].trim_ascii().len() == 3;
            (start, lines_before) = if is_bare { (end, line + 1) } else { (at, line) };
        }
        has_content = has_content || mark == Some(Mark::Start) || is_content(&bytes[at..end]);
        line += 1;
        at = end;
        if mark == Some(Mark::End) && has_content {
            spans.push(Span { range: start..at, lines_before });
            (start, lines_before, has_content) = (at, line, false);
        }
    }
    if start < at {
        spans.push(Span { range: start..at, lines_before });
    }
    spans
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Start,
    End,
}

fn marks(line: &[u8]) -> Option<Mark> {
    let (mark, rest) = line.split_at_checked(3)?;
    let mark = match mark {
        b"---" => Mark::Start,
        b"..." => Mark::End,
        _ => return None,
    };
    matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')).then_some(mark)
}

/// Whether a line is more than a comment or a directive, which belong to the document that follows.
fn is_content(line: &[u8]) -> bool {
    !matches!(line.trim_ascii().first(), None | Some(b'#' | b'%'))
}

#[cfg(test)]
mod tests {
    use super::spans;

    #[test]
    fn texts_are_divided_at_their_marks() {
        for (text, parts) in [
            ("", &[][..]),
            ("a: 1", &["a: 1"]),
            ("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]),
            ("---\na: 1\n---\nb: 2", &["a: 1\n", "b: 2"]),
            ("# about\n\n---\na: 1\n", &["# about\n\n---\na: 1\n"]),
            (
                "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb",
                &["%YAML 1.2\n---\na: 1\n...\n", "%YAML 1.2\n---\nb"],
            ),
            ("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "b: 2\r\n"]),
            ("a: |\n  ---\n  b\n----\n---x\n", &["a: |\n  ---\n  b\n----\n---x\n"]),
            ("---\n---\n--- a\n...\n...\n", &["--- a\n...\n", "...\n"]),
        ] {
            let spans = spans(text);
            let found: Vec<&str> = spans.iter().map(|span| &text[span.range.clone()]).collect();
            assert_eq!(found, parts, "{text:?}");
            for span in spans {
                let lines = text[..span.range.start].matches('\n').count();
                assert_eq!(span.lines_before as usize, lines, "{text:?}");
            }
        }
    }
}
