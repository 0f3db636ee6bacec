//! What was seen and is not allowed, and why.

use crate::abi::Abi;
use crate::policy::baseline::{KernelVersion, Requirement};
use crate::policy::fallback::fallbacks;
use crate::policy::{Capability, Errno};

/// A call that was seen and is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The ABI it was made through.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// How often it was made.
    pub count: u64,
    /// Why it is not allowed.
    pub reason: Reason,
}

/// Why a call that was seen is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The baseline allows it with any of these capabilities only.
    NeedsCapability(Vec<Capability>),
    /// The baseline allows it from this kernel on only.
    NeedsKernel(KernelVersion),
    /// The baseline refuses it to everybody.
    Refused,
    /// The baseline gives it an error of its own, on which software makes another call.
    Answered(Errno),
    /// No name is known for the number, and a profile has only names.
    UnknownNumber,
    /// Linux has no such call, and answers ENOSYS itself.
    NoSuchCall,
    /// The same, through an ABI of which no call was seen that exists, so that the profile does not list it.
    NoSuchCallIsKilled,
}

impl From<Requirement> for Reason {
    fn from(requirement: Requirement) -> Self {
        match requirement {
            Requirement::Capability(capabilities) => Self::NeedsCapability(capabilities),
            Requirement::Kernel(version) => Self::NeedsKernel(version),
            Requirement::Never => Self::Refused,
        }
    }
}

impl LeftOut {
    /// The call's name, or its number if it has none.
    #[must_use]
    pub fn call(&self) -> String {
        call(self.abi, self.number)
    }

    /// The reason in words, for the baseline that is called so in a sentence.
    pub fn because(&self, baseline: &str) -> String {
        match &self.reason {
            Reason::NeedsCapability(any) => {
                let names: Vec<String> = any.iter().map(Capability::to_string).collect();
                format!("{baseline} allows it only with {}", names.join(" or "))
            }
            Reason::NeedsKernel((major, minor)) => {
                format!("{baseline} allows it only from Linux {major}.{minor} on")
            }
            Reason::Refused => format!("{baseline} refuses it"),
            Reason::Answered(errno) => {
                let targets: Vec<&str> = fallbacks(&self.call()).collect();
                format!("answers {errno}, so that {} is used", targets.join(" or "))
            }
            Reason::UnknownNumber => "this release knows no name for it".to_owned(),
            Reason::NoSuchCall => "Linux has no such call".to_owned(),
            Reason::NoSuchCallIsKilled => format!(
                "Linux has no such call; the profile does not list {}, so that a thread which makes it is killed",
                self.abi
            ),
        }
    }
}

/// A call's name, or its number if it has none.
pub(super) fn call(abi: Abi, number: u32) -> String {
    let raw = || format!("number {}", abi.raw_number(number));
    abi.syscall_name(number).map_or_else(raw, str::to_owned)
}
