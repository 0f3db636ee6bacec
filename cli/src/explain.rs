//! `strait explain`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::input::{self, Input};
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::abi::Abi;
use strait_generator::decode::{self, Pattern};
use strait_generator::machine::Machines;
use strait_generator::untrusted::Text;
use strait_generator::{explain, recording};
use strait_recorder::output::Output;

/// Show why a call is allowed or refused, and what makes it
///
/// For a recording: how often it was called, by which programs, in which tests and when. For a profile: what
/// it does with the call, the rule that decides, and what the evidence beside it (FILE.evidence.json) knows
/// about the call.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait explain app.json 'socket(AF_NETLINK, SOCK_RAW, 0)'
  strait explain app.json clone 'clone(CLONE_NEWUSER)' bpf
  strait explain app.recording.json connect

Arguments that are left out, or are _, stand for any value. Names of values are those of the manual pages.")]
pub struct ExplainArgs {
    /// Profile or recording; - is standard input
    file: PathBuf,
    /// Calls, with or without arguments
    #[arg(required = true, value_name = "CALL")]
    calls: Vec<String>,
    /// Look only at this ABI [default: all of the file]
    #[arg(long, value_name = "ABI", value_parser = abi, help_heading = "Where to look")]
    abi: Option<Abi>,
    /// Look only at these machines [default: those whose architectures a profile lists]
    #[arg(long, value_name = "MACHINE", conflicts_with = "abi", value_parser = one_of::<Machines>(), help_heading = "Where to look")]
    machine: Option<Machines>,
    /// Evidence, if it is not beside the profile
    #[arg(long, value_name = "FILE", help_heading = "Where to look")]
    evidence: Option<PathBuf>,
}

fn abi(text: &str) -> Result<Abi, String> {
    Abi::ALL.into_iter().find(|abi| abi.name() == text).ok_or_else(|| {
        let names: Vec<_> = Abi::ALL.iter().map(|abi| abi.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Runs `strait explain`.
pub fn main(args: &ExplainArgs, ui: &Ui) -> Outcome {
    let (input, source) = input::read(&args.file, Machines::ALL, ui)?;
    let mut all = Text::new();
    match &input {
        Input::Recording(recording) => {
            let asked = args.machine.unwrap_or(Machines::ALL);
            let recorded = recording.calls.keys().copied();
            let abis: Vec<Abi> = recorded.filter(|abi| asked.have(*abi)).collect();
            if recording.completeness != recording::Completeness::Complete {
                ui.warn(format_args!("{} is incomplete", shown(&args.file)));
            }
            for pattern in patterns(args, &abis)? {
                add(&mut all, &explain::recording(recording, &pattern));
            }
        }
        Input::Profile(profile) => {
            let machines = args.machine.unwrap_or_else(|| profile.listed_machines());
            let evidence = input::evidence(&args.file, profile, args.evidence.as_deref(), ui)?;
            let abis = profile.clone().only(machines).abis();
            for pattern in patterns(args, &abis)? {
                let text = explain::profile(profile, &source, &pattern, evidence.as_ref())
                    .with_context(|| format!("cannot use {}", shown(&args.file)))?;
                add(&mut all, &text);
            }
        }
    }
    Report::Text(all).write(&Output::Stdout)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts an empty line between two answers.
fn add(all: &mut Text, answer: &Text) {
    if !all.is_empty() {
        all.blank();
    }
    all.append(answer);
}

/// Each call for each ABI that has it.
fn patterns(args: &ExplainArgs, abis: &[Abi]) -> Result<Vec<Pattern>, Failure> {
    let abis = args.abi.map_or(abis.to_vec(), |abi| vec![abi]);
    let mut patterns = Vec::new();
    for call in &args.calls {
        let mut first = None;
        let before = patterns.len();
        for abi in &abis {
            match decode::pattern(*abi, call) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => first = first.or(Some(error)),
            }
        }
        if patterns.len() == before {
            let error =
                first.map_or_else(|| anyhow!("{} has no calls", shown(&args.file)), Into::into);
            return Err(Failure::new(exit::USAGE, error));
        }
    }
    Ok(patterns)
}
