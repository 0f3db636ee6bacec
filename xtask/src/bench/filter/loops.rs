//! What a call takes under each filter, in loops of one call.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Filters, Way};
use crate::bench::report::Line;
use crate::bench::stats::{Spread, median};
use crate::table::Table;
use crate::ui;

/// Nanoseconds of a call, by loop and round.
pub struct Loops {
    calls: Vec<String>,
    ways: Vec<(Way, Vec<Vec<f64>>)>,
}

/// Runs the loops in every way in turn, round by round.
pub fn measure(filters: &Filters<'_>, profile: &Path, rounds: u32) -> Result<Loops> {
    let mut loops =
        Loops { calls: Vec::new(), ways: Way::ALL.map(|way| (way, Vec::new())).to_vec() };
    for round in 1..=rounds {
        ui::step(format_args!("filters: cost per call, round {round} of {rounds}"));
        for (way, figures) in &mut loops.ways {
            let tool = filters.under(*way, profile).arg(filters.tool).arg("loop");
            let output = tool.output(&way.title())?;
            let (calls, costs) = parse(&String::from_utf8_lossy(&output.stdout))?;
            ensure!(loops.calls.is_empty() || loops.calls == calls, "other loops than before");
            loops.calls = calls;
            figures.push(costs);
        }
    }
    Ok(loops)
}

/// Names and figures.
fn parse(output: &str) -> Result<(Vec<String>, Vec<f64>)> {
    let line = |line: &str| {
        let (name, figure) = line.split_once(": ")?;
        Some((name.to_owned(), figure.parse().ok()?))
    };
    let all: Option<Vec<(String, f64)>> = output.lines().map(line).collect();
    let all = all.with_context(|| format!("a loop printed no figure, but:\n{output}"))?;
    ensure!(!all.is_empty(), "the loops printed nothing");
    Ok(all.into_iter().unzip())
}

impl Loops {
    /// The figures of a loop in a way, by round.
    fn figures(&self, way: Way, call: usize) -> Vec<f64> {
        let rounds = self.ways.iter().find(|(one, _)| *one == way);
        let rounds = rounds.map(|(_, rounds)| rounds.iter().map(|costs| costs[call]));
        rounds.into_iter().flatten().collect()
    }

    /// What a filter adds to a call: the median over the rounds, whose noise is shared.
    fn added(&self, way: Way, call: usize) -> f64 {
        let free = self.figures(Way::Free, call);
        let under = self.figures(way, call);
        median(&under.iter().zip(free).map(|(under, free)| under - free).collect::<Vec<_>>())
    }

    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            let free = median(&self.figures(Way::Free, index));
            for way in Way::ALL {
                let figure = Spread::from_figures(&self.figures(way, index));
                let added = self.added(way, index);
                lines.push(Line {
                    name: format!("{call}, {}", way.title()),
                    unit: "ns",
                    figure: Some(figure),
                    ratio: (way != Way::Free).then(|| (free + added) / free),
                    remark: if way == Way::Free {
                        String::new()
                    } else {
                        format!("{added:+.0} ns")
                    },
                    bound: None,
                });
            }
        }
        lines
    }

    /// A row for each loop.
    pub fn table(&self) -> Table {
        let mut head = vec!["Call".to_owned()];
        head.extend(Way::ALL.map(Way::title));
        let mut rows = vec![head];
        for (index, call) in self.calls.iter().enumerate() {
            let mut row = vec![call.clone()];
            row.extend(Way::ALL.map(|way| match way {
                Way::Free => format!("{:.0} ns", median(&self.figures(way, index))),
                _ => format!("{:+.0} ns", self.added(way, index)),
            }));
            rows.push(row);
        }
        Table(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    /// Two loops and three rounds; the machine is twice as slow in the second.
    pub fn example() -> Loops {
        let rounds =
            |cost: f64| vec![vec![100.0, cost], vec![200.0, cost + 100.0], vec![100.0, cost]];
        let way = |way| {
            let cost = if way == Way::Strait(Layout::List) { 140.0 } else { 120.0 };
            (way, rounds(cost))
        };
        Loops {
            calls: vec!["read".to_owned(), "ioctl".to_owned()],
            ways: Way::ALL.map(way).to_vec(),
        }
    }

    #[test]
    fn what_a_filter_adds_is_told_within_each_round() {
        let loops = example();
        assert_eq!(loops.added(Way::Strait(Layout::List), 1), 20.0);
        assert_eq!(loops.added(Way::Docker(Layout::List), 1), 0.0);
        let table = loops.table().markdown();
        assert!(table.contains("| ioctl | 120 ns | +0 ns | +0 ns | +0 ns | +20 ns |"), "{table}");
        assert_eq!(loops.lines().len(), 2 * Way::ALL.len());
    }

    #[test]
    fn the_loops_figures_are_understood() {
        let (calls, costs) = parse("read: 81.25\nmmap and munmap: 900.00\n").unwrap();
        assert_eq!((calls[1].as_str(), costs[0]), ("mmap and munmap", 81.25));
        assert!(parse("").is_err() && parse("filter: no\n").is_err());
    }
}
