//! Huffman code (RFC 7541 5.2 and Appendix B), read by 12 bits a step: mostly two letters.

use super::HpackError;

/// The symbols by the length of their codes in bits. Codes of one length are numbered in the order of the symbols,
/// those of the next begin where they end: nothing else is needed to know them all.
const SYMBOLS: [(u32, &[u8]); 21] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (
        22,
        b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
    ),
    (
        23,
        b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\
          \xc5\xe7\xef",
    ),
    (24, b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (26, b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff"),
    (27, b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe"),
    (
        28,
        b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\
          \x7f\xdc\xf9",
    ),
    // The last code of all, 30 ones, is EOS.
    (30, b"\x0a\x0d\x16"),
];

/// Codes of one length, as they stand at the top of 32 bits.
#[derive(Clone, Copy)]
struct Row {
    length: u32,
    first: u32,
    /// Behind the last.
    end: u64,
    symbols: &'static [u8],
}

const ROWS: [Row; SYMBOLS.len()] = {
    let mut rows = [Row { length: 0, first: 0, end: 0, symbols: b"" }; SYMBOLS.len()];
    let mut next = 0u64;
    let mut index = 0;
    while index < rows.len() {
        let (length, symbols) = SYMBOLS[index];
        let end = next + ((symbols.len() as u64) << (32 - length));
        rows[index] = Row { length, first: next as u32, end, symbols };
        next = end;
        index += 1;
    }
    // What is left is EOS, so that every 30 bits are some code.
    assert!(next + (1 << 2) == 1 << 32);
    rows[index - 1].end = 1 << 32;
    rows
};

/// Bits that one step looks at.
const STEP: u32 = 12;
/// Longer codes are those from this row on.
const LONG: usize = 7;

/// What the next 12 bits are: one symbol or two, how many, and how many bits they take; 0 if the code is longer.
#[derive(Clone, Copy)]
struct Step(u32);

impl Step {
    const NONE: Self = Self(0);

    const fn one(symbol: u8, length: u32) -> Self {
        Self(symbol as u32 | length << 16 | length << 20 | 1 << 24)
    }

    const fn and(self, next: Self) -> Self {
        let symbols = self.0 & 0xff | (next.0 & 0xff) << 8;
        Self(symbols | self.first_length() << 16 | (self.length() + next.length()) << 20 | 2 << 24)
    }

    #[inline(always)]
    const fn symbols(self) -> [u8; 2] {
        (self.0 as u16).to_le_bytes()
    }

    #[inline(always)]
    const fn first_length(self) -> u32 {
        self.0 >> 16 & 15
    }

    #[inline(always)]
    const fn length(self) -> u32 {
        self.0 >> 20 & 15
    }

    #[inline(always)]
    const fn count(self) -> usize {
        (self.0 >> 24) as usize
    }
}

static STEPS: [Step; 1 << STEP] = {
    let mut single = [Step::NONE; 1 << STEP];
    let mut row = 0;
    while row < LONG {
        let Row { length, symbols, mut first, .. } = ROWS[row];
        let mut index = 0;
        while index < symbols.len() {
            let mut place = (first >> (32 - STEP)) as usize;
            let end = place + (1 << (STEP - length));
            while place < end {
                single[place] = Step::one(symbols[index], length);
                place += 1;
            }
            first += 1 << (32 - length);
            index += 1;
        }
        row += 1;
    }
    let mut steps = single;
    let mut place = 0;
    while place < steps.len() {
        let one = single[place];
        if one.count() == 1 {
            let next = single[(place << one.length()) & ((1 << STEP) - 1)];
            if next.count() == 1 && one.length() + next.length() <= STEP {
                steps[place] = one.and(next);
            }
        }
        place += 1;
    }
    steps
};

/// Appends what the code means. The work is linear in the code.
pub(super) fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    // No code is shorter than 5 bits; a step writes two bytes, even where only one counts.
    out.resize(start + code.len() * 8 / 5 + 2, 0);
    let mut reader = Reader { bits: 0, known: 0, out: &mut out[start..], written: 0 };
    let (words, rest) = code.as_chunks::<4>();
    for &word in words {
        // Fewer than 32 bits are left over, and the longest code has 30: it needs no look at the end of the code.
        reader.bits |= u64::from(u32::from_be_bytes(word)) << (32 - reader.known);
        reader.known += 32;
        while reader.known >= 32 {
            reader.step()?;
        }
    }
    for &byte in rest {
        reader.bits |= u64::from(byte) << (56 - reader.known);
        reader.known += 8;
    }
    reader.finish()?;
    let length = start + reader.written;
    out.truncate(length);
    Ok(())
}

struct Reader<'a> {
    /// The next bits, the first one at the top.
    bits: u64,
    /// How many there are.
    known: u32,
    out: &'a mut [u8],
    written: usize,
}

impl Reader<'_> {
    /// Reads one or two symbols, where at least 12 bits are known: a longer code may then be cut short.
    #[inline(always)]
    fn step(&mut self) -> Result<(), HpackError> {
        let step = STEPS[(self.bits >> (64 - STEP)) as usize];
        if step.count() == 0 {
            let (symbol, length) = self.long()?;
            if length > self.known {
                return Err(HpackError::Huffman);
            }
            self.take([symbol, 0], 1, length);
        } else {
            self.take(step.symbols(), step.count(), step.length());
        }
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, symbols: [u8; 2], count: usize, length: u32) {
        self.out[self.written..self.written + 2].copy_from_slice(&symbols);
        self.written += count;
        self.bits <<= length;
        self.known -= length;
    }

    /// The symbol whose code is longer than a step, and its length.
    #[inline(never)]
    fn long(&self) -> Result<(u8, u32), HpackError> {
        let top = (self.bits >> 32) as u32;
        let row = ROWS[LONG..].iter().find(|row| u64::from(top) < row.end).ok_or(HpackError::Huffman)?;
        let index = (top.wrapping_sub(row.first) >> (32 - row.length)) as usize;
        let symbol = row.symbols.get(index).ok_or(HpackError::Huffman)?;
        Ok((*symbol, row.length))
    }

    /// Reads the last symbols, behind which there may be up to 7 ones.
    fn finish(&mut self) -> Result<(), HpackError> {
        while self.known >= STEP {
            self.step()?;
        }
        // Ones go on for ever behind the code. They never complete a symbol: all of them together are EOS.
        self.bits |= u64::MAX >> self.known;
        while self.known >= 8 || self.bits != u64::MAX {
            let step = STEPS[(self.bits >> (64 - STEP)) as usize];
            let length = step.first_length();
            if step.count() == 0 || length > self.known {
                return Err(HpackError::Huffman);
            }
            self.take(step.symbols(), 1, length);
            self.bits |= (1 << length) - 1;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The code and its length in bits of a symbol; 256 is EOS.
    pub(in crate::http2::hpack) fn code_of(symbol: u16) -> (u32, u32) {
        if symbol == 256 {
            return (0x3fff_ffff, 30);
        }
        let found = ROWS.iter().find_map(|row| {
            let index = row.symbols.iter().position(|&other| u16::from(other) == symbol)?;
            Some(((row.first >> (32 - row.length)) + index as u32, row.length))
        });
        found.expect("every byte has a code")
    }

    /// Codes of these symbols, then so many bits of padding, which is ones.
    fn bits(symbols: &[u16]) -> Vec<bool> {
        let codes = symbols.iter().map(|&symbol| code_of(symbol));
        codes.flat_map(|(code, length)| (0..length).rev().map(move |bit| code >> bit & 1 == 1)).collect()
    }

    fn bytes(bits: &[bool]) -> Vec<u8> {
        let byte =
            |bits: &[bool]| (0..8).fold(0, |byte, at| byte << 1 | u8::from(bits.get(at) != Some(&false)));
        bits.chunks(8).map(byte).collect()
    }

    pub(in crate::http2::hpack) fn encode(text: &[u8]) -> Vec<u8> {
        bytes(&bits(&text.iter().map(|&byte| u16::from(byte)).collect::<Vec<_>>()))
    }

    fn decoded(code: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = b"before".to_vec();
        decode(code, &mut out)?;
        assert!(out.starts_with(b"before"));
        Ok(out.split_off(6))
    }

    #[test]
    fn each_byte_has_one_code() {
        let mut count = [0; 256];
        ROWS.iter().flat_map(|row| row.symbols).for_each(|&symbol| count[usize::from(symbol)] += 1);
        assert_eq!(count, [1; 256]);
        // Some of RFC 7541 Appendix B, the first and the last code of several lengths.
        for (symbol, code, length) in [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b'u', 0x2d, 6),
            (b'z', 0x7b, 7),
            (b'&', 0xf8, 8),
            (b'!', 0x3f8, 10),
            (b'|', 0x7fc, 11),
            (b'~', 0x1ffd, 13),
            (b'{', 0x7ffe, 15),
            (b'\\', 0x7fff0, 19),
            (239, 0x7f_fff4, 23),
            (255, 0x3ff_ffee, 26),
            (249, 0xfff_fffe, 28),
            (22, 0x3fff_fffe, 30),
        ] {
            assert_eq!(code_of(u16::from(symbol)), (code, length), "{symbol}");
        }
    }

    #[test]
    fn what_is_no_code() {
        let letter = &u16::from(b'0');
        for padding in 0..40 {
            for letters in 0..20 {
                let mut text = bits(&vec![*letter; letters]);
                text.extend(vec![true; padding]);
                if text.len().is_multiple_of(8) {
                    let expected =
                        if padding < 8 { Ok(vec![b'0'; letters]) } else { Err(HpackError::Huffman) };
                    assert_eq!(decoded(&bytes(&text)), expected, "{letters} letters, {padding} bits");
                }
            }
        }
        for symbols in [&[256][..], &[97, 256], &[256, 97], &[97, 97, 97, 256, 97, 97, 97]] {
            assert_eq!(decoded(&bytes(&bits(symbols))), Err(HpackError::Huffman), "{symbols:?}");
        }
        // Padding that is not all ones: `0` and `a` are 00000 and 00011.
        for code in [&b"\0"[..], b"\x07\xfe", b"\x06", b"\x1f\xf0"] {
            assert_eq!(decoded(code), Err(HpackError::Huffman), "{}", code.escape_ascii());
        }
        assert_eq!(decoded(b""), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text: Vec<u8>) {
            prop_assert_eq!(decoded(&encode(&text)), Ok(text));
        }

        /// Whatever is accepted is what an encoder would have written.
        #[test]
        fn there_is_one_code_for_each_text(code in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(text) = decoded(&code) {
                prop_assert_eq!(encode(&text), code);
            }
        }

        #[test]
        fn plain_text_too(text in "[ -~]{0,200}") {
            prop_assert_eq!(decoded(&encode(text.as_bytes())), Ok(text.into_bytes()));
        }
    }
}
