//! Tests of the command line that need no privilege.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod diff;
mod generate;
mod help;
mod merge;
mod verify;
