//! Architectures as a profile names them.

use std::fmt;
use std::str::FromStr;

use crate::abi::Abi;

/// The names of the OCI runtime specification (`config-linux.md`, "seccomp"), without the
/// `SCMP_ARCH_NATIVE` of libseccomp, which runc and crun refuse.
const NAMES: [&str; 23] = [
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

/// An architecture as a profile names it, such as `SCMP_ARCH_X86_64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(&'static str);

impl Architecture {
    /// Its name in a profile.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Its ABI, if it is one that Strait knows.
    #[must_use]
    pub fn abi(self) -> Option<Abi> {
        Abi::ALL.into_iter().find(|abi| Self::from(*abi) == self)
    }
}

impl From<Abi> for Architecture {
    fn from(abi: Abi) -> Self {
        Self(abi.architecture())
    }
}

/// The text names no architecture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid architecture: write a name such as SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64"
)]
pub struct UnknownArchitecture(String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAMES
            .into_iter()
            .find(|name| *name == text)
            .map(Self)
            .ok_or_else(|| UnknownArchitecture(text.to_owned()))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_abi_is_an_architecture() {
        for abi in Abi::ALL {
            let architecture = Architecture::from(abi);
            assert_eq!(architecture.name().parse(), Ok(architecture));
            assert_eq!(architecture.abi(), Some(abi));
        }
        assert!("SCMP_ARCH_NATIVE".parse::<Architecture>().is_err());
    }
}
