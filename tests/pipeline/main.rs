//! The pure half of the pipeline: recordings, the baseline, profiles and their filters, from
//! outside of the library. Needs no privilege but for its own child processes.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and its helpers with it"
)]

mod arbitrary;
mod bad_input;
mod baseline;
mod compiled;
#[cfg(feature = "privileged-tests")]
mod dockers_own;
mod enforced;
mod manifests;
mod oracle;
mod pages;
mod properties;
mod recordings;
mod support;
mod yaml;
