//! `strait mark`.

use std::process::ExitCode;

use clap::Args;

use super::exit::Outcome;
use strait_recorder::record::{MarkError, mark};

/// Say that a test has ended, in a command that is recorded
///
/// What was called since the mark before, or since the beginning, becomes a sample of that name in the
/// recording: so `strait explain` and `strait diff` can tell which test made a call first. Returns when
/// the counters have been read. What `strait mark` itself calls is not in the recording.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait record --user $USER -- sh -c './test-a; strait mark a; ./test-b; strait mark b'
  [ -z \"$STRAIT_MARK\" ] || strait mark \"$BATS_TEST_DESCRIPTION\"

Finds the recorder by STRAIT_MARK in the environment. Where that is not set, nobody records: a
script that looks first, as the second example does, also runs where no strait is installed, and
under `strait verify`, whose profile does not allow for strait itself.

Scripts for pytest, bats, go test, cargo nextest and JUnit are in the folder glue of the repository.

Exit status: 1 if the mark was not taken.")]
pub struct MarkArgs {
    /// Name of the sample that ends here
    name: String,
    /// Do nothing, and succeed, if nobody records
    #[arg(long)]
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
