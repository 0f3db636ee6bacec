//! Tests with real containers: Docker and podman, runc and crun, all from Debian's packages. They
//! need root, and fail without what they need: a test that skips itself proves nothing. Run them
//! with `cargo xtask test`, or
//!
//! ```sh
//! cargo test -p strait --features privileged-tests --test containers [-- NAME]
//! ```
//!
//! The engines are private to the run (own data, sockets and pid files) and a process of its own
//! removes them with all that they made, however the run ends: see [`support::guard`]. Images are
//! made of Debian's packages, so that no registry is needed; the first run takes minutes for that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests panic when the test fails"
)]

// The shared helpers are a module of each test target.
#[path = "../support/mod.rs"]
mod common;

mod apps;
mod scenarios;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use support::{guard, lab};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == guard::ROLE) {
        return guard::main(args.next().expect("the guard is told its directory").as_ref());
    }
    let arguments = Arguments::from_args();
    let trials = scenarios::ALL
        .iter()
        .map(|(name, test)| {
            Trial::test(*name, || {
                test();
                Ok(())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    lab::close();
    conclusion.exit_code()
}
