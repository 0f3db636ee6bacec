//! Real workloads: how much of their untraced throughput is left when they are recorded.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Lab;
use super::floor::Floor;
use super::report::{Bound, Limit, Line};
use super::stats::Spread;
use crate::nginx::{Site, free_port};
use crate::run::Tool;
use crate::ui;

const PATIENCE: Duration = Duration::from_secs(30);

/// A workload: what it is called, its unit, and how to run it behind some words.
type Workload = (&'static str, &'static str, fn(Tool) -> Result<f64>);

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
}

fn compare(
    lab: &Lab,
    floor: &mut Floor,
    name: &str,
    unit: &'static str,
    workload: fn(Tool) -> Result<f64>,
    rounds: u32,
) -> Result<Line> {
    let (mut untraced, mut recorded) = (Vec::new(), Vec::new());
    let (mut kept, mut kept_by_empty) = (Vec::new(), Vec::new());
    let mut last = workload(Tool::new("env"))?;
    for _ in 0..rounds {
        for way in [Way::Floor, Way::Recorded] {
            let traced = match way {
                Way::Floor => floor.attached(|| workload(Tool::new("env")))?,
                Way::Recorded => workload(lab.recorder())?,
            };
            // Between two untraced ones, so that a drift of the machine's speed cancels out, and the
            // kernel has time to take the last tracer out.
            let next = workload(Tool::new("env"))?;
            let share = traced / f64::midpoint(last, next);
            match way {
                Way::Floor => kept_by_empty.push(share),
                Way::Recorded => {
                    recorded.push(traced);
                    kept.push(share);
                }
            }
            untraced.push(next);
            last = next;
        }
    }
    let (kept, kept_by_empty) = (Spread::of(&kept), Spread::of(&kept_by_empty));
    Ok(Line {
        name: format!("{name}, recorded"),
        unit,
        figure: Some(Spread::of(&recorded)),
        ratio: Some(kept.median),
        remark: format!(
            "untraced {:.0}, kept {:.3}–{:.3}; an empty tracepoint keeps {:.3}",
            Spread::of(&untraced).median,
            kept.min,
            kept.max,
            kept_by_empty.median
        ),
        bound: Some(Bound {
            what: "of untraced:",
            value: kept.median,
            limit: Limit::AtLeast(0.95),
        }),
    })
}

fn nginx(under: Tool) -> Result<f64> {
    let site = Site::new(1)?;
    let mut running = under.args(site.command()?).start("nginx")?;
    site.wait_ready(&mut running)?;
    let output = Tool::new("wrk")
        .args(["-t1", "-c32", "-d3s", &format!("http://127.0.0.1:{}/", site.port)])
        .stdout("wrk")?;
    site.quit()?;
    running.wait(PATIENCE)?;
    parse_wrk(&output)
}

fn parse_wrk(output: &str) -> Result<f64> {
    output
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok())
        .with_context(|| format!("wrk names no rate, but says:\n{output}"))
}

fn redis(under: Tool) -> Result<f64> {
    let dir = tempfile::tempdir().context("cannot make a directory for redis")?;
    let port = free_port()?;
    let flag = port.to_string();
    let mut server = under
        .args(["redis-server", "--bind", "127.0.0.1", "--port", &flag, "--save", ""])
        .args(["--appendonly", "no", "--loglevel", "warning", "--logfile", "redis.log"])
        .current_dir(dir.path())
        .start("redis")?;
    server.wait_until("redis accepted a connection", PATIENCE, || {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let output = Tool::new("redis-benchmark")
        .args(["-p", &flag, "-n", "200000", "-c", "32", "-t", "set,get", "--csv"])
        .stdout("redis-benchmark")?;
    Tool::new("redis-cli").args(["-p", &flag, "shutdown", "nosave"]).quiet("stopping redis")?;
    server.wait(PATIENCE)?;
    parse_redis(&output)
}

/// The mean rate over the kinds of request.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn parse_redis(output: &str) -> Result<f64> {
    let rates: Vec<f64> = output
        .lines()
        .filter_map(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok())
        .collect();
    anyhow::ensure!(!rates.is_empty(), "redis-benchmark names no rate, but says:\n{output}");
    Ok(rates.iter().sum::<f64>() / rates.len() as f64)
}

/// A subshell, a pipe and two new programs each time.
const SCRIPT: &str =
    "i=0; while [ $i -lt 400 ]; do /bin/echo $i | /bin/cat >/dev/null; i=$((i+1)); done";
const RUNS: f64 = 400.0;

fn script(under: Tool) -> Result<f64> {
    // From its own first to its last instruction: what recording costs at the start is told apart.
    let timed = format!("date +%s%N; {SCRIPT}; date +%s%N");
    let begun = Instant::now();
    let output = under.args(["sh", "-c", &timed]).stdout("the shell script")?;
    parse_interval(&output, begun.elapsed()).map(|seconds| RUNS / seconds)
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
    fn the_tools_rates_are_understood() {
        let wrk = "  123 requests in 3.00s\nRequests/sec:  51234.50\nTransfer/sec: 1MB\n";
        assert_eq!(parse_wrk(wrk).unwrap(), 51234.5);
        let redis =
            "\"test\",\"rps\",\"avg\"\n\"SET\",\"100.5\",\"0.1\"\n\"GET\",\"200.5\",\"0.1\"\n";
        assert_eq!(parse_redis(redis).unwrap(), 150.5);
        assert!(parse_wrk("").is_err() && parse_redis("").is_err());
    }

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let whole = Duration::from_secs(2);
        assert_eq!(parse_interval("1000000000\n2000000000\n", whole).unwrap(), 1.0);
        assert!(parse_interval("2000000000\n1000000000\n", whole).is_err());
        assert!(parse_interval("1000000000\n9000000000\n", whole).is_err());
    }
}
