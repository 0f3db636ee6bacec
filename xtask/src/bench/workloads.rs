//! Real workloads: how much of their untraced throughput is left when they are recorded, and how much more
//! CPU time a request takes, of which the machine's neighbours take nothing away.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::unistd::Pid;

use super::Lab;
use super::floor::Floor;
use super::report::{Bound, Limit, Line};
use super::stats::{Spread, median};
use crate::nginx::{Site, free_port};
use crate::run::Tool;
use crate::ui;

const PATIENCE: Duration = Duration::from_secs(30);

/// A workload: what it is called, its unit, and how to run it behind some words.
type Workload = (&'static str, &'static str, fn(Tool) -> Result<Run>);

/// What one run of a workload gave.
#[derive(Clone, Copy)]
struct Run {
    /// Units per second.
    rate: f64,
    /// CPU time of the server for one of them, in nanoseconds; NaN where it is not measured.
    cpu: f64,
}

/// Traced runs beside the untraced ones before and after them.
#[derive(Default)]
struct Shares {
    /// Rates, as shares of the untraced.
    kept: Vec<f64>,
    /// CPU times, as multiples of the untraced.
    cpu: Vec<f64>,
}

impl Shares {
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
    let (mut shares, mut shares_of_empty) = (Shares::default(), Shares::default());
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
            match way {
                Way::Floor => shares_of_empty.add(traced, last, next),
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
        "untraced {:.0}, kept {:.3}–{:.3}; an empty tracepoint keeps {:.3}",
        Spread::from_figures(&untraced).median,
        kept.min,
        kept.max,
        median(&shares_of_empty.kept)
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

/// The CPU time of a process' first thread until now, in nanoseconds, without what the hypervisor took
/// (`/proc/PID/schedstat`, Linux `Documentation/scheduler/sched-stats.rst`).
fn cpu_time(pid: Pid) -> Result<f64> {
    let path = format!("/proc/{pid}/schedstat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split_whitespace().next().and_then(|field| field.parse().ok());
    first.with_context(|| format!("{path} names no CPU time, but: {text}"))
}

fn nginx(under: Tool) -> Result<Run> {
    let site = Site::new(1)?;
    let mut running = under.args(site.command()?).start("nginx")?;
    site.wait_ready(&mut running)?;
    let output = Tool::new("wrk")
        .args(["-t1", "-c32", "-d3s", &format!("http://127.0.0.1:{}/", site.port)])
        .stdout("wrk")?;
    let workers = site.worker_pids()?;
    let cpu = workers.into_iter().map(cpu_time).sum::<Result<f64>>()?;
    site.quit()?;
    running.wait(PATIENCE)?;
    let (requests, rate) = parse_wrk(&output)?;
    Ok(Run { rate, cpu: cpu / requests })
}

/// How many requests there were, and how many in a second.
fn parse_wrk(output: &str) -> Result<(f64, f64)> {
    let mut lines = output.lines().map(str::trim);
    let requests = lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
    let rate = lines.find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    requests.zip(rate).with_context(|| format!("wrk names no rate, but says:\n{output}"))
}

/// Requests of each kind.
const REQUESTS: u32 = 200_000;

fn redis(under: Tool) -> Result<Run> {
    let dir = tempfile::tempdir().context("cannot make a directory for redis")?;
    let port = free_port()?;
    let flag = port.to_string();
    let mut server = under
        .args(["redis-server", "--bind", "127.0.0.1", "--port", &flag, "--save", ""])
        .args(["--appendonly", "no", "--loglevel", "warning", "--logfile", "redis.log"])
        .args(["--pidfile", "redis.pid"])
        .current_dir(dir.path())
        .start("redis")?;
    server.wait_until("redis accepted a connection", PATIENCE, || {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let output = Tool::new("redis-benchmark")
        .args(["-p", &flag, "-n", &REQUESTS.to_string(), "-c", "32", "-t", "set,get", "--csv"])
        .stdout("redis-benchmark")?;
    let pid = std::fs::read_to_string(dir.path().join("redis.pid"))
        .context("redis has written no pid file")?;
    let pid = pid.trim().parse().context("redis' pid file is no number")?;
    let cpu = cpu_time(Pid::from_raw(pid))?;
    Tool::new("redis-cli").args(["-p", &flag, "shutdown", "nosave"]).quiet("stopping redis")?;
    server.wait(PATIENCE)?;
    let rates = parse_redis(&output)?;
    let count = f64::from(u32::try_from(rates.len()).context("a handful")?);
    let rate = rates.iter().sum::<f64>() / count;
    Ok(Run { rate, cpu: cpu / (count * f64::from(REQUESTS)) })
}

/// The rate of each kind of request.
fn parse_redis(output: &str) -> Result<Vec<f64>> {
    let rates: Vec<f64> = output
        .lines()
        .filter_map(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok())
        .collect();
    anyhow::ensure!(!rates.is_empty(), "redis-benchmark names no rate, but says:\n{output}");
    Ok(rates)
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
    fn the_tools_rates_are_understood() {
        let wrk = "  123 requests in 3.00s\nRequests/sec:  51234.50\nTransfer/sec: 1MB\n";
        assert_eq!(parse_wrk(wrk).unwrap(), (123.0, 51234.5));
        let redis =
            "\"test\",\"rps\",\"avg\"\n\"SET\",\"100.5\",\"0.1\"\n\"GET\",\"200.5\",\"0.1\"\n";
        assert_eq!(parse_redis(redis).unwrap(), [100.5, 200.5]);
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
