//! Compiles a profile with libseccomp to a classic BPF program.

use std::io::{self, Read, Seek};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::install::Program;
use crate::host;
use strait_generator::abi::Abi;
use strait_generator::machine::Machine;
use strait_generator::policy::{Action, Clause, Predicate};
use strait_generator::profile::{Architecture, Entry, Profile};

/// From this many rules on runc asks libseccomp for a binary tree instead of a list.
const BINARY_TREE_ABOVE: usize = 32;
/// `SCMP_FLTATR_CTL_OPTIMIZE`: a binary tree over the numbers of the calls.
const BINARY_TREE: u32 = 2;

/// How long libseccomp may take; a large profile takes it some milliseconds. 2.5.4 loops forever in
/// `seccomp_rule_add` over some overlapping ordered comparisons of one call.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where libseccomp's numbers for calls begin that an architecture does not have (`__PNR_*` in
/// `seccomp-syscalls.h`). Above are those that i386 hides behind `socketcall` and `ipc`.
const NOT_THERE: i32 = -10_000;

/// Why a profile could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// libseccomp could not be set up.
    #[error("libseccomp could not start a filter: {0}")]
    Start(#[source] libseccomp::error::SeccompError),
    /// libseccomp does not know an architecture of the profile.
    #[error(
        "libseccomp does not know the architecture {name} of the profile ({source}): \
         leave it out, or install a newer libseccomp"
    )]
    Architecture {
        /// Its name in the profile.
        name: &'static str,
        /// What libseccomp said.
        source: libseccomp::error::SeccompError,
    },
    /// libseccomp refuses a rule.
    #[error(
        "libseccomp refuses `{call}` in syscalls[{entry}]: {source}. Does the call have another action under \
         the same condition?"
    )]
    Rule {
        /// Index of the entry in the profile.
        entry: usize,
        /// Name of the call.
        call: String,
        /// What libseccomp said.
        source: libseccomp::error::SeccompError,
    },
    /// libseccomp could not write the program.
    #[error("libseccomp could not write the filter: {0}")]
    Export(#[source] libseccomp::error::SeccompError),
    /// The program could not be read back.
    #[error("the compiled filter could not be read back from memory: {0}")]
    Memory(#[from] io::Error),
    /// It was given up.
    #[error(
        "libseccomp does not finish compiling this profile, and neither would a container runtime: write the \
         conditions of each call as equalities (SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ) that do not overlap"
    )]
    Stuck,
    /// More instructions than the kernel takes.
    #[error("the filter has {0} instructions, and the kernel takes 4096: use fewer rules")]
    TooLong(usize),
}

/// How libseccomp arranges the calls in a filter. It decides the same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As runc asks for it since 1.2: a binary tree over the numbers of the calls, if there are more than 32 rules.
    Tree,
    /// What libseccomp makes unless it is asked, and crun does not ask: a list, calls with few conditions first.
    List,
}

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The program for the kernel.
    pub program: Program,
    /// Names in the profile that this machine's libseccomp does not know: they have no effect.
    pub unknown: Vec<String>,
}

/// Compiles a profile for this machine.
///
/// # Errors
///
/// [`CompileError`] says which part of the profile libseccomp does not take.
pub fn compile(profile: &Profile) -> Result<Compiled, CompileError> {
    compile_for(profile, host::MACHINE)
}

/// Compiles a profile as libseccomp does on another machine, which starts with that one's architecture.
///
/// # Errors
///
/// [`CompileError`] says which part of the profile libseccomp does not take.
pub fn compile_for(profile: &Profile, machine: Machine) -> Result<Compiled, CompileError> {
    compile_as(profile, machine, Layout::Tree)
}

/// As [`compile_for`], in a layout.
///
/// # Errors
///
/// [`CompileError`] says which part of the profile libseccomp does not take.
pub fn compile_as(
    profile: &Profile,
    machine: Machine,
    layout: Layout,
) -> Result<Compiled, CompileError> {
    let (sender, result) = mpsc::channel();
    let profile = profile.clone();
    // If libseccomp never comes back, the thread ends with the process.
    let thread = thread::Builder::new().name("libseccomp".to_owned()).spawn(move || {
        // The receiver is gone if it took too long.
        let _ = sender.send(translate(&profile, machine, layout));
    })?;
    let compiled = result.recv_timeout(PATIENCE).map_err(|_| CompileError::Stuck)?;
    // It has nothing left to do but to end. While it is there it holds the allocator's lock now and then, for which a
    // process under a filter without `futex` cannot wait, and a filter that is installed now is not its own.
    let _ = thread.join();
    compiled
}

fn translate(
    profile: &Profile,
    machine: Machine,
    layout: Layout,
) -> Result<Compiled, CompileError> {
    let mut filter =
        ScmpFilterContext::new(action(profile.default)).map_err(CompileError::Start)?;
    // The runtime decides about no_new_privs, and so does `install`.
    filter.set_ctl_nnp(false).map_err(CompileError::Start)?;
    let own = |machine: Machine| Architecture::from(machine.native());
    let other = (machine != host::MACHINE).then(|| own(machine));
    for architecture in other.iter().chain(&profile.architectures) {
        let name = architecture.name();
        name.parse::<ScmpArch>()
            .and_then(|arch| filter.add_arch(arch).map(|_| ()))
            .map_err(|source| CompileError::Architecture { name, source })?;
    }
    // What libseccomp started with goes, unless the profile lists it.
    let this = own(host::MACHINE);
    if other.is_some() && !profile.architectures.contains(&this) {
        let name = this.name();
        name.parse::<ScmpArch>()
            .and_then(|arch| filter.remove_arch(arch).map(|_| ()))
            .map_err(|source| CompileError::Architecture { name, source })?;
    }
    let rules: usize = profile.entries.iter().map(|entry| entry.names.len()).sum();
    if layout == Layout::Tree && rules > BINARY_TREE_ABOVE {
        // Older ones have no such attribute, and make a list.
        let _ = filter.set_ctl_optimize(BINARY_TREE);
    }
    let mut unknown = Vec::new();
    for (index, entry) in profile.entries.iter().enumerate() {
        if entry.action == profile.default {
            continue;
        }
        for name in &entry.names {
            match ScmpSyscall::from_name(name) {
                Ok(call) => {
                    add(&mut filter, entry, call).map_err(|source| CompileError::Rule {
                        entry: index,
                        call: name.clone(),
                        source,
                    })?;
                }
                Err(_) => unknown.push(name.clone()),
            }
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    let program = export(&filter)?;
    Ok(Compiled { program, unknown })
}

/// Whether this machine's libseccomp knows a call of an ABI. Rules for another have no effect there.
pub(super) fn is_known(abi: Abi, name: &str) -> bool {
    let number = |arch| ScmpSyscall::from_name_by_arch(name, arch);
    Architecture::from(abi)
        .name()
        .parse::<ScmpArch>()
        .and_then(number)
        .is_ok_and(|call| call.as_raw_syscall() > NOT_THERE)
}

fn add(
    filter: &mut ScmpFilterContext,
    entry: &Entry,
    call: ScmpSyscall,
) -> Result<(), libseccomp::error::SeccompError> {
    for clause in entry.clauses() {
        let comparisons = comparisons(&clause);
        if comparisons.is_empty() {
            filter.add_rule(action(entry.action), call)?;
        } else {
            filter.add_rule_conditional(action(entry.action), call, &comparisons)?;
        }
    }
    Ok(())
}

fn action(action: Action) -> ScmpAction {
    match action {
        Action::Allow => ScmpAction::Allow,
        Action::Log => ScmpAction::Log,
        Action::Errno(errno) => ScmpAction::Errno(i32::from(errno.number())),
        Action::Trace(message) => ScmpAction::Trace(message),
        Action::Trap => ScmpAction::Trap,
        Action::KillThread => ScmpAction::KillThread,
        Action::KillProcess => ScmpAction::KillProcess,
    }
}

fn comparisons(clause: &Clause) -> Vec<ScmpArgCompare> {
    clause
        .predicates()
        .filter_map(|(index, predicate)| {
            let (op, datum) = match predicate {
                Predicate::NotEqual(value) => (ScmpCompareOp::NotEqual, value),
                Predicate::Less(value) => (ScmpCompareOp::Less, value),
                Predicate::LessOrEqual(value) => (ScmpCompareOp::LessOrEqual, value),
                Predicate::Equal(value) => (ScmpCompareOp::Equal, value),
                Predicate::GreaterOrEqual(value) => (ScmpCompareOp::GreaterEqual, value),
                Predicate::Greater(value) => (ScmpCompareOp::Greater, value),
                Predicate::MaskedEqual { mask, value } => (ScmpCompareOp::MaskedEqual(mask), value),
            };
            let index = u32::try_from(index).ok()?;
            Some(ScmpArgCompare::new(index, op, datum))
        })
        .collect()
}

/// Through an anonymous file, since libseccomp writes to a descriptor (to memory only from 2.6 on).
fn export(filter: &ScmpFilterContext) -> Result<Program, CompileError> {
    let descriptor =
        memfd_create(c"strait-filter", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?;
    filter.export_bpf(&descriptor).map_err(CompileError::Export)?;
    let mut file = std::fs::File::from(descriptor);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Program::from_bytes(&bytes).ok_or(CompileError::TooLong(bytes.len() / Program::INSTRUCTION))
}
