//! Whether a compiled filter does what its policy means.

use super::{Compiled, Program};
use crate::bpf::{self, Filter, FilterError, Instruction, Unclear};
use crate::policy::Policy;
use crate::policy::decide::{Comparison, Meaning, Witness};

/// Why a compiled filter is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Unfaithful {
    /// It does something else.
    #[error(
        "libseccomp compiles the profile to something else than it says: {witness} on {} should get \
         \"{}\" and gets \"{}\". Write the conditions of this call as equalities (SCMP_CMP_EQ, \
         SCMP_CMP_MASKED_EQ) that do not overlap",
        witness.abi, witness.before, witness.after
    )]
    Different {
        /// A call that shows it: before is the policy, after the filter.
        witness: Box<Witness>,
    },
    /// The kernel would not take it.
    #[error("libseccomp made a filter that the kernel would not take: {0}")]
    Malformed(#[from] FilterError),
    /// It does what no policy can say.
    #[error("libseccomp made a filter that cannot be followed: {0}")]
    Unclear(#[from] Unclear),
}

/// Proves that a compiled filter does what the policy says, for every call and all arguments.
///
/// Calls that libseccomp [does not know](Compiled::unknown) are left out: they have no effect in a
/// runtime either.
///
/// # Errors
///
/// [`Unfaithful`], with a call for which it does not.
pub fn faithful(compiled: &Compiled, policy: &Policy) -> Result<(), Unfaithful> {
    let done = bpf::meaning(&compiled.program.filter()?)?;
    let comparison = Comparison::of(&Meaning::from(policy), &done);
    let known = |name: &str| !compiled.unknown.iter().any(|unknown| unknown == name);
    let mut changes = comparison.changes().filter(|change| change.name().is_none_or(known));
    match changes.find_map(|change| change.witness()) {
        None => Ok(()),
        Some(witness) => Err(Unfaithful::Different { witness: Box::new(*witness) }),
    }
}

impl Program {
    /// The program as a filter that can be run and followed.
    ///
    /// # Errors
    ///
    /// [`FilterError`] if the kernel would not take it.
    pub fn filter(&self) -> Result<Filter, FilterError> {
        Filter::new(self.instructions().iter().copied().map(Instruction::from).collect())
    }
}
