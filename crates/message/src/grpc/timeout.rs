//! `grpc-timeout`: up to eight digits and a unit.

use crate::bytes::write_decimal;
use std::time::Duration;

const MOST: u128 = 99_999_999;

/// Reads the value of a `grpc-timeout`; `None` if it is none.
#[must_use]
pub fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Appends a `grpc-timeout` in the finest unit that has room: never more than was given (but that less than a
/// microsecond is one), and less by no more than one part in 100,000.
/// More than 99,999,999 hours are said as so many.
pub fn write_grpc_timeout(timeout: Duration, out: &mut Vec<u8>) {
    let micros = timeout.as_micros().max(1);
    let units = [(1, b'u'), (1_000, b'm'), (1_000_000, b'S'), (60_000_000, b'M'), (3_600_000_000, b'H')];
    let (count, unit) = units
        .into_iter()
        .map(|(size, unit)| (micros / size, unit))
        .find(|(count, _)| *count <= MOST)
        .unwrap_or((MOST, b'H'));
    write_decimal(u64::try_from(count).unwrap_or(u64::MAX), out);
    out.push(unit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values() {
        for (text, expected) in [
            ("1S", Some(Duration::from_secs(1))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("100m", Some(Duration::from_millis(100))),
            ("20u", Some(Duration::from_micros(20))),
            ("0n", Some(Duration::ZERO)),
            ("123456789S", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
            ("1 S", None),
            ("", None),
        ] {
            assert_eq!(parse_grpc_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse_grpc_timeout(&value);
        }

        #[test]
        fn what_is_written_is_read_and_never_more(nanos in any::<u64>(), more in 1_u32..10) {
            let timeout = Duration::from_nanos(nanos) * more;
            let mut text = Vec::new();
            write_grpc_timeout(timeout, &mut text);
            let read = parse_grpc_timeout(&text).expect("valid");
            let least = timeout - timeout / 100_000 - Duration::from_micros(1).min(timeout - timeout / 100_000);
            prop_assert!(read <= timeout.max(Duration::from_micros(1)));
            prop_assert!(read >= least, "{timeout:?} was written {}", String::from_utf8_lossy(&text));
        }
    }
}
