//! The command `strait`.

use std::process::ExitCode;

fn main() -> ExitCode {
    strait::cli::main()
}
