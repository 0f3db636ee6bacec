//! Whether a compiled filter does what its policy means.

use std::collections::BTreeSet;

use super::compile::is_known;
use super::install::instruction;
use super::{CompileError, Compiled, Program, compile_for};
use crate::host;
use strait_generator::abi::Abi;
use strait_generator::bpf::{self, Filter, FilterError, Unclear};
use strait_generator::machine::Machine;
use strait_generator::policy::decide::{Change, Comparison, Meaning, Witness};
use strait_generator::policy::{NoPolicy, Policy};
use strait_generator::profile::Profile;

/// Why a compiled filter is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Unfaithful {
    /// It does something else.
    #[error(
        "libseccomp compiles the profile to a filter that differs from it: {witness} on {} should get \"{}\" \
         and gets \"{}\"",
        witness.abi, witness.before, witness.after
    )]
    Different {
        /// A call that shows it: before is the policy, after the filter.
        witness: Box<Witness>,
    },
    /// The kernel would not take it.
    #[error("libseccomp made a filter that the kernel would reject: {0}")]
    Malformed(#[from] FilterError),
    /// It does what no policy can say.
    #[error("libseccomp made a filter that cannot be analyzed: {0}")]
    Unclear(#[from] Unclear),
}

/// Why a profile cannot be enforced as it is meant.
#[derive(Debug, thiserror::Error)]
pub enum Unenforceable {
    /// It contradicts itself.
    #[error(transparent)]
    NoPolicy(#[from] NoPolicy),
    /// libseccomp does not take it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// libseccomp makes something else of it.
    #[error(transparent)]
    Unfaithful(#[from] Unfaithful),
}

/// A profile whose filter does what the profile says.
#[derive(Clone, Debug)]
pub struct Proven {
    /// What it says.
    pub policy: Policy,
    /// What does it.
    pub compiled: Compiled,
}

/// Compiles a profile for this machine, and proves that the filter does what the profile says.
///
/// # Errors
///
/// [`Unenforceable`], for this machine's libseccomp: another release of it may get it right.
pub fn prove(profile: &Profile) -> Result<Proven, Unenforceable> {
    prove_for(profile, host::MACHINE)
}

/// The same for another machine, with this one's release of libseccomp.
///
/// # Errors
///
/// [`Unenforceable`].
pub fn prove_for(profile: &Profile, machine: Machine) -> Result<Proven, Unenforceable> {
    let policy = profile.policy(machine)?;
    let compiled = compile_for(profile, machine)?;
    faithful(&compiled, &policy, machine)?;
    Ok(Proven { policy, compiled })
}

/// Proves that a filter that was compiled for a machine does what the policy says, for every call of the
/// machine and all arguments.
///
/// Rules for a call of an ABI that libseccomp does not know there have no effect, in a runtime either:
/// fine as long as no more is let through for it.
///
/// # Errors
///
/// [`Unfaithful`], with a call for which it does not.
pub fn faithful(compiled: &Compiled, policy: &Policy, machine: Machine) -> Result<(), Unfaithful> {
    let there = |meaning: Meaning| meaning.only(|abi| abi.machine() == machine);
    let done = there(bpf::meaning(&compiled.program.filter()?)?);
    let comparison = Comparison::new(&there(Meaning::from(policy)), &done);
    let counts = |change: &&Change| {
        change.widened.is_some() || change.name().is_none_or(|name| is_known(change.abi, name))
    };
    match comparison.changes().filter(counts).find_map(Change::witness) {
        None => Ok(()),
        Some(witness) => Err(Unfaithful::Different { witness: Box::new(*witness) }),
    }
}

/// The calls of these ABIs that this machine's libseccomp does not know, so that rules for them have no effect.
pub fn lacking(abis: impl Iterator<Item = Abi>) -> BTreeSet<(Abi, u32)> {
    let of_abi = |abi: Abi| abi.syscalls().map(move |(number, name)| (abi, number, name));
    abis.flat_map(of_abi)
        .filter(|(abi, _, name)| !is_known(*abi, name))
        .map(|(abi, number, _)| (abi, number))
        .collect()
}

impl Program {
    /// The program as a filter that can be run and followed.
    ///
    /// # Errors
    ///
    /// [`FilterError`] if the kernel would not take it.
    pub fn filter(&self) -> Result<Filter, FilterError> {
        Filter::new(self.instructions().iter().copied().map(instruction).collect())
    }
}
