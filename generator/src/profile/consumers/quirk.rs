//! What kinds of things there are in a profile that not every consumer takes for what they say.

use serde::Deserialize;

/// Something in a profile that not every consumer takes for what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Quirk {
    /// Neither a default action nor rules.
    Unconfined,
    /// Rules, but no default action.
    NoDefaultAction,
    /// A default action that refuses, but no rules.
    NoRules,
    /// A default error.
    DefaultErrno,
    /// A default error beside an action that returns none.
    DefaultErrnoWithOtherAction,
    /// The same in a rule.
    ErrnoWithOtherAction,
    /// Architectures in Docker's dialect.
    ArchMap,
    /// And both ways of listing them at once.
    ArchMapAndArchitectures,
    /// Conditions on capabilities or architectures, in Docker's dialect.
    Conditions,
    /// Conditions on the kernel's version, in Docker's dialect.
    MinKernel,
    /// One call in `name`, in Docker's dialect.
    SingleName,
    /// The same, and what is left without these rules lets no program start.
    OnlySingleNames,
    /// And both ways of naming calls at once.
    NameAndNames,
    /// Flags of seccomp(2).
    Flags,
    /// Where an agent listens.
    Listener,
    /// A rule that asks the agent.
    Notify,
    /// An action of no known name, or none.
    UnknownAction,
    /// A comparison of no known name, or none.
    UnknownOperator,
    /// An architecture of no known name.
    UnknownArchitecture,
    /// libseccomp's word for the machine's own.
    NativeArchitecture,
    /// One that runc 1.1 does not know.
    RareArchitecture,
    /// One that libseccomp 2.5 does not know either.
    NewArchitecture,
    /// Architectures of both byte orders.
    MixedByteOrder,
    /// None at all.
    NoArchitectures,
    /// A call whose name is empty.
    EmptyName,
    /// A rule that names no call.
    NoNames,
    /// A call that no table of Strait's knows.
    UnknownCall,
    /// An argument beyond the sixth.
    BadIndex,
    /// Not a whole number from 0 to 2⁶⁴−1.
    BadNumber,
    /// The same, a fraction or a number above 2⁶⁴−1.
    NotWhole,
    /// A value above 2⁶³−1.
    LargeValue,
    /// An error above 4095, also of its lower 16 bits.
    LargeErrno,
    /// An error of more than 16 bits, of which the lower ones are another error.
    CutErrno,
    /// An error of 0.
    ZeroErrno,
    /// An argument that is compared twice in a rule.
    RepeatedIndex,
    /// Rules with and without conditions for the same call.
    DroppedCondition,
    /// Two actions for a call under the same condition.
    TwoActions,
    /// A field that the OCI runtime specification does not have.
    UnknownField,
    /// More rules for a call than a profile from a registry may have.
    TooManyEntries,
    /// More conditions for a call, each of which is enough.
    TooManyClauses,
    /// More names in a rule.
    TooManyNames,
    /// More rules in all, names times conditions.
    TooManyRules,
    /// More bytes than it may have.
    TooLarge,
    /// Rules of a call that give different answers, and of which it is not certain which one counts.
    MixedResults,
    /// A string where a list belongs, and the like.
    WrongType,
}

/// Not known to runc 1.1 (libcontainer/seccomp/config.go).
pub(super) const RARE: [&str; 3] = ["SCMP_ARCH_RISCV64", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64"];
/// Nor to libseccomp 2.5.4.
pub(super) const NEW: [&str; 4] =
    ["SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"];
/// Big-endian ones. libseccomp makes no filter for both byte orders (seccomp_arch_add(3), EDOM).
pub(super) const BIG_ENDIAN: [&str; 11] = [
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SHEB",
];
