//! The bench's one table, and the same as JSON.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::stats::Spread;
use crate::ui;

/// A figure, what it means against what it is compared with, and how that is rated.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub name: String,
    pub unit: &'static str,
    /// `None` where it could not be measured; the remark says why.
    pub figure: Option<Spread>,
    /// Against the untraced run, or that without a filter, if that is something else.
    pub ratio: Option<f64>,
    pub remark: String,
    pub bound: Option<Bound>,
}

/// Something that has to hold.
#[derive(Clone, Debug, Serialize)]
pub struct Bound {
    /// What is rated, in words that read well before the value.
    pub what: &'static str,
    pub value: f64,
    pub limit: Limit,
}

/// How a value is rated.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
}

impl Bound {
    fn holds(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.value <= limit,
            Limit::AtLeast(limit) => self.value >= limit,
            Limit::Below(limit) => self.value < limit,
        }
    }
}

impl Line {
    /// Whether its bound does not hold.
    pub fn misses(&self) -> bool {
        self.bound.as_ref().is_some_and(|bound| !bound.holds())
    }

    fn cells(&self) -> [String; 5] {
        let (median, reach) = self.figure.map_or_else(Default::default, |figure| {
            (
                format!("{} {}", number(figure.median), self.unit),
                format!("{}–{}", number(figure.min), number(figure.max)),
            )
        });
        let ratio = self.ratio.map_or_else(String::new, |ratio| format!("{}×", number(ratio)));
        [self.name.clone(), median, reach, ratio, self.remark.clone()]
    }

    fn rating(&self) -> String {
        let Some(bound) = &self.bound else {
            return String::new();
        };
        let limit = match bound.limit {
            Limit::AtMost(limit) => format!("≤ {}", number(limit)),
            Limit::AtLeast(limit) => format!("≥ {}", number(limit)),
            Limit::Below(limit) => format!("< {}", number(limit)),
        };
        let verdict = ui::verdict(bound.holds());
        format!("{verdict} {} {} ({limit})", bound.what, number(bound.value))
    }
}

const HEAD: [&str; 5] = ["", "median", "min–max", "of plain", ""];

/// Aligned columns: what was measured, median, reach, ratio to the plain run, remark, rating.
pub fn table(lines: &[Line]) -> String {
    let mut rows = vec![(HEAD.map(str::to_owned), String::new())];
    rows.extend(lines.iter().map(|line| (line.cells(), line.rating())));
    let mut widths = [0; 5];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (cells, rating) in &rows {
        let mut row = String::new();
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            // Words to the left, figures to the right.
            let _ = if matches!(index, 0 | 4) {
                write!(row, "{cell:<width$}  ")
            } else {
                write!(row, "{cell:>width$}  ")
            };
        }
        row.push_str(rating);
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// The lines as a document for programs.
pub fn json(lines: &[Line]) -> Result<String> {
    #[derive(Serialize)]
    struct Rated<'a> {
        #[serde(flatten)]
        line: &'a Line,
        misses: bool,
    }
    let lines: Vec<_> = lines.iter().map(|line| Rated { line, misses: line.misses() }).collect();
    let document = serde_json::json!({ "schema": "strait.bench/v1", "lines": lines });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, value: f64, limit: Limit) -> Line {
        Line {
            name: name.to_owned(),
            unit: "ns",
            figure: Some(Spread { median: 82.4, min: 80.0, max: 1234.5 }),
            ratio: Some(1.5),
            remark: String::new(),
            bound: Some(Bound { what: "adds", value, limit }),
        }
    }

    #[test]
    fn a_bound_holds_up_to_its_limit() {
        assert!(!line("", 2.0, Limit::AtMost(2.0)).misses());
        assert!(line("", 2.01, Limit::AtMost(2.0)).misses());
        assert!(line("", 0.94, Limit::AtLeast(0.95)).misses());
        assert!(line("", 2.0, Limit::Below(2.0)).misses());
        assert!(line("", f64::NAN, Limit::AtMost(2.0)).misses());
    }

    #[test]
    fn columns_are_aligned() {
        let lines = [
            line("short", 1.0, Limit::AtMost(2.0)),
            line("a longer name", 3.0, Limit::AtMost(2.0)),
        ];
        let table = table(&lines);
        let columns: Vec<Option<usize>> =
            table.lines().skip(1).map(|row| row.find("82.4 ns")).collect();
        assert_eq!(columns[0], columns[1]);
        assert!(table.contains("PASS") && table.contains("MISS"), "{table}");
    }

    #[test]
    fn what_could_not_be_measured_says_why() {
        let mut line = line("perf", 1.0, Limit::AtMost(2.0));
        (line.figure, line.ratio, line.bound) = (None, None, None);
        line.remark = "not installed".to_owned();
        assert!(table(&[line]).lines().nth(1).unwrap().ends_with("not installed"));
    }

    #[test]
    fn the_document_names_its_schema_and_verdicts() {
        let text = json(&[line("a", 3.0, Limit::AtMost(2.0))]).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema"], "strait.bench/v1");
        assert_eq!(document["lines"][0]["misses"], true);
        assert_eq!(document["lines"][0]["bound"]["limit"]["at_most"], 2.0);
    }
}
