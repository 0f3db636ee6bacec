//! Real workloads: how much of their untraced throughput is left when they are recorded, and how much more
//! CPU time a request takes, of which the machine's neighbours take nothing away.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Lab;
use super::floor::Floor;
use super::report::{Bound, Limit, Line};
use super::servers::{self, Load, Run, Server};
use super::stats::{Spread, median};
use crate::run::Tool;
use crate::ui;

/// A workload: what it is called, its unit, and how to run it behind some words.
type Workload = (&'static str, &'static str, fn(Tool) -> Result<Run>);

/// Traced runs beside the untraced ones before and after them.
struct Shares {
    /// Rates, as shares of the untraced.
    kept: Vec<f64>,
    /// CPU times, as multiples of the untraced.
    cpu: Vec<f64>,
}

impl Shares {
    const NONE: Self = Self { kept: Vec::new(), cpu: Vec::new() };

    fn add(&mut self, traced: Run, before: Run, after: Run) {
        self.kept.push(traced.rate / f64::midpoint(before.rate, after.rate));
        self.cpu.push(traced.cpu / f64::midpoint(before.cpu, after.cpu));
    }
}

const WORKLOADS: [Workload; 3] = [
    ("nginx under wrk", "req/s", nginx),
    ("redis under redis-benchmark", "req/s", redis),
    ("a shell script that forks and execs", "runs/s", script),
];

pub fn measure(lab: &Lab, rounds: u32) -> Result<Vec<Line>> {
    let mut floor = Floor::load(lab)?;
    let mut lines = Vec::new();
    for (name, unit, workload) in WORKLOADS {
        ui::step(format_args!("{name}: {rounds} rounds"));
        let compared = compare(lab, &mut floor, name, unit, workload, rounds);
        lines.push(compared.with_context(|| name.to_owned())?);
    }
    Ok(lines)
}

/// How a workload is traced.
#[derive(Clone, Copy)]
enum Way {
    /// With an empty tracepoint attached: what no tracer can be cheaper than.
    Floor,
    Recorded,
    /// Recorded, and its programs are not scanned.
    WithoutScan,
}

fn compare(
    lab: &Lab,
    floor: &mut Floor,
    name: &str,
    unit: &'static str,
    workload: fn(Tool) -> Result<Run>,
    rounds: u32,
) -> Result<Line> {
    let (mut untraced, mut recorded) = (Vec::new(), Vec::new());
    let [mut shares, mut shares_of_empty, mut without_scan] = [const { Shares::NONE }; 3];
    let mut last = workload(Tool::new("env"))?;
    for _ in 0..rounds {
        for way in [Way::Floor, Way::Recorded, Way::WithoutScan] {
            let traced = match way {
                Way::Floor => floor.attached(|| workload(Tool::new("env")))?,
                Way::Recorded => workload(lab.recorder())?,
                Way::WithoutScan => workload(lab.recorder_with(&["--no-scan"]))?,
            };
            // Between two untraced ones, so that a drift of the machine's speed cancels out, and the
            // kernel has time to take the last tracer out.
            let next = workload(Tool::new("env"))?;
            match way {
                Way::Floor => shares_of_empty.add(traced, last, next),
                Way::WithoutScan => without_scan.add(traced, last, next),
                Way::Recorded => {
                    recorded.push(traced.rate);
                    shares.add(traced, last, next);
                }
            }
            untraced.push(next.rate);
            last = next;
        }
    }
    let kept = Spread::from_figures(&shares.kept);
    let mut remark = format!(
        "untraced {:.0}, kept {:.3}–{:.3}; an empty tracepoint keeps {:.3}, --no-scan {:.3}",
        Spread::from_figures(&untraced).median,
        kept.min,
        kept.max,
        median(&shares_of_empty.kept),
        median(&without_scan.kept)
    );
    let (cpu, cpu_of_empty) = (median(&shares.cpu), median(&shares_of_empty.cpu));
    if !cpu.is_nan() {
        remark.push_str(&format!("; CPU time × {cpu:.3}, with an empty one × {cpu_of_empty:.3}"));
    }
    Ok(Line {
        name: format!("{name}, recorded"),
        unit,
        figure: Some(Spread::from_figures(&recorded)),
        ratio: Some(kept.median),
        remark,
        bound: Some(Bound {
            what: "of untraced:",
            value: kept.median,
            limit: Limit::AtLeast(0.95),
        }),
    })
}

fn nginx(under: Tool) -> Result<Run> {
    whole(servers::nginx(under)?)
}

fn redis(under: Tool) -> Result<Run> {
    whole(servers::redis(under)?)
}

/// From a server's start to its end.
fn whole(server: Box<dyn Server>) -> Result<Run> {
    let run = server.load(Load::Long)?;
    server.end()?;
    Ok(run)
}

/// A subshell, a pipe and two new programs each time.
const SCRIPT: &str =
    "i=0; while [ $i -lt 400 ]; do /bin/echo $i | /bin/cat >/dev/null; i=$((i+1)); done";
const RUNS: f64 = 400.0;

fn script(under: Tool) -> Result<Run> {
    // From its own first to its last instruction: what recording costs at the start is told apart.
    let timed = format!("date +%s%N; {SCRIPT}; date +%s%N");
    let begun = Instant::now();
    let output = under.args(["sh", "-c", &timed]).stdout("the shell script")?;
    let seconds = parse_interval(&output, begun.elapsed())?;
    Ok(Run { rate: RUNS / seconds, cpu: f64::NAN })
}

fn parse_interval(output: &str, whole: Duration) -> Result<f64> {
    let stamps: Vec<u64> = output.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let [start, end] = stamps[..] else {
        anyhow::bail!("the shell script printed no times, but:\n{output}");
    };
    let inside = Duration::from_nanos(end.saturating_sub(start));
    // The wall clock was set in between.
    anyhow::ensure!(!inside.is_zero() && inside <= whole, "the clock was set during the bench");
    Ok(inside.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let whole = Duration::from_secs(2);
        assert_eq!(parse_interval("1000000000\n2000000000\n", whole).unwrap(), 1.0);
        assert!(parse_interval("2000000000\n1000000000\n", whole).is_err());
        assert!(parse_interval("1000000000\n9000000000\n", whole).is_err());
    }
}
