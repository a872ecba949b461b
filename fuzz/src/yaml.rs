//! Mutations that keep YAML mostly YAML: lines, values and indentation are moved, and every other time bytes are.

use libfuzzer_sys::fuzzer_mutate;

/// Values that mean something somewhere.
const VALUES: &[&str] = &[
    "null",
    "~",
    "true",
    "0",
    "-1",
    "1",
    "80",
    "65535",
    "65536",
    "99999999999999999999",
    "1.5",
    "1e999",
    ".nan",
    "\"\"",
    "\"80\"",
    "'a'",
    "[]",
    "{}",
    "[[]]",
    "{a: b}",
    "*a",
    "&a x",
    "!x y",
    "|",
    ">-",
    "a",
    "A_b",
    "app",
    "gw",
    "http",
    "default",
    "/",
    "//a/../b",
    "/%2e",
    "(a|b)*",
    "a{999}",
    "(?i)x",
    "\\p{L}+",
    "*.example.com",
    "*",
    "a.b",
    "0s",
    "1h",
    "1d",
    "10.0.0.1",
    "\"::1\"",
    "10.0.0.1:80",
    "None",
    "Same",
    "All",
    "Selector",
    "Exact",
    "PathPrefix",
    "RegularExpression",
    "Service",
    "Gateway",
    "HTTPRoute",
    "IPv6",
    "FQDN",
    "ExternalName",
    "kubernetes.io/h2c",
    "https",
    "aGk=",
    "\u{e9}",
];

/// Changes `data` in place; gives its new length.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) | 1 << 40);
    let text = match std::str::from_utf8(&data[..size]) {
        Ok(text) if dice.below(3) > 0 => text.to_owned(),
        _ => return fuzzer_mutate(data, size, max_size),
    };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for _ in 0..=dice.below(3) {
        edit(&mut lines, &mut dice);
    }
    let text = lines.join("\n");
    // A piece of a character at the end is one more thing to read.
    let length = text.len().min(max_size);
    data[..length].copy_from_slice(&text.as_bytes()[..length]);
    length
}

fn edit(lines: &mut Vec<String>, dice: &mut Dice) {
    let at = dice.below(lines.len());
    let other = dice.below(lines.len());
    match dice.below(9) {
        0 => lines.swap(at, other),
        1 => lines.insert(at, lines[other].clone()),
        2 if lines.len() > 1 => drop(lines.remove(at)),
        3 => lines[at].insert_str(0, "  "),
        4 => lines[at] = lines[at].strip_prefix("  ").unwrap_or(&lines[at]).to_owned(),
        5 => lines.insert(at, "---".to_owned()),
        6 => {
            // A block of lines once more, somewhere else.
            let count = (1 + dice.below(8)).min(lines.len() - at);
            let block: Vec<String> = lines[at..at + count].to_vec();
            lines.splice(other..other, block);
        }
        _ => replace_value(&mut lines[at], dice),
    }
}

/// Puts another value behind one of the line's colons or dashes.
fn replace_value(line: &mut String, dice: &mut Dice) {
    let starts: Vec<usize> =
        line.match_indices(": ").chain(line.match_indices("- ")).map(|(at, _)| at + 2).collect();
    let value = VALUES[dice.below(VALUES.len())];
    match starts.get(dice.below(starts.len().max(1))) {
        None => line.push_str(value),
        Some(&start) => {
            let end = line[start..].find([',', '}', ']']).map_or(line.len(), |end| start + end);
            line.replace_range(start..end, value);
        }
    }
}

/// A small generator of random numbers (xorshift): good enough for choosing.
struct Dice(u64);

impl Dice {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
