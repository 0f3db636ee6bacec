//! `strait mark`.

use std::process::ExitCode;

use clap::Args;

use super::exit::Outcome;
use strait_recorder::record::{MarkError, mark};

/// Mark the end of a test while a command is recorded
///
/// The calls since the previous mark, or since the beginning, become a sample with this name in the
/// recording, so `strait explain` and `strait diff` can tell which test made a call first. Returns after the
/// recorder has read the counters. The calls of `strait mark` itself are not in the recording.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait record --user $USER -- \\
      sh -c './test-a; strait mark a; ./test-b; strait mark b'
  [ -z \"$STRAIT_MARK\" ] || strait mark \"$BATS_TEST_DESCRIPTION\"

STRAIT_MARK in the environment leads to the recorder. If it is not set, nothing is being recorded: a script \
that checks it, as in the second example, also runs where strait is not installed, and under `strait \
verify`, whose profile does not cover strait itself.

The folder glue of the repository has scripts for pytest, bats, go test, cargo nextest and JUnit.

Exit status: 1 if the recorder did not take the mark.")]
pub struct MarkArgs {
    /// Name of the sample that ends here
    name: String,
    /// Succeed without a mark if nothing is being recorded
    #[arg(long, help_heading = "Behavior")]
    if_recording: bool,
}

/// Runs `strait mark`.
pub fn main(args: &MarkArgs) -> Outcome {
    match mark(&args.name) {
        Err(MarkError::NoRecorder) if args.if_recording => {}
        result => result?,
    }
    Ok(ExitCode::SUCCESS)
}
