//! Strait turns what a workload really calls during its test run into a seccomp profile that is
//! narrower than the Docker default.
//!
//! The modules are the stages of the data's way, and dependencies run rightwards only:
//! [`record`] → [`recording`] → [`policy`] → [`profile`] → [`verify`].

pub mod abi;
pub mod bpf;
pub mod check;
pub mod choice;
pub mod coverage;
pub mod decode;
pub mod diff;
mod digest;
pub mod evidence;
pub mod explain;
pub mod export;
pub mod generate;
pub mod import;
pub mod limits;
pub mod machine;
pub mod manifest;
pub mod observation;
pub mod outcome;
pub mod policy;
pub mod profile;
pub mod recording;
pub mod report;
pub mod sarif;
pub mod scan;
pub mod schema;
mod tool;
pub mod untrusted;
pub mod verify;
