//! Another decoder, as simple as it can be, to compare with.

use crate::http2::hpack::FieldBlock;
use crate::http2::hpack::huffman::tests::code_of;
use crate::http2::hpack::names::STATIC;
use std::collections::HashMap;

type Field = (Vec<u8>, Vec<u8>);

pub(super) struct Naive {
    /// The newest first.
    table: Vec<Field>,
    limit: usize,
    allowed: usize,
    codes: HashMap<(u32, u32), u16>,
}

/// Name and value of each field as text.
pub(super) fn fields(block: &FieldBlock) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    block.iter().map(|(name, value)| (text(name), text(value))).collect()
}

impl Naive {
    pub(super) fn new(table: usize) -> Self {
        let codes = (0..=256).map(|symbol| (code_of(symbol), symbol)).collect();
        Self { table: Vec::new(), limit: table, allowed: table, codes }
    }

    /// How many fields the table has, and what they count.
    pub(super) fn fill(&self) -> (usize, usize) {
        (self.table.len(), self.table.iter().map(|(name, value)| name.len() + value.len() + 32).sum())
    }

    pub(super) fn decode(&mut self, block: &[u8]) -> Option<Vec<Field>> {
        let mut input = block.iter().copied().peekable();
        let mut list = Vec::new();
        while let Some(first) = input.next() {
            match first.leading_zeros() {
                0 => list.push(self.field(number(first, 7, &mut input)?)?),
                1 => {
                    let field = self.literal(number(first, 6, &mut input)?, &mut input)?;
                    list.push(field.clone());
                    self.table.insert(0, field);
                    self.evict();
                }
                2 => {
                    self.limit = number(first, 5, &mut input)?;
                    if self.limit > self.allowed || !list.is_empty() {
                        return None;
                    }
                    self.evict();
                }
                _ => list.push(self.literal(number(first, 4, &mut input)?, &mut input)?),
            }
        }
        Some(list)
    }

    fn evict(&mut self) {
        while self.fill().1 > self.limit {
            self.table.pop();
        }
    }

    fn field(&self, index: usize) -> Option<Field> {
        if index <= STATIC.len() {
            let line = std::str::from_utf8(STATIC.get(index.checked_sub(1)?)?.line).ok()?;
            // The first colon may begin a pseudo-field's name.
            let at = line.rfind(": ")?;
            return Some((line[..at].into(), line[at + 2..].trim_end().into()));
        }
        self.table.get(index - STATIC.len() - 1).cloned()
    }

    fn literal(&self, index: usize, input: &mut impl Iterator<Item = u8>) -> Option<Field> {
        let name = if index == 0 { self.string(input)? } else { self.field(index)?.0 };
        Some((name, self.string(input)?))
    }

    fn string(&self, input: &mut impl Iterator<Item = u8>) -> Option<Vec<u8>> {
        let first = input.next()?;
        let length = number(first, 7, input)?;
        let text: Vec<u8> = input.take(length).collect();
        if text.len() < length {
            return None;
        }
        if first < 0x80 { Some(text) } else { self.huffman(&text) }
    }

    fn huffman(&self, code: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let (mut bits, mut length) = (0, 0);
        for bit in code.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))) {
            bits = bits << 1 | bit;
            length += 1;
            if let Some(&symbol) = self.codes.get(&(bits, length)) {
                text.push(u8::try_from(symbol).ok()?);
                (bits, length) = (0, 0);
            }
        }
        (length < 8 && bits == (1 << length) - 1).then_some(text)
    }
}

fn number(first: u8, prefix: u32, input: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let full = (1 << prefix) - 1;
    let mut number = usize::from(first) & full;
    if number == full {
        for index in 0.. {
            let byte = input.next().filter(|_| index < 5)?;
            number += usize::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                break;
            }
        }
    }
    Some(number)
}
