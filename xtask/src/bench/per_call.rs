//! What one system call costs, in a tight loop of the cheapest one, under each tracer.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use super::floor::Floor;
use super::report::{Bound, Limit, Line};
use super::stats::Spread;
use super::{Lab, load};
use crate::run::{self, Running, Tool};
use crate::ui;

/// Enough calls for a tenth of a second or more.
const FAST: u64 = 2_000_000;
const MIDDLING: u64 = 100_000;
const SLOW: u64 = 20_000;

const BPFTRACE: &str = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tracer {
    Untraced,
    Floor,
    OutOfScope,
    InScope,
    BesideContainers,
    InContainer,
    StartsContainers,
    Notified,
    Bpftrace,
    PerfTrace,
    Ptrace,
    Strace,
}

impl Tracer {
    /// In the order in which a round goes through them.
    const ALL: [Self; 12] = [
        Self::Untraced,
        Self::Floor,
        Self::OutOfScope,
        Self::InScope,
        Self::BesideContainers,
        Self::InContainer,
        Self::StartsContainers,
        Self::Notified,
        Self::Bpftrace,
        Self::PerfTrace,
        Self::Ptrace,
        Self::Strace,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Untraced => "getppid, untraced",
            Self::Floor => "… with an empty raw tracepoint (the floor)",
            Self::OutOfScope => "… beside a recording (out of scope)",
            Self::InScope => "… recorded (in scope)",
            Self::BesideContainers => "… beside 50 recorded containers (out of scope)",
            Self::InContainer => "… in a container, 50 others recorded (in scope)",
            Self::StartsContainers => "… by a command whose containers are recorded (in scope)",
            Self::Notified => "… recorded without privilege (user notification)",
            Self::Bpftrace => "… under bpftrace's counter",
            Self::PerfTrace => "… under perf trace -s",
            Self::Ptrace => "… under ptrace that does nothing",
            Self::Strace => "… under strace -f -c",
        }
    }

    /// The program to compare with, which need not be installed.
    fn needs(self) -> Option<&'static str> {
        match self {
            Self::Bpftrace => Some("bpftrace"),
            Self::PerfTrace => Some("perf"),
            Self::Strace => Some("strace"),
            _ => None,
        }
    }
}

/// What one round says of a tracer, in nanoseconds.
#[derive(Clone, Copy)]
struct Figure {
    /// Of a call without any tracer, just before. It is also what gives the kernel the time to take the
    /// tracer before out: one that follows at once costs a quarter more, whatever it does.
    untraced: f64,
    traced: f64,
}

/// A tracer's figures of all rounds, or why there are none.
type Outcome = std::result::Result<Vec<Figure>, String>;

/// Measures every tracer in turn, round by round.
pub fn measure(lab: &Lab, rounds: u32) -> Result<Vec<Line>> {
    let mut floor = Floor::load(lab)?;
    let mut outcomes: Vec<(Tracer, Outcome)> = Tracer::ALL
        .into_iter()
        .map(|tracer| match tracer.needs() {
            Some(program) if run::which(program).is_none() => {
                (tracer, Err(format!("{program} is not installed")))
            }
            _ => (tracer, Ok(Vec::new())),
        })
        .collect();
    for round in 1..=rounds {
        ui::step(format_args!("cost per call: round {round} of {rounds}"));
        for (tracer, outcome) in &mut outcomes {
            let Ok(figures) = outcome else { continue };
            let untraced = once(lab, Tracer::Untraced, &mut floor)?;
            match once(lab, *tracer, &mut floor) {
                Ok(traced) => figures.push(Figure { untraced, traced }),
                // Another tracer may not work on this kernel: that is not a failure of this bench.
                Err(error) if tracer.needs().is_some() => {
                    run::check_interrupt()?;
                    *outcome = Err(first_line(&error));
                }
                Err(error) => return Err(error.context(tracer.name())),
            }
        }
    }
    Ok(lines(&outcomes))
}

fn once(lab: &Lab, tracer: Tracer, floor: &mut Floor) -> Result<f64> {
    let under = |tool: Tool, calls: u64| -> Result<f64> {
        let tool = tool.arg(&lab.xtask).args(["__getppid-loop", &calls.to_string()]);
        load::parse(&String::from_utf8_lossy(&tool.output(tracer.name())?.stdout))
    };
    // `env` alone starts a command as the tracers do.
    let plain = || Tool::new("env");
    match tracer {
        Tracer::Untraced => under(plain(), FAST),
        Tracer::Floor => floor.attached(|| under(plain(), FAST)),
        Tracer::OutOfScope => {
            let held = Held::start(lab.recorder().arg(&lab.xtask).arg("__hold"))?;
            let figure = under(plain(), FAST);
            held.end()?;
            figure
        }
        Tracer::InScope => under(lab.recorder(), FAST),
        Tracer::BesideContainers => {
            let held = Held::start(fifty_containers(lab))?;
            let figure = under(plain(), FAST);
            held.end()?;
            figure
        }
        Tracer::InContainer => {
            let held = Held::start(fifty_containers(lab))?;
            let figure = under(Tool::new("unshare").args(["--mount", "--fork"]), FAST);
            held.end()?;
            figure
        }
        Tracer::StartsContainers => under(of_containers(lab), FAST),
        Tracer::Notified => under(lab.recorder_by("notify"), MIDDLING),
        Tracer::Bpftrace => {
            let command = format!("{} __getppid-loop {FAST}", lab.xtask.display());
            let output = Tool::new("bpftrace")
                .args(["-c", &command, "-e", BPFTRACE])
                .output(tracer.name())?;
            load::parse(&String::from_utf8_lossy(&output.stdout))
        }
        Tracer::PerfTrace => {
            under(Tool::new("perf").args(["trace", "-s", "-o", "/dev/null", "--"]), SLOW)
        }
        Tracer::Ptrace => under(Tool::new(&lab.xtask).args(["__ptrace", "--"]), SLOW),
        Tracer::Strace => {
            under(Tool::new("strace").args(["-f", "-c", "-o", "/dev/null", "--"]), SLOW)
        }
    }
}

/// Records fifty containers that do nothing, as far as the probe knows: new mount namespaces in which
/// something is executed.
fn fifty_containers(lab: &Lab) -> Tool {
    let idle = "unshare --mount --fork tail --pid=$$ -f /dev/null";
    let script =
        format!("for i in $(seq 50); do {idle} & done; exec {} __hold", lab.xtask.display());
    of_containers(lab).args(["sh", "-c", &script])
}

/// Records the containers of a command.
fn of_containers(lab: &Lab) -> Tool {
    Tool::new(&lab.strait)
        .args(["record", "--quiet", "--containers", "-o"])
        .arg(lab.scratch.path().join("containers"))
        .arg("--")
}

fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().to_owned()
}

fn lines(outcomes: &[(Tracer, Outcome)]) -> Vec<Line> {
    let figures = |wanted: Tracer| {
        outcomes
            .iter()
            .find(|(tracer, _)| *tracer == wanted)
            .and_then(|(_, outcome)| outcome.as_deref().ok())
    };
    // Neighbours share their noise, so the difference is taken of each pair.
    let added = |tracer: Tracer| {
        let added: Vec<f64> =
            figures(tracer)?.iter().map(|one| one.traced - one.untraced).collect();
        Some(Spread::from_figures(&added).median)
    };
    let floor = added(Tracer::Floor).unwrap_or(f64::NAN);
    let against = |name: &str, ours: Tracer, theirs: Tracer, limit: Limit| {
        let value = added(ours)? / added(theirs)?;
        Some(Line {
            name: name.to_owned(),
            unit: "",
            figure: None,
            ratio: None,
            remark: String::new(),
            bound: Some(Bound { what: "times its addition:", value, limit }),
        })
    };

    let mut lines = Vec::new();
    for (tracer, outcome) in outcomes {
        let mut line = Line {
            name: tracer.name().to_owned(),
            unit: "ns",
            figure: None,
            ratio: None,
            remark: String::new(),
            bound: None,
        };
        match outcome {
            Err(why) => line.remark.clone_from(why),
            Ok(figures) => {
                let traced: Vec<f64> = figures.iter().map(|one| one.traced).collect();
                let ratios: Vec<f64> =
                    figures.iter().map(|one| one.traced / one.untraced).collect();
                line.figure = Some(Spread::from_figures(&traced));
                line.ratio = Some(Spread::from_figures(&ratios).median);
            }
        }
        let extra = added(*tracer).unwrap_or(f64::NAN);
        if line.figure.is_some() && *tracer != Tracer::Untraced {
            line.remark = format!("+{extra:.1} ns");
        }
        let what = "times the floor's addition:";
        line.bound = match tracer {
            Tracer::OutOfScope | Tracer::BesideContainers => {
                Some(Bound { what, value: extra / floor, limit: Limit::AtMost(1.5) })
            }
            Tracer::InScope | Tracer::InContainer | Tracer::StartsContainers => {
                Some(Bound { what, value: extra / floor, limit: Limit::AtMost(2.0) })
            }
            _ => None,
        };
        lines.push(line);
    }
    let (recorded, notified) = (Tracer::InScope, Tracer::Notified);
    let by_notification = "recorded by user notification, against";
    lines.extend(against(
        "recorded, against bpftrace's counter",
        recorded,
        Tracer::Bpftrace,
        Limit::Below(1.0),
    ));
    lines.extend(against(
        &format!("{by_notification} strace"),
        notified,
        Tracer::Strace,
        // What both cost most is that the CPU goes to another process and back.
        Limit::AtMost(0.4),
    ));
    lines.extend(against(
        &format!("{by_notification} ptrace"),
        notified,
        Tracer::Ptrace,
        Limit::Below(1.0),
    ));
    lines
}

/// A process that has said it runs, and ends when its standard input does.
pub struct Held(Running);

impl Held {
    /// Starts [`load::hold`] under some tracer, and waits for its word.
    pub fn start(mut tool: Tool) -> Result<Self> {
        tool.command().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = tool.start("a held process")?;
        let mut line = String::new();
        let stdout = running.child().stdout.take().context("no standard output")?;
        BufReader::new(stdout).read_line(&mut line).context("the held process says nothing")?;
        anyhow::ensure!(line.trim() == load::READY, "the held process did not start: {line:?}");
        Ok(Self(running))
    }

    pub fn running(&mut self) -> &mut Running {
        &mut self.0
    }

    /// Lets it go, and waits for its end.
    pub fn end(mut self) -> Result<()> {
        if let Some(mut stdin) = self.0.child().stdin.take() {
            stdin.flush().context("the held process is gone")?;
        }
        let status = self.0.wait(Duration::from_secs(30))?;
        anyhow::ensure!(status.success(), "the held process ended with {status}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(tracer: Tracer, traced: f64) -> (Tracer, Outcome) {
        (tracer, Ok(vec![Figure { untraced: 80.0, traced }; 3]))
    }

    fn bound(lines: &[Line], tracer: Tracer) -> f64 {
        let line = lines.iter().find(|line| line.name == tracer.name()).unwrap();
        line.bound.as_ref().unwrap().value
    }

    #[test]
    fn tracers_are_rated_by_what_they_add_to_the_floor() {
        let lines = lines(&[
            outcome(Tracer::Untraced, 80.0),
            outcome(Tracer::Floor, 100.0),
            outcome(Tracer::OutOfScope, 105.0),
            outcome(Tracer::InScope, 130.0),
            outcome(Tracer::Bpftrace, 180.0),
            (Tracer::Strace, Err("strace is not installed".to_owned())),
        ]);
        assert_eq!(bound(&lines, Tracer::OutOfScope), 1.25);
        assert_eq!(bound(&lines, Tracer::InScope), 2.5);
        assert_eq!(lines.last().unwrap().bound.as_ref().unwrap().value, 0.5);
        assert_eq!(lines.iter().filter(|line| line.misses()).count(), 1);
    }
}
