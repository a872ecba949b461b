//! YAML text to trees with positions, within bounds that hostile text cannot pass.
//!
//! The grammar is `granit-parser`'s: it reads events with positions, borrows what it can from the text, and
//! finds the next document after a broken one. Here its events become a tree ([`Node`]), aliases are
//! replaced by what they stand for, and everything is counted.

pub(crate) mod decode;
mod merge;
pub(crate) mod path;
pub(crate) mod scalar;
mod token;

use crate::problems::sentence;
use granit_parser::{Parser, StrInput, options};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use token::{Token, TokenKind};

/// Documents of one source that are read. (Tests have lower bounds, so that they reach them soon.)
const MAX_DOCUMENTS: usize = if cfg!(test) { 1000 } else { 100_000 };
/// Nodes of one document. A node takes about 100 bytes while its document is read.
const MAX_NODES: usize = if cfg!(test) { 10_000 } else { 1_000_000 };
/// Nodes of one document that come from aliases: what "a billion laughs" is measured against.
const MAX_COPIED_NODES: usize = 50_000;
/// Mappings and sequences inside each other. Gateway API's own kinds stay under 20.
const MAX_DEPTH: usize = 64;

/// A place in a source; both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One node of a document's tree.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) mark: Mark,
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// A plain scalar may mean a number, a boolean or null; any other is a text.
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
    Sequence(Vec<Node<'a>>),
    Mapping(Vec<Entry<'a>>),
}

/// One key of a mapping and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) mark: Mark,
    pub(crate) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A mapping's entries; nothing for other nodes.
    pub(crate) fn entries(&self) -> &[Entry<'a>] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it says that there is nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if scalar::is_null(text))
    }
}

/// A document, and where its text begins so that it can be read again to find a line.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) root: Node<'a>,
    /// Byte offset of the line on which it begins.
    pub(crate) offset: usize,
    /// That line, from 1.
    pub(crate) line: u32,
}

/// Why a document is no tree.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) mark: Mark,
    pub(crate) message: String,
    pub(crate) advice: &'static str,
}

/// The documents of a text, one after the other; a broken one is an error and the next ones go on.
pub(crate) struct Documents<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    /// Lines before the text, when it is a part of a source.
    lines_before: u32,
    count: usize,
    done: bool,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(text: &'a str, lines_before: u32) -> Self {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { text, parser, lines_before, count: 0, done: false }
    }

    /// Reads to the next document and builds it.
    fn read(&mut self) -> Result<Option<Document<'a>>, YamlError> {
        loop {
            let token = token::next(&mut self.parser, self.lines_before)?;
            let at = match token.kind {
                TokenKind::StreamEnd => return Ok(None),
                TokenKind::DocumentStart { offset } => offset.min(self.text.len()),
                _ => continue,
            };
            let line = token.mark.line;
            self.count += 1;
            if self.count > MAX_DOCUMENTS {
                self.done = true;
                let message = format!("there are more than {MAX_DOCUMENTS} documents in one file");
                return Err(error(Mark { line, column: 1 }, message));
            }
            let offset = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1);
            let root = Builder {
                parser: &mut self.parser,
                lines_before: self.lines_before,
                nodes: 0,
                copied: 0,
                anchors: HashMap::new(),
            }
            .document()?;
            return Ok(Some(Document { root, offset, line }));
        }
    }
}

impl<'a> Iterator for Documents<'a> {
    type Item = Result<Document<'a>, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        match &read {
            None => self.done = true,
            Some(Err(_)) if !self.done => {
                self.done = !self.parser.proceed_next_document().unwrap_or(false);
            }
            Some(_) => {}
        }
        read
    }
}

/// Builds one document's tree.
struct Builder<'p, 'a> {
    parser: &'p mut Parser<'a, StrInput<'a>>,
    lines_before: u32,
    nodes: usize,
    copied: usize,
    /// What has an anchor, and how deep it is.
    anchors: HashMap<usize, (Node<'a>, usize)>,
}

impl<'a> Builder<'_, 'a> {
    fn document(mut self) -> Result<Node<'a>, YamlError> {
        let token = self.token()?;
        let root = self.node(token, 0)?;
        let Token { mark, kind } = self.token()?;
        match kind {
            TokenKind::DocumentEnd => Ok(root),
            _ => Err(error(mark, "the document does not end after its first value")),
        }
    }

    fn token(&mut self) -> Result<Token<'a>, YamlError> {
        token::next(self.parser, self.lines_before)
    }

    /// The node that a token begins, with everything in it.
    fn node(&mut self, token: Token<'a>, depth: usize) -> Result<Node<'a>, YamlError> {
        let Token { mark, kind } = token;
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(error(mark, format!("the document has more than {MAX_NODES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(error(mark, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        let (value, anchor) = match kind {
            TokenKind::Scalar { text, plain, anchor } => (Value::Scalar { text, plain }, anchor),
            TokenKind::Sequence { anchor } => (Value::Sequence(self.sequence(depth)?), anchor),
            TokenKind::Mapping { anchor } => (Value::Mapping(self.mapping(depth)?), anchor),
            TokenKind::Alias(id) => return self.alias(id, mark, depth),
            _ => return Err(error(mark, "a value is missing")),
        };
        let node = Node { mark, value };
        if anchor != 0 {
            let (size, height) = measure(&node);
            self.count_copies(size, mark)?;
            self.anchors.insert(anchor, (node.clone(), height));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node<'a>>, YamlError> {
        let mut items = Vec::new();
        loop {
            let token = self.token()?;
            if matches!(token.kind, TokenKind::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(token, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry<'a>>, YamlError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut merged = None;
        loop {
            let token = self.token()?;
            if matches!(token.kind, TokenKind::MappingEnd) {
                break;
            }
            let Node { mark, value: key } = self.node(token, depth + 1)?;
            let Value::Scalar { text, plain } = key else {
                return Err(error(mark, "a key is a mapping or a list; keys are texts"));
            };
            let token = self.token()?;
            let value = self.node(token, depth + 1)?;
            if plain && text == "<<" {
                if merged.replace(value).is_some() {
                    return Err(error(mark, "the key `<<` is there twice"));
                }
            } else {
                entries.push(Entry { key: text, mark, value });
            }
        }
        check_keys(&entries)?;
        if let Some(node) = merged {
            merge::into(&mut entries, node)?;
        }
        Ok(entries)
    }

    fn alias(&mut self, id: usize, mark: Mark, depth: usize) -> Result<Node<'a>, YamlError> {
        let Some((node, height)) = self.anchors.get(&id) else {
            return Err(error(mark, "an alias stands inside of what it names"));
        };
        if depth + height > MAX_DEPTH {
            return Err(error(mark, format!("values are nested more than {MAX_DEPTH} deep")));
        }
        let size = measure(node).0;
        self.count_copies(size, mark)?;
        self.anchors.get(&id).map(|(node, _)| node.clone()).ok_or_else(|| error(mark, "an alias is unknown"))
    }

    fn count_copies(&mut self, size: usize, mark: Mark) -> Result<(), YamlError> {
        self.copied += size;
        if self.copied > MAX_COPIED_NODES {
            return Err(error(mark, format!("aliases stand for more than {MAX_COPIED_NODES} values")));
        }
        Ok(())
    }
}

fn error(mark: Mark, message: impl Into<String>) -> YamlError {
    YamlError { mark, message: sentence(message.into()), advice: "" }
}

/// How large a tree is, and how deep. A long text counts for several nodes: it is copied, too.
fn measure(node: &Node<'_>) -> (usize, usize) {
    let sum = |(size, height): (usize, usize), inner: &Node<'_>| {
        let (inner_size, inner_height) = measure(inner);
        (size + inner_size, height.max(inner_height + 1))
    };
    match &node.value {
        Value::Scalar { text, .. } => (1 + text.len() / 64, 0),
        Value::Sequence(items) => items.iter().fold((1, 0), sum),
        Value::Mapping(entries) => {
            let keys = entries.iter().map(|entry| entry.key.len() / 64).sum::<usize>();
            entries.iter().map(|entry| &entry.value).fold((1 + keys, 0), sum)
        }
    }
}

/// A key twice in one mapping: one of its values would be lost without a word.
fn check_keys(entries: &[Entry<'_>]) -> Result<(), YamlError> {
    // Short mappings, nearly all, are compared by pairs: no table is built for them.
    let again = if entries.len() <= 12 {
        (1..entries.len()).find(|&i| entries[..i].iter().any(|earlier| earlier.key == entries[i].key))
    } else {
        let mut seen = HashSet::with_capacity(entries.len());
        entries.iter().position(|entry| !seen.insert(&*entry.key))
    };
    match again {
        None => Ok(()),
        Some(index) => {
            Err(error(entries[index].mark, format!("the key `{}` is there twice", entries[index].key)))
        }
    }
}

#[cfg(test)]
mod tests;
