//! The command line: arguments in, one call into the library, text and an exit status out.

mod apply;
mod audit;
mod bundle;
mod check;
mod choice;
mod containers;
mod convert;
mod coverage;
mod diff;
mod duration;
mod exceptions;
mod exit;
mod explain;
mod export;
mod format;
mod generate;
mod given;
mod import;
mod input;
mod inspect;
mod lint;
mod manifests;
mod mark;
mod merge;
mod podman_hook;
mod profiles;
mod record;
mod report;
mod run;
mod scan;
mod targets;
mod ui;
mod verify;
mod workload;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use clap::{CommandFactory, Parser, Subcommand};

use exit::{Failure, Outcome};
use strait_generator::policy::Capability;
use strait_generator::policy::baseline::{KernelVersion, version};
use ui::Ui;

use strait_generator::limits::{self, FILE_BYTES};
use strait_generator::untrusted::{Line, one_line};

/// Make seccomp profiles from the system calls that a workload really makes
///
/// Strait records the system calls of your test runs in the kernel, makes seccomp profiles from them that are narrower
/// than the Docker default, and runs commands under these profiles to prove them.
#[derive(Debug, Parser)]
#[command(name = "strait", version, max_term_width = 100, propagate_version = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = "\
Examples:
  sudo strait record ./run-tests.sh
  strait generate run-tests.sh.recording.json -o app.json
  sudo strait verify app.json ./run-tests.sh")]
struct Cli {
    /// Show only warnings and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// Show what Strait and its probe do; twice for more
    #[arg(
        short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options"
    )]
    verbose: u8,
    /// When to use colors; NO_COLOR is respected
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Global options"
    )]
    color: clap::ColorChoice,
    /// Print help (see a summary with '-h')
    #[arg(
        short, long, global = true, action = clap::ArgAction::Help, help_heading = "Global options"
    )]
    help: Option<bool>,
    /// Print version
    #[arg(
        short = 'V', long, global = true, action = clap::ArgAction::Version, help_heading = "Global options"
    )]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Record(record::RecordArgs),
    Import(import::ImportArgs),
    Generate(generate::GenerateArgs),
    Verify(verify::VerifyArgs),
    Diff(diff::DiffArgs),
    Explain(explain::ExplainArgs),
    Report(report::ReportArgs),
    Merge(merge::MergeArgs),
    Mark(mark::MarkArgs),
    Check(check::CheckArgs),
    Coverage(coverage::CoverageArgs),
    Convert(convert::ConvertArgs),
    Export(export::ExportArgs),
    Lint(lint::LintArgs),
    Apply(apply::ApplyArgs),
    Audit(audit::AuditArgs),
    Bundle(bundle::BundleArgs),
    Inspect(inspect::InspectArgs),
    Scan(scan::ScanArgs),
    #[command(name = strait_recorder::record::HOOK, hide = true)]
    PodmanHook(podman_hook::PodmanHookArgs),
    /// Print a completion script for a shell
    #[command(after_help = "\
Example:
  strait completions bash > /etc/bash_completion.d/strait")]
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    #[command(after_help = "\
Examples:
  strait man | man -l -
  strait man record | man -l -")]
    Man {
        /// Subcommand [default: strait itself]
        subcommand: Option<String>,
    },
}

fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            let error = quotable(&args).unwrap_or(error);
            // A reader that has gone away is no error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let ui = Ui::new(cli.quiet, cli.verbose, cli.color);
    strait_recorder::record::raise_file_limit();
    let outcome = match &cli.command {
        Command::Record(args) if args.containers => containers::main(args, &ui),
        Command::Record(args) => record::main(args, &ui),
        Command::Import(args) => import::main(args, &ui),
        Command::Generate(args) => generate::main(args, &ui),
        Command::Verify(args) => verify::main(args, &ui),
        Command::Diff(args) => diff::main(args, &ui),
        Command::Explain(args) => explain::main(args, &ui),
        Command::Report(args) => report::main(args, &ui),
        Command::Merge(args) => merge::main(args, &ui),
        Command::Mark(args) => mark::main(args),
        Command::Check(args) => check::main(args, &ui),
        Command::Coverage(args) => coverage::main(args, &ui),
        Command::Convert(args) => convert::main(args, &ui),
        Command::Export(args) => export::main(args, &ui),
        Command::Lint(args) => lint::main(args, &ui),
        Command::Apply(args) => apply::main(args, &ui),
        Command::Audit(args) => audit::main(args, &ui),
        Command::Bundle(args) => bundle::main(args, &ui),
        Command::Inspect(args) => inspect::main(args, &ui),
        Command::Scan(args) => scan::main(args, &ui),
        Command::PodmanHook(args) => podman_hook::main(args),
        Command::Completions { shell } => completions(*shell),
        Command::Man { subcommand } => man(subcommand.as_deref()),
    };
    outcome.unwrap_or_else(|Failure { error, code }| {
        ui.error(&error);
        ExitCode::from(code)
    })
}

/// The error about these arguments once they are escaped: clap quotes them as they are, and some are names that others
/// chose. `None` if there is none then.
fn quotable(args: &[OsString]) -> Option<clap::Error> {
    let escaped = args.iter().map(|arg| Line::new(arg.to_string_lossy()).to_string());
    Cli::try_parse_from(escaped).err()
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "strait", &mut script);
    strait_recorder::output::Output::Stdout.write(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn man(subcommand: Option<&str>) -> Outcome {
    let mut command = Cli::command();
    command.build();
    let command = match subcommand {
        None => command,
        Some(name) => command
            .find_subcommand(name)
            .with_context(|| {
                format!("there is no subcommand `{name}`; `strait --help` lists them")
            })?
            .clone()
            .bin_name(format!("strait-{name}")),
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    strait_recorder::output::Output::Stdout.write(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// What to call an input in a message.
fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        one_line(&path.display().to_string())
    }
}

/// Capabilities by name; ALL are all of them.
fn capabilities<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeSet<Capability>, Failure> {
    let mut found = BTreeSet::new();
    for name in names {
        if name.eq_ignore_ascii_case("all") {
            found.extend(Capability::all());
        } else {
            let capability = name.parse::<Capability>();
            found.insert(capability.map_err(|error| Failure::new(exit::USAGE, error))?);
        }
    }
    Ok(found)
}

/// The capabilities of a workload: those that are named, ALL or NONE; Docker's default ones if nothing is said.
fn capabilities_or_default(names: &[String]) -> Result<BTreeSet<Capability>, Failure> {
    if names.is_empty() {
        return Ok(Capability::docker_default());
    }
    let is_none = |name: &&String| name.eq_ignore_ascii_case("none");
    if names.len() > 1 && names.iter().any(|name| is_none(&name)) {
        let error =
            anyhow!("NONE and other capabilities contradict each other: give one or the others");
        return Err(Failure::new(exit::USAGE, error));
    }
    capabilities(names.iter().filter(|name| !is_none(name)))
}

/// A kernel's version: `6.1`, and what `uname -r` says: `6.1.0-13-amd64`.
fn kernel(text: &str) -> Result<KernelVersion, Failure> {
    let parts = text.split_once('.').and_then(|(major, rest)| {
        let minor = rest.split(['.', '-', '+']).next()?;
        version(&format!("{major}.{minor}"))
    });
    parts.ok_or_else(|| {
        let error = anyhow!("`{text}` is not a kernel version: write one such as 6.1");
        Failure::new(exit::USAGE, error)
    })
}

/// Reads all there is, or fails if that is more than `limit` bytes: the other end may never stop.
fn read_at_most(source: impl std::io::Read, limit: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    source.take(most.saturating_add(1)).read_to_string(&mut text)?;
    limits::check(&text, "any file", limit)?;
    Ok(text)
}

/// Reads a file, or standard input for `-`.
fn read_text(path: &Path) -> Result<String, Failure> {
    let cannot_read = || format!("cannot read {}", shown(path));
    let text = if path.as_os_str() == "-" {
        read_at_most(std::io::stdin().lock(), FILE_BYTES)
    } else {
        let open = || -> anyhow::Result<_> {
            let file = std::fs::File::open(path)?;
            ensure!(!file.metadata()?.is_dir(), "it is a folder: name the files in it");
            Ok(file)
        };
        open().and_then(|file| read_at_most(file, FILE_BYTES))
    }
    .with_context(cannot_read)?;
    // No container runtime reads such a profile either.
    if text.starts_with('\u{feff}') {
        let error = anyhow!("it begins with a byte order mark: save it as UTF-8 without one");
        return Err(error.context(format!("cannot use {}", shown(path))).into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
