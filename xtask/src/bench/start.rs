//! How long `strait record` takes to its command's first instructions, and how much memory it uses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Lab;
use super::per_call::Held;
use super::report::{Bound, Limit, Line};
use super::stats::Spread;
use crate::run::{self, Tool};
use crate::ui;

pub fn measure(lab: &Lab, rounds: u32) -> Result<Vec<Line>> {
    ui::step("start-up and memory");
    let [mut untraced, mut recorded, mut unscanned, mut memory] = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        let (time, held) = start(Tool::new("env").arg(&lab.xtask).arg("__hold"))?;
        untraced.push(time);
        held.end()?;
        let (time, held) = start(lab.recorder().arg(&lab.xtask).arg("__hold"))?;
        recorded.push(time);
        memory.push(peak_memory(held)?);
        let without_scan = lab.recorder_with(&["--no-scan"]);
        let (time, held) = start(without_scan.arg(&lab.xtask).arg("__hold"))?;
        unscanned.push(time);
        held.end()?;
    }
    let [untraced, recorded, unscanned, memory] =
        [&untraced, &recorded, &unscanned, &memory].map(|figures| Spread::from_figures(figures));
    Ok(vec![
        Line {
            name: "from start to the command, recorded".to_owned(),
            unit: "ms",
            figure: Some(recorded),
            ratio: Some(recorded.median / untraced.median),
            remark: format!(
                "untraced {:.1} ms; with --no-scan {:.1} ms",
                untraced.median, unscanned.median
            ),
            bound: Some(Bound { what: "ms:", value: recorded.median, limit: Limit::Below(150.0) }),
        },
        Line {
            name: "resident memory of strait record".to_owned(),
            unit: "MiB",
            figure: Some(memory),
            ratio: None,
            remark: String::new(),
            bound: Some(Bound {
                what: "MiB at most:",
                value: memory.max,
                limit: Limit::Below(64.0),
            }),
        },
    ])
}

fn start(tool: Tool) -> Result<(f64, Held)> {
    let before = Instant::now();
    let held = Held::start(tool)?;
    Ok((before.elapsed().as_secs_f64() * 1e3, held))
}

/// The most memory, in MiB, that the recorder holds resident until it ends.
fn peak_memory(mut held: Held) -> Result<f64> {
    let running = held.running();
    let pid = running.pid();
    let mut peak = high_water_mark(pid).context("the recorder has no memory")?;
    drop(running.child().stdin.take());
    let status = run::wait_for("the recorder's end", Duration::from_secs(30), || {
        peak = high_water_mark(pid).map_or(peak, |now| now.max(peak));
        running.ended()
    })?;
    anyhow::ensure!(status.success(), "the recorder ended with {status}");
    Ok(peak)
}

/// The most memory, in MiB, that a process has held resident so far; `None` once it has ended.
pub fn high_water_mark(pid: nix::unistd::Pid) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_high_water_mark(&status)
}

fn parse_high_water_mark(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_mebibytes() {
        assert_eq!(parse_high_water_mark("Name:\tx\nVmHWM:\t    2048 kB\n"), Some(2.0));
        assert_eq!(parse_high_water_mark("Name:\tkthreadd\n"), None);
    }
}
