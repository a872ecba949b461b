//! `Accept-Encoding` (RFC 9110 §12.5.3).

use irongate_config::ContentCoding;

/// What a client accepts; qualities in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accepted {
    codings: [Option<u16>; ContentCoding::ALL.len()],
    /// All that is not named.
    others: Option<u16>,
    /// The content as it is, if that is named.
    pub(super) identity: Option<u16>,
}

impl Accepted {
    /// Reads the field's lines. What is malformed counts for nothing; of what is named twice the last counts.
    pub(super) fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut accepted = Self::default();
        for item in values.flat_map(|value| value.split(|&byte| byte == b',')) {
            let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let Some(quality) = quality(parts) else { continue };
            if name.eq_ignore_ascii_case(b"identity") {
                accepted.identity = Some(quality);
            } else if name == b"*" {
                accepted.others = Some(quality);
            } else {
                // RFC 9110 §8.4.1.3: `x-gzip` is another name of it.
                let name: &[u8] = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
                let is_named = |coding: &ContentCoding| name.eq_ignore_ascii_case(coding.as_str().as_bytes());
                if let Some(place) = ContentCoding::ALL.iter().position(is_named) {
                    accepted.codings[place] = Some(quality);
                }
            }
        }
        accepted
    }

    /// How much a coding is wanted; 0: not at all.
    pub(super) fn quality(&self, coding: ContentCoding) -> u16 {
        let place = ContentCoding::ALL.iter().position(|one| *one == coding);
        place.and_then(|place| self.codings[place]).or(self.others).unwrap_or(0)
    }

    /// Whether the content as it is will not do.
    pub(super) fn refuses_identity(&self) -> bool {
        self.identity.or(self.others.filter(|quality| *quality == 0)) == Some(0)
    }
}

/// The weight that parameters say, in thousandths; 1 where they say none; `None` where it is malformed.
fn quality<'p>(mut parameters: impl Iterator<Item = &'p [u8]>) -> Option<u16> {
    let weight = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(2)?;
        name.eq_ignore_ascii_case(b"q=").then_some(value)
    });
    let Some(weight) = weight else { return Some(1000) };
    let (whole, digits): (&[u8], &[u8]) = match weight {
        [whole @ (b'0' | b'1')] => (std::slice::from_ref(whole), b""),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] => (std::slice::from_ref(whole), digits),
        _ => return None,
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths =
        (0..3).fold(0, |sum, place| sum * 10 + u16::from(digits.get(place).copied().unwrap_or(b'0') - b'0'));
    let sum = if whole == b"1" { 1000 + thousandths } else { thousandths };
    (sum <= 1000).then_some(sum)
}
