//! Recorded system calls in, seccomp profiles and everything about profiles out.
//!
//! This is the part of [Strait](https://crates.io/crates/strait) that needs no Linux and no privilege: it does no I/O,
//! reads neither the clock nor the machine, and gives the same bytes for the same input everywhere.
//!
//! # Terminology
//!
//! | Term | Meaning |
//! |---|---|
//! | *call* | a system call: a number, which means something only with its ABI |
//! | *[ABI](abi::Abi)* | a way into the kernel with a numbering of its own; a *[machine](machine::Machine)* has one or more |
//! | *[observation](observation::Observation)* | what a tracer hands over: who made which call, with which arguments, how often |
//! | *[recording](recording::Recording)* | the calls of a test run, as a file |
//! | *[policy](policy::Policy)* | what a seccomp filter does: an [action](policy::Action) for each ABI, call and arguments |
//! | *[profile](profile::Profile)* | OCI seccomp JSON: a text that has a policy on given machines |
//! | *[baseline](policy::baseline::Baseline)* | the default profile of a container engine; a generated profile stays within it |
//! | *[evidence](evidence::Evidence)* | why a profile allows what it allows, as a file beside it |
//! | *[witness](policy::decide::Witness)* | a call that two policies treat differently, as proof that they are not equal |
//!
//! # From a recording to a profile
//!
//! A recording is read by [`recording::v1::parse`], or made from what another tool logged by [`import::import`].
//! [`generate::generate`] makes a profile of one or more of them:
//!
//! ```
//! use strait_generator::generate::{self, generate};
//! use strait_generator::import::{self, import};
//! use strait_generator::{profile, recording::v1};
//!
//! let log = "\
//! 7 execve(\"/bin/app\", [\"app\"], 0x7ffd /* 9 vars */) = 0
//! 7 arch_prctl(ARCH_SET_FS, 0x7f11) = 0
//! 7 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3
//! 7 exit_group(0) = ?
//! ";
//! let source = import::Source::new("app.log", log.as_bytes());
//! let recording = import(vec![source], &import::Options::default())?.recording;
//!
//! // As a file, and read from one.
//! let file = v1::print(&recording)?;
//! assert_eq!(v1::parse(&file)?.calls, recording.calls);
//!
//! let generated = generate(&[recording], &generate::Options::default())?;
//! let json = profile::print(&generated.profile)?;
//! assert!(json.contains("SCMP_ACT_ALLOW"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Proofs about profiles
//!
//! Policies are compared by meaning, over all arguments of all calls. [`check`] answers whether a profile is within a
//! baseline and covers recordings:
//!
//! ```
//! use strait_generator::check;
//! use strait_generator::machine::Machines;
//! use strait_generator::policy::decide::Meaning;
//! use strait_generator::profile;
//!
//! let narrow = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
//!     {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
//! let wide = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
//!     {"names": ["read", "ptrace"], "action": "SCMP_ACT_ALLOW"}]}"#;
//! let meaning = |text| -> Result<Meaning, Box<dyn std::error::Error>> {
//!     Ok(Meaning::from(&profile::parse(text)?.policy(Machines::ALL)?))
//! };
//! let answer = check::within(&meaning(wide)?, &meaning(narrow)?, "narrow.json");
//! assert!(answer.escapes().all(|witness| witness.abi.syscall_name(witness.number) == Some("ptrace")));
//! assert!(answer.escapes().next().is_some());
//! assert!(check::within(&meaning(narrow)?, &meaning(wide)?, "wide.json").escapes().next().is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`diff::diff`] shows what changed from one release to the next:
//!
//! ```
//! use strait_generator::diff::{Exceptions, Side, Verdict, diff};
//! use strait_generator::machine::Machines;
//! use strait_generator::profile::{self, OnMachines};
//!
//! let side = |name: &str, calls: &str| -> Result<Side, Box<dyn std::error::Error>> {
//!     let text = format!(
//!         r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
//!             {{"names": [{calls}], "action": "SCMP_ACT_ALLOW"}}]}}"#
//!     );
//!     Ok(Side::profile(name, &OnMachines::same(&profile::parse(&text)?, Machines::ALL), None)?)
//! };
//! let (old, new) = (side("old.json", r#""read""#)?, side("new.json", r#""read", "flock""#)?);
//! // The date decides which exceptions have expired.
//! let changes = diff(&old, &new, &Exceptions::default(), "2026-11-28".parse()?);
//! assert_eq!(changes.verdict, Verdict::Widened);
//! assert!(changes.widened().all(|change| change.call() == "flock"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Profiles for other readers
//!
//! [`export::export`] writes what compose, systemd, Kubernetes and others read, and says where that is not what the
//! profile says; [`manifest`] edits Kubernetes' manifests and leaves all other bytes untouched.
//!
//! ```
//! use strait_generator::choice::Choice;
//! use strait_generator::export::{Options, Target, export};
//! use strait_generator::profile;
//!
//! let profile = profile::parse(
//!     r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
//!         {"names": ["read", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}"#,
//! )?;
//! let target = Target::named("compose").ok_or("no such target")?;
//! let exported = export(&profile, target, &Options::named("web".parse()?))?;
//! assert_eq!(exported.files[0].path.to_str(), Some("compose.override.yaml"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What programs can call
//!
//! [`scan`] reads executables and libraries, given as bytes, and finds the calls that they can make. What is no ELF file
//! is an error:
//!
//! ```
//! use strait_generator::scan::Graph;
//!
//! assert!(Graph::read(b"#!/bin/sh\n").is_err());
//! ```
//!
//! # Untrusted text
//!
//! Names in recordings and profiles come from outside. What is made for a terminal, a CI log or Markdown goes through
//! [`untrusted`].

// An answer that is not looked at is a mistake.
#![warn(clippy::must_use_candidate)]

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
#[cfg(test)]
mod tests;
mod tool;
pub mod untrusted;
pub mod verify;
