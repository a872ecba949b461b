//! One file: its documents, each read anew only if its text is new.

use super::document::{self, AnyObject, Found, Item, Outcome};
use super::split::{Span, spans};
use crate::resources::{DocumentPlace, ObjectKey};
use crate::source::Source;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Documents of one file that are read.
const MAX_DOCUMENTS: usize = if cfg!(test) { 1000 } else { 100_000 };

/// A file as it was read.
pub(super) struct File {
    pub(super) name: Arc<str>,
    text: Arc<str>,
    pub(super) documents: Vec<Document>,
    /// Why not all of it could be read.
    pub(super) fault: Option<Fault>,
    /// The objects of it that are in use, in order.
    pub(super) used: Vec<Used>,
}

/// Why a file, or a part of it, cannot be read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) advice: &'static str,
    pub(super) line: u32,
}

/// A part of a file that is read by itself.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) span: Span,
    pub(super) outcome: Arc<Outcome>,
}

/// An object that is in use.
#[derive(Clone, Debug)]
pub(super) struct Used {
    pub(super) object: Arc<dyn AnyObject>,
    pub(super) item: Option<u32>,
    pub(super) place: UsedPlace,
}

/// Where an object that is in use was declared.
#[derive(Clone, Debug)]
pub(super) enum UsedPlace {
    /// In this part of its file: the part, and where in it the YAML document begins.
    Here { document: usize, offset: usize, line: u32 },
    /// In a text that is gone.
    Former(Arc<DocumentPlace>),
}

impl fmt::Debug for File {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({}, {} documents)", self.name, self.documents.len())
    }
}

impl File {
    /// Reads a source; what is in its former form already is not read again. At most `room` problems are kept.
    pub(super) fn read(source: &Source, former: Option<&Self>, room: usize) -> Self {
        let mut file = Self {
            name: source.name.clone(),
            text: "".into(),
            documents: Vec::new(),
            fault: None,
            used: Vec::new(),
        };
        match &source.text {
            Err(why) => {
                let message = format!("cannot be read: {why}");
                file.fault = Some(Fault { reason: "Unreadable", message, advice: "", line: 1 });
            }
            Ok(text) if text.len() > Source::MAX_BYTES => {
                let message = format!("the file is larger than {} MiB", Source::MAX_BYTES >> 20);
                file.fault = Some(Fault { reason: "TooLarge", message, advice: "Split it.", line: 1 });
            }
            Ok(text) => {
                file.text = text.clone();
                file.read_documents(former, room);
            }
        }
        file
    }

    fn read_documents(&mut self, former: Option<&Self>, mut room: usize) {
        let mut spans = spans(&self.text);
        if let Some(first) = spans.get(MAX_DOCUMENTS) {
            let message = format!("there are more than {MAX_DOCUMENTS} documents in one file");
            let line = first.lines_before + 1;
            self.fault = Some(Fault { reason: "BadYaml", message, advice: "Split it.", line });
            spans.truncate(MAX_DOCUMENTS);
        }
        let known = former.map_or_else(Vec::new, |former| self.known(former, &spans));
        let mut known = known.into_iter();
        for span in spans {
            let outcome = known.next().flatten().unwrap_or_else(|| {
                let text = self.text.get(span.range.clone()).unwrap_or_default();
                Arc::new(document::read(text, room))
            });
            let problems: usize = outcome.items.iter().map(|item| item.problems.len()).sum();
            room = room.saturating_sub(problems);
            self.documents.push(Document { span, outcome });
        }
    }

    /// For each part, what a part of the former file with the same text came to. Most files change in one place: what
    /// is before and behind it is compared in order, and only the rest is looked up.
    fn known(&self, former: &Self, spans: &[Span]) -> Vec<Option<Arc<Outcome>>> {
        let text = |span: &Span| self.text.get(span.range.clone()).unwrap_or_default();
        let olds = &former.documents;
        // One whose problems were cut short tells more when there is room again.
        let outcome = |old: &Document| (old.outcome.more == 0).then(|| old.outcome.clone());
        let mut known: Vec<Option<Arc<Outcome>>> = vec![None; spans.len()];
        let same = |span: &Span, old: &Document| text(span) == former.text_of(old);
        let before = spans.iter().zip(olds).take_while(|(span, old)| same(span, old)).count();
        let (new_middle, old_middle) = (&spans[before..], &olds[before..]);
        let behind = new_middle.iter().rev().zip(old_middle.iter().rev());
        let behind = behind.take_while(|(span, old)| same(span, old)).count();
        let (new_end, old_end) = (spans.len() - behind, olds.len() - behind);
        for (known, old) in known[..before].iter_mut().zip(olds) {
            *known = outcome(old);
        }
        for (known, old) in known[new_end..].iter_mut().zip(&olds[old_end..]) {
            *known = outcome(old);
        }
        if before < new_end && before < old_end {
            let by_text: HashMap<&str, &Document> =
                olds[before..old_end].iter().map(|old| (former.text_of(old), old)).collect();
            for (known, span) in known[before..new_end].iter_mut().zip(&spans[before..new_end]) {
                *known = by_text.get(text(span)).and_then(|old| outcome(old));
            }
        }
        known
    }

    fn text_of(&self, document: &Document) -> &str {
        self.text.get(document.span.range.clone()).unwrap_or_default()
    }

    /// Whether every document was read, so that what is not in them is meant to be gone.
    pub(super) fn is_whole(&self) -> bool {
        self.fault.is_none() && !self.items().any(|(_, item)| matches!(item.found, Found::Broken))
    }

    /// Everything that was found, with the part that it is in.
    pub(super) fn items(&self) -> impl Iterator<Item = (usize, &Item)> {
        let items = |(index, document)| {
            let document: &Document = document;
            document.outcome.items.iter().map(move |item| (index, item))
        };
        self.documents.iter().enumerate().flat_map(items)
    }

    /// The keys of the good objects.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.items().filter_map(|(_, item)| match &item.found {
            Found::Object(object) => Some(object.key()),
            _ => None,
        })
    }

    /// Where a YAML document is that begins at an offset and a line of a part of this file.
    pub(super) fn place(&self, document: usize, offset: usize, line: u32) -> Option<DocumentPlace> {
        let Span { range, lines_before } = &self.documents.get(document)?.span;
        Some(DocumentPlace {
            file: self.name.clone(),
            text: self.text.clone(),
            range: range.start + offset..range.end,
            line: lines_before + line,
        })
    }
}
