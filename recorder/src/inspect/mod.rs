//! The filters that a running process is under, read back from the kernel.
//!
//! [`read`] stops the process for a moment; [`Inspected`] is what was found, [`file`](mod@file) its file format.

pub mod file;
mod trace;

use std::io;

use strait_generator::abi::Abi;
use strait_generator::bpf::{self, Filter, FilterError, Unclear};
use strait_generator::check::count;
use strait_generator::policy::decide::Meaning;
use strait_generator::untrusted::Text;

pub use trace::read;

/// Why the filters of a process could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no such process, or not any more.
    #[error("there is no process {0}: it is gone, or is in another PID namespace")]
    Gone(i32),
    /// It has no filter.
    #[error("process {0} is under no seccomp filter: nothing confines it")]
    NoFilter(i32),
    /// Its calls are not decided by a filter.
    #[error(
        "process {0} is in seccomp's strict mode, which has no filter: only read, write, exit and rt_sigreturn"
    )]
    Strict(i32),
    /// Not allowed.
    #[error(
        "cannot read the filters of process {pid} ({source}): that needs CAP_SYS_ADMIN, and no filter on \
         Strait itself. Run `sudo strait inspect {pid}`"
    )]
    Forbidden {
        /// The process.
        pid: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process traces it.
    #[error(
        "process {0} is already traced by another process (a debugger, strace): stop that first"
    )]
    Traced(i32),
    /// The kernel failed otherwise.
    #[error("cannot read the filters of process {pid}: {doing} failed: {source}")]
    Kernel {
        /// The process.
        pid: i32,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// What the kernel gave is no filter.
    #[error("filter {nth} of process {pid} is invalid: {source}")]
    Filter {
        /// The process.
        pid: i32,
        /// Its place, the oldest is 0.
        nth: usize,
        /// What is wrong.
        source: FilterError,
    },
}

/// The filters of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The process.
    pub pid: i32,
    /// Its name as the kernel has it, up to 15 bytes; empty if it is not known.
    pub name: String,
    /// Its filters, the oldest first. Never empty.
    pub filters: Vec<Filter>,
}

/// A filter that does what no policy can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter} cannot be turned into a policy: {source}")]
pub struct Inexact {
    /// Its place, the oldest is 0.
    pub filter: usize,
    /// Which instruction, and why.
    pub source: Unclear,
}

impl Inspected {
    /// What the filters do together.
    ///
    /// # Errors
    ///
    /// [`Inexact`] names the instruction that no policy can say.
    pub fn meaning(&self) -> Result<Meaning, Inexact> {
        let meaning = bpf::stacked(&self.filters);
        let meaning = meaning.map_err(|(filter, source)| Inexact { filter, source })?;
        Ok(meaning.unwrap_or_else(|| Meaning::from_iter([])))
    }

    /// What people read about it.
    pub fn text(&self, meaning: &Meaning) -> Text {
        let Self { pid, name, filters } = self;
        let sizes: Vec<String> =
            filters.iter().map(|filter| filter.instructions().len().to_string()).collect();
        let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
        let plural = if filters.len() == 1 { "filter" } else { "filters" };
        let mut text = Text::new();
        text.line(format_args!(
            "process {pid}{name} is under {} {plural}: {} instructions",
            filters.len(),
            sizes.join(" + ")
        ));
        meaning.abis().for_each(|abi| of_abi(&mut text, meaning, abi));
        text
    }
}

fn of_abi(text: &mut Text, meaning: &Meaning, abi: Abi) {
    let counted = count(meaning, abi);
    text.line(format_args!(
        "  {abi}: {} calls allowed, {} of them by argument",
        counted.calls, counted.by_argument
    ));
    let by_argument =
        abi.syscalls().filter(|(number, _)| meaning.depends_on_arguments(abi, *number));
    for (number, name) in by_argument {
        match meaning.conditions(abi, number) {
            Some(conditions) => {
                for (action, clauses) in conditions {
                    text.line(format_args!("    {name}: {action} if {clauses}"));
                }
            }
            None => text.line(format_args!("    {name}: by more conditions than fit on a page")),
        }
    }
    let refused: Vec<&str> = abi
        .syscalls()
        .filter(|(number, _)| !meaning.may_allow(abi, *number))
        .map(|(_, name)| name)
        .collect();
    if !refused.is_empty() {
        text.line(format_args!("    refused: {}", refused.join(" ")));
    }
}
