//! Tests of the command line that need no privilege.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod apply;
mod apply_bad_input;
mod audit;
mod bounds;
mod bundle;
mod check;
mod convert;
mod coverage;
mod diff;
mod export;
mod facts;
mod generate;
mod given;
mod help;
mod hostile;
mod import;
mod lint;
mod machine;
mod merge;
mod report;
mod sarif;
mod scan;
mod targets;
mod verify;
mod wall;
