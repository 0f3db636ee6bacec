//! Tests with the real kernel. They need root and the programs of the workloads, and fail without
//! them: a test that skips itself proves nothing. Run them with `cargo xtask test`, or
//!
//! ```sh
//! cargo test -p strait --features privileged-tests --test root
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod bookkeeping;
mod caveats;
mod ci;
mod ci_base;
mod ci_recordings;
mod ci_support;
mod completeness;
mod container_filters;
mod dialect;
mod exported;
mod glue;
mod hostile;
mod import;
mod inspect;
mod lint;
mod marks;
mod no_loss;
mod notify;
mod own;
mod passing_through;
mod privilege;
mod profiles;
mod readme;
mod runtimes;
mod scan;
mod scripts;
mod service;
mod survivors;
mod targets;
mod verdicts;
mod verify;
mod workloads;
