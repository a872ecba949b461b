//! What the demo shows of each origin, as a table of text.

use irongate_telemetry::EndpointReading;
use std::time::Duration;

/// What is shown of one origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: String,
    /// Its part of the attempts of the last few seconds, 0 to 1.
    pub(crate) share: f64,
    /// Attempts since the start.
    pub(crate) requests: u64,
    /// Those of them that it failed.
    pub(crate) failures: u64,
    /// Half of its answers of the last few seconds began within this; `None` without answers.
    pub(crate) p50: Option<Duration>,
    /// All but a hundredth.
    pub(crate) p99: Option<Duration>,
    /// What the balancer takes its latency to be; `None` before it knows.
    pub(crate) estimate: Option<Duration>,
    /// Whether it takes requests: `ready`, `ejected`, `unreachable`.
    pub(crate) health: &'static str,
    /// For how long its health has been so.
    pub(crate) since: Option<Duration>,
}

impl Row {
    /// A row from what was counted since the start and in the last few seconds, and how many attempts all origins
    /// had in those seconds. What only the balancer knows is left to be filled in.
    pub(crate) fn measured(
        name: &str,
        total: &EndpointReading,
        recent: &EndpointReading,
        attempts: u64,
    ) -> Self {
        let quantile = |share| recent.latency.quantile_micros(share).map(Duration::from_micros);
        Self {
            name: name.to_owned(),
            share: if attempts == 0 { 0.0 } else { recent.attempts as f64 / attempts as f64 },
            requests: total.attempts,
            failures: total.failures,
            p50: quantile(0.5),
            p99: quantile(0.99),
            estimate: None,
            health: "",
            since: None,
        }
    }
}

/// A table with a heading and a line a row; no line is wider than `width` characters. Where there is too
/// little room, columns are left out: the bar first.
pub(crate) fn render(rows: &[Row], width: usize) -> String {
    let mut columns: Vec<Column> = COLUMNS.iter().map(|&kind| Column::new(kind, rows)).collect();
    while total(&columns) > width {
        let Some(least) = (0..columns.len()).min_by_key(|&index| columns[index].kind.worth()) else { break };
        if columns.len() == 1 {
            break;
        }
        columns.remove(least);
    }
    let mut text = String::new();
    for line in 0..=rows.len() {
        let cells: Vec<String> = columns.iter().map(|column| column.cell(line)).collect();
        text.extend(cells.join(GAP).trim_end().chars().take(width));
        text.push('\n');
    }
    text
}

const GAP: &str = "  ";
const BAR: usize = 12;
const COLUMNS: [Kind; 10] = [
    Kind::Name,
    Kind::Share,
    Kind::Bar,
    Kind::Requests,
    Kind::Failures,
    Kind::P50,
    Kind::P99,
    Kind::Estimate,
    Kind::Health,
    Kind::Since,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Share,
    Bar,
    Requests,
    Failures,
    P50,
    P99,
    Estimate,
    Health,
    Since,
}

impl Kind {
    /// The heading, and the least width: wide enough that columns do not move while numbers grow.
    fn heading(self) -> (&'static str, usize) {
        match self {
            Self::Name => ("origin", 6),
            Self::Share => ("share", 5),
            Self::Bar => ("", BAR),
            Self::Requests => ("requests", 8),
            Self::Failures => ("failures", 8),
            Self::P50 => ("p50", 6),
            Self::P99 => ("p99", 6),
            Self::Estimate => ("estimate", 8),
            Self::Health => ("health", 11),
            Self::Since => ("", 5),
        }
    }

    fn is_left_aligned(self) -> bool {
        matches!(self, Self::Name | Self::Bar | Self::Health | Self::Since)
    }

    /// The least worthy column goes first.
    fn worth(self) -> u8 {
        match self {
            Self::Bar => 0,
            Self::Since => 1,
            Self::Estimate => 2,
            Self::P50 => 3,
            Self::Failures => 4,
            Self::Requests => 5,
            Self::P99 => 6,
            Self::Share => 7,
            Self::Health => 8,
            Self::Name => 9,
        }
    }

    fn value(self, row: &Row) -> String {
        match self {
            Self::Name => row.name.clone(),
            Self::Share => format!("{:.0} %", row.share * 100.0),
            Self::Bar => bar(row.share),
            Self::Requests => row.requests.to_string(),
            Self::Failures => row.failures.to_string(),
            Self::P50 => duration(row.p50),
            Self::P99 => duration(row.p99),
            Self::Estimate => duration(row.estimate),
            Self::Health => row.health.to_owned(),
            Self::Since => row.since.map(age).unwrap_or_default(),
        }
    }
}

/// A column's texts, the heading first, and how wide it is.
struct Column {
    kind: Kind,
    texts: Vec<String>,
    width: usize,
}

impl Column {
    fn new(kind: Kind, rows: &[Row]) -> Self {
        let (heading, least) = kind.heading();
        let texts: Vec<String> =
            std::iter::once(heading.to_owned()).chain(rows.iter().map(|row| kind.value(row))).collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(least);
        Self { kind, texts, width }
    }

    fn cell(&self, line: usize) -> String {
        let (text, width) = (&self.texts[line], self.width);
        if self.kind.is_left_aligned() { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

fn total(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width).sum::<usize>() + GAP.len() * columns.len().saturating_sub(1)
}

/// A share as a bar, to an eighth of a character.
fn bar(share: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// A latency with two or three digits.
fn duration(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return "–".to_owned() };
    match duration.as_secs_f64() * 1e3 {
        millis if millis < 0.9995 => format!("{:.0} µs", millis * 1e3),
        millis if millis < 9.95 => format!("{millis:.1} ms"),
        millis if millis < 999.5 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1e3),
    }
}

/// A time gone by, in its largest unit.
fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let millis = |millis| Some(Duration::from_millis(millis));
        let steady = Row {
            name: "steady".to_owned(),
            share: 0.77,
            requests: 12_345,
            failures: 0,
            p50: Some(Duration::from_micros(5_120)),
            p99: millis(12),
            estimate: Some(Duration::from_micros(850)),
            health: "ready",
            since: Some(Duration::from_secs(125)),
        };
        let slow = Row { name: "slow".to_owned(), share: 0.23, p99: millis(1_234), ..steady };
        let flaky = Row {
            name: "flaky".to_owned(),
            share: 0.0,
            failures: 17,
            p50: None,
            p99: None,
            estimate: None,
            health: "unreachable",
            since: Some(Duration::from_secs(9)),
            ..steady
        };
        vec![steady, slow, flaky]
    }

    #[track_caller]
    fn check(width: usize, expected: &str) {
        let table = render(&rows(), width);
        assert_eq!(table, expected, "\n{table}");
        assert!(table.lines().all(|line| line.chars().count() <= width));
    }

    #[test]
    fn a_wide_terminal_gets_every_column() {
        check(
            110,
            "\
origin  share                requests  failures     p50     p99  estimate  health
steady   77 %  █████████▎       12345         0  5.1 ms   12 ms    850 µs  ready        2 min
slow     23 %  ██▊              12345         0  5.1 ms   1.2 s    850 µs  ready        2 min
flaky     0 %                   12345        17       –       –         –  unreachable  9 s
",
        );
    }

    #[test]
    fn eighty_columns_do_without_the_bar() {
        check(
            80,
            "\
origin  share  requests  failures     p50     p99  estimate  health
steady   77 %     12345         0  5.1 ms   12 ms    850 µs  ready        2 min
slow     23 %     12345         0  5.1 ms   1.2 s    850 µs  ready        2 min
flaky     0 %     12345        17       –       –         –  unreachable  9 s
",
        );
    }

    #[test]
    fn narrow_ones_get_what_matters() {
        check(
            30,
            "\
origin  share  health
steady   77 %  ready
slow     23 %  ready
flaky     0 %  unreachable
",
        );
        check(4, "orig\nstea\nslow\nflak\n");
        assert_eq!(render(&[], 80).lines().count(), 1);
    }

    #[test]
    fn latencies_and_ages_are_short() {
        for (micros, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (9_949, "9.9 ms"),
            (9_960, "10 ms"),
            (999_600, "1.0 s"),
        ] {
            assert_eq!(duration(Some(Duration::from_micros(micros))), text);
        }
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn rows_come_from_readings() {
        let total = EndpointReading { attempts: 100, failures: 3, ..EndpointReading::default() };
        let recent = EndpointReading { attempts: 5, ..EndpointReading::default() };
        let row = Row::measured("a", &total, &recent, 20);
        assert_eq!((row.share, row.requests, row.failures, row.p50), (0.25, 100, 3, None));
        assert!(Row::measured("a", &total, &recent, 0).share == 0.0);
    }
}
