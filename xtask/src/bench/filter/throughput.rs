//! What servers achieve under each filter.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Filters, Way};
use crate::bench::report::{Bound, Limit, Line};
use crate::bench::servers::{Load, Run, Server, Start};
use crate::bench::stats::Spread;
use crate::ui;

/// How often each of the servers is under load before they are started again.
const TURNS: usize = 6;

/// The share of its throughput under Docker's default that a server has to keep.
const KEPT: f64 = 0.99;

/// What a server achieved in each way, turn by turn.
pub struct Served {
    pub name: &'static str,
    /// The shares of its calls for which the kernel runs the filter: of Docker's default, and of Strait's profile.
    filtered: [f64; 2],
    ways: Vec<(Way, Vec<Run>)>,
}

/// Runs the server in all ways at once, and puts one after the other under load: a server without load does nothing, and
/// what is compared is a second apart. A process is faster or slower than its like by where its memory is, so they are
/// started again some times.
pub fn measure(
    filters: &Filters<'_>,
    name: &'static str,
    start: Start,
    profile: &Path,
    filtered: [f64; 2],
    lives: u32,
) -> Result<Served> {
    let mut served =
        Served { name, filtered, ways: Way::ALL.map(|way| (way, Vec::new())).to_vec() };
    for life in 1..=lives {
        ui::step(format_args!("filters: {name}, start {life} of {lives}"));
        let servers = Way::ALL
            .iter()
            .map(|way| start(filters.under(*way, profile)).with_context(|| way.title()))
            .collect::<Result<Vec<Box<dyn Server>>>>()?;
        for turn in 0..TURNS {
            for index in order(turn, servers.len()) {
                let run = servers[index].load(Load::Short)?;
                served.ways[index].1.push(run);
            }
        }
        servers.into_iter().try_for_each(Server::end)?;
    }
    Ok(served)
}

/// Each turn begins with another one, and every second turn goes backwards, so that none is always the first.
fn order(turn: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|index| (index + turn / 2) % count).collect();
    if turn % 2 == 1 {
        order.reverse();
    }
    order
}

impl Served {
    fn runs(&self, way: Way) -> &[Run] {
        self.ways.iter().find(|(one, _)| *one == way).map_or(&[], |(_, runs)| runs)
    }

    fn filtered(&self, way: Way) -> Option<f64> {
        match way {
            Way::Free => None,
            Way::Docker(_) => Some(self.filtered[0]),
            Way::Strait(_) => Some(self.filtered[1]),
        }
    }

    fn rate(&self, way: Way) -> Spread {
        Spread::from_figures(&self.runs(way).iter().map(|run| run.rate).collect::<Vec<_>>())
    }

    /// A figure in a way against the same in another, within each turn.
    fn against(&self, way: Way, other: Way, figure: impl Fn(&Run) -> f64) -> Spread {
        let pairs = self.runs(way).iter().zip(self.runs(other));
        Spread::from_figures(
            &pairs.map(|(one, other)| figure(one) / figure(other)).collect::<Vec<_>>(),
        )
    }

    /// The share of its throughput in the other way.
    fn kept(&self, way: Way, other: Way) -> Spread {
        self.against(way, other, |run| run.rate)
    }

    /// CPU time of a request, as a multiple of that in the other way.
    fn cpu(&self, way: Way, other: Way) -> f64 {
        self.against(way, other, |run| run.cpu).median
    }

    pub fn lines(&self) -> Vec<Line> {
        let line = |way: Way| {
            let mut remark = String::new();
            if let Some(share) = self.filtered(way) {
                let cpu = self.cpu(way, Way::Free);
                remark = format!("runs for {:.3} % of calls; CPU time × {cpu:.3}", 100.0 * share);
            }
            if let Some(rival) = way.rival() {
                let kept = self.kept(way, rival);
                remark.push_str(&format!(
                    ", of Docker's × {:.3}; kept {:.3}–{:.3}",
                    self.cpu(way, rival),
                    kept.min,
                    kept.max
                ));
            }
            Line {
                name: format!("{}, {}", self.name, way.title()),
                unit: "req/s",
                figure: Some(self.rate(way)),
                ratio: (way != Way::Free).then(|| self.kept(way, Way::Free).median),
                remark,
                bound: way.rival().map(|rival| Bound {
                    what: "of Docker's:",
                    value: self.kept(way, rival).median,
                    limit: Limit::AtLeast(KEPT),
                }),
            }
        };
        Way::ALL.map(line).to_vec()
    }

    /// A row for each way.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |way: Way| {
            let share = |other: Option<Way>| {
                other.map_or_else(String::new, |other| {
                    let (kept, cpu) = (self.kept(way, other).median, self.cpu(way, other));
                    format!("{:.1} %, CPU {:.1} %", 100.0 * kept, 100.0 * cpu)
                })
            };
            let free = (way != Way::Free).then_some(Way::Free);
            vec![
                format!("{}, {}", self.name, way.title()),
                format!("{:.0}", self.rate(way).median),
                self.filtered(way)
                    .map_or_else(String::new, |share| format!("{:.3} %", 100.0 * share)),
                share(free),
                share(way.rival()),
            ]
        };
        Way::ALL.map(row).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    #[test]
    fn a_turn_has_each_server_once_and_none_is_always_first() {
        let turns: Vec<Vec<usize>> = (0..TURNS).map(|turn| order(turn, 5)).collect();
        for turn in &turns {
            let mut sorted = turn.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        let first: std::collections::BTreeSet<usize> = turns.iter().map(|turn| turn[0]).collect();
        assert!(first.len() >= 4, "{first:?}");
    }

    #[test]
    fn a_profile_is_rated_within_each_turn() {
        let run = |rate: f64| Run { rate, cpu: 1e6 / rate };
        // The machine is slow in the second turn.
        let turns = |share: f64| vec![run(1000.0 * share), run(500.0 * share), run(1000.0 * share)];
        let way = |way| match way {
            Way::Strait(Layout::Tree) => (way, turns(0.995)),
            Way::Strait(Layout::List) => (way, turns(0.97)),
            _ => (way, turns(1.0)),
        };
        let served = Served { name: "x", filtered: [0.0, 0.01], ways: Way::ALL.map(way).to_vec() };
        let missed: Vec<bool> = served.lines().iter().map(Line::misses).collect();
        assert_eq!(missed, [false, false, false, false, true]);
        assert_eq!(served.rows()[2][4], "99.5 %, CPU 100.5 %");
        assert_eq!(served.rows()[2][2], "1.000 %");
        assert_eq!(served.rows()[0][2..], ["", "", ""]);
    }
}
