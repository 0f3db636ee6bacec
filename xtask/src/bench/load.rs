//! The programs that the bench measures: hidden commands of xtask.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::stats::median;
use crate::ui;

/// What the loop writes before its figure, since a tracer may write to the same output.
const MARK: &str = "ns-per-call";

/// Parts of the loop, each far shorter than a time slice, so that their median is what a call costs
/// without interruption.
const PARTS: u64 = 2000;

/// What [`hold`] writes when it runs.
pub const READY: &str = "ready";

/// Calls `getppid`, which does next to nothing, and prints what one call took.
pub fn getppid_loop(calls: u64) -> Result<ExitCode> {
    let part = (calls / PARTS).max(1);
    let costs: Vec<f64> = (0..PARTS).map(|_| time(part)).collect();
    ui::data(&format!("{MARK} {:.3}", median(&costs)));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::cast_precision_loss, reason = "figures for a table")]
fn time(calls: u64) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        std::hint::black_box(nix::unistd::getppid());
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Runs a command with a stop before and after each of its calls, as every tool that is built on ptrace has it, and
/// does nothing there.
pub fn ptrace(command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let child = Command::new(program).args(arguments).spawn().context("cannot run the command")?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    // It runs already: what it called up to now is not what is measured.
    ptrace::seize(child, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(child)?;
    loop {
        let signal = match waitpid(child, None)? {
            WaitStatus::Exited(_, code) => return Ok(ExitCode::from(u8::try_from(code)?)),
            WaitStatus::Signaled(_, signal, _) => {
                anyhow::bail!("the command was ended by {signal}")
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        ptrace::syscall(child, signal)?;
    }
}

/// The figure that the loop printed.
pub fn parse(output: &str) -> Result<f64> {
    output
        .lines()
        .find_map(|line| line.strip_prefix(MARK)?.trim().parse().ok())
        .with_context(|| format!("the loop printed no figure, but:\n{output}"))
}

/// Says that it runs, and stays until its standard input ends.
pub fn hold() -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_found_among_a_tracers_words() {
        assert_eq!(parse("Attaching 1 probe...\nns-per-call 81.250\n\n@: 3\n").unwrap(), 81.25);
        assert!(parse("nothing").is_err());
    }
}
