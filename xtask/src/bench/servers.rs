//! The servers that the bench puts under load.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::Pid;

use crate::nginx::{Site, free_port};
use crate::run::{Running, Tool};

const PATIENCE: Duration = Duration::from_secs(30);

/// What some load gave.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Requests per second.
    pub rate: f64,
    /// CPU time of the server for one of them, in nanoseconds; NaN where it is not measured.
    pub cpu: f64,
}

/// How much load.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// For some seconds.
    Long,
    /// For about a second.
    Short,
}

/// A server that runs.
pub trait Server {
    /// Puts it under load.
    fn load(&self, load: Load) -> Result<Run>;

    /// Has it end, and waits for that.
    fn end(self: Box<Self>) -> Result<()>;
}

/// Starts a server behind some words, and waits until it answers.
pub type Start = fn(Tool) -> Result<Box<dyn Server>>;

struct Nginx {
    site: Site,
    running: Running,
}

/// nginx with one worker.
pub fn nginx(under: Tool) -> Result<Box<dyn Server>> {
    let site = Site::new(1)?;
    let mut running = under.args(site.command()?).start("nginx")?;
    site.wait_ready(&mut running)?;
    Ok(Box::new(Nginx { site, running }))
}

impl Server for Nginx {
    fn load(&self, load: Load) -> Result<Run> {
        let cpu = || self.site.worker_pids()?.into_iter().map(cpu_time).sum::<Result<f64>>();
        let before = cpu()?;
        let time = match load {
            Load::Long => "-d3s",
            Load::Short => "-d1s",
        };
        let output = Tool::new("wrk")
            .args(["-t1", "-c32", time, &format!("http://127.0.0.1:{}/", self.site.port)])
            .stdout("wrk")?;
        let (requests, rate) = parse_wrk(&output)?;
        Ok(Run { rate, cpu: (cpu()? - before) / requests })
    }

    fn end(mut self: Box<Self>) -> Result<()> {
        self.site.quit()?;
        self.running.wait(PATIENCE).map(drop)
    }
}

const PID_FILE: &str = "redis.pid";

struct Redis {
    dir: tempfile::TempDir,
    port: String,
    running: Running,
}

/// redis that saves nothing.
pub fn redis(under: Tool) -> Result<Box<dyn Server>> {
    let dir = tempfile::tempdir().context("cannot make a directory for redis")?;
    let number = free_port()?;
    let port = number.to_string();
    let mut running = under
        .args(["redis-server", "--bind", "127.0.0.1", "--port", &port, "--save", ""])
        .args(["--appendonly", "no", "--loglevel", "warning", "--logfile", "redis.log"])
        .args(["--pidfile", PID_FILE])
        .current_dir(dir.path())
        .start("redis")?;
    running.wait_until("redis accepted a connection", PATIENCE, || {
        // It writes its process ID after it has begun to listen.
        let wrote = std::fs::metadata(dir.path().join(PID_FILE)).is_ok_and(|file| file.len() > 0);
        Ok((wrote && TcpStream::connect(("127.0.0.1", number)).is_ok()).then_some(()))
    })?;
    Ok(Box::new(Redis { dir, port, running }))
}

impl Redis {
    fn pid(&self) -> Result<Pid> {
        let pid = std::fs::read_to_string(self.dir.path().join(PID_FILE))
            .context("redis has written no pid file")?;
        Ok(Pid::from_raw(pid.trim().parse().context("redis' pid file is no number")?))
    }
}

impl Server for Redis {
    fn load(&self, load: Load) -> Result<Run> {
        let pid = self.pid()?;
        let before = cpu_time(pid)?;
        // Of each kind.
        let requests: u32 = match load {
            Load::Long => 200_000,
            Load::Short => 40_000,
        };
        let output = Tool::new("redis-benchmark")
            .args(["-p", &self.port, "-n", &requests.to_string(), "-c", "32"])
            .args(["-t", "set,get", "--csv"])
            .stdout("redis-benchmark")?;
        let cpu = cpu_time(pid)? - before;
        let rates = parse_redis(&output)?;
        let count = f64::from(u32::try_from(rates.len()).context("a handful")?);
        let rate = rates.iter().sum::<f64>() / count;
        Ok(Run { rate, cpu: cpu / (count * f64::from(requests)) })
    }

    fn end(mut self: Box<Self>) -> Result<()> {
        Tool::new("redis-cli")
            .args(["-p", &self.port, "shutdown", "nosave"])
            .quiet("stopping redis")?;
        self.running.wait(PATIENCE).map(drop)
    }
}

/// The CPU time of a process' first thread until now, in nanoseconds, without what the hypervisor took
/// (`/proc/PID/schedstat`, Linux `Documentation/scheduler/sched-stats.rst`).
fn cpu_time(pid: Pid) -> Result<f64> {
    let path = format!("/proc/{pid}/schedstat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split_whitespace().next().and_then(|field| field.parse().ok());
    first.with_context(|| format!("{path} names no CPU time, but: {text}"))
}

/// How many requests there were, and how many in a second.
fn parse_wrk(output: &str) -> Result<(f64, f64)> {
    let mut lines = output.lines().map(str::trim);
    let requests = lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
    let rate = lines.find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    requests.zip(rate).with_context(|| format!("wrk names no rate, but says:\n{output}"))
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
}
