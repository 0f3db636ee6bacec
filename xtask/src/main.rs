//! Everything a contributor runs: `cargo xtask COMMAND`.
//!
//! A module per command; `ui`, `run`, `tree` and `nginx` are what they share.

mod arm64;
mod bench;
mod demo;
mod ebpf;
mod libc;
mod nginx;
mod package;
mod page;
mod portable;
mod quality;
mod run;
mod setup;
mod table;
mod test;
mod tree;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything a contributor to Strait runs")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing on this system, and say what that is
    Setup {
        /// What it has to be enough for
        #[arg(long = "for", value_name = "LEVEL", value_enum, default_value_t = setup::Level::Test)]
        level: setup::Level,
    },
    /// Build the eBPF object from source into probe-ebpf/prebuilt
    BuildEbpf {
        /// Write nothing there: compare, and run the privileged tests with the fresh object
        #[arg(long)]
        check: bool,
    },
    /// Run every check and test, the privileged ones included
    Test {
        /// Instead, build Strait for arm64 and test that in a virtual machine
        #[arg(long)]
        arm64: bool,
    },
    /// Package the crates that are published, and build what is in the packages
    Package,
    /// Record a real nginx, generate its profile, and run it under that profile
    Demo,
    /// Find out what the functions of C libraries call, for profiles/libc
    Libc,
    /// Measure what recording and filters cost
    Bench(bench::Options),
    /// Measure how profiles hold on events that the recorded test did not have
    Quality(quality::Options),
    /// Run one stage of one application (for `quality`)
    #[command(name = "__quality-stage", hide = true)]
    QualityStage {
        /// What to run, as JSON
        spec: PathBuf,
    },
    /// Make system calls and print what one costs (for `bench`)
    #[command(name = "__getppid-loop", hide = true)]
    GetppidLoop {
        /// How many calls
        calls: u64,
    },
    /// Run a command with both stops of ptrace at each system call, and nothing else (for `bench`)
    #[command(name = "__ptrace", hide = true)]
    Ptrace {
        /// Program and arguments
        #[arg(last = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Say that this process runs, then wait for the end of standard input (for `bench`)
    #[command(name = "__hold", hide = true)]
    Hold,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::GetppidLoop { calls } => return bench::load::getppid_loop(calls),
        Command::Ptrace { command } => return bench::load::ptrace(&command),
        Command::Hold => return bench::load::hold(),
        Command::QualityStage { spec } => return quality::stage(&spec),
        _ => run::catch_interrupts()?,
    }
    let root: PathBuf = tree::root()?;
    match cli.command {
        Command::Setup { level } => setup::run(&root, level)?,
        Command::BuildEbpf { check } => ebpf::run(&root, check)?,
        Command::Test { arm64: true } => arm64::run(&root)?,
        Command::Test { arm64: false } => test::run(&root)?,
        Command::Package => package::run(&root)?,
        Command::Demo => demo::run(&root)?,
        Command::Libc => libc::run(&root)?,
        Command::Bench(options) => return bench::run(&root, &options),
        Command::Quality(options) => quality::run(&root, &options)?,
        Command::GetppidLoop { .. }
        | Command::Ptrace { .. }
        | Command::Hold
        | Command::QualityStage { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}
