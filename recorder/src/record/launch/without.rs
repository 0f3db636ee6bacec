//! A filter that refuses some calls to a command while it is recorded, so that its fallback is seen.

use crate::enforce::{self, CompileError, NoNewPrivs};
use crate::host;
use strait_generator::abi::Abi;
use strait_generator::profile::{self, ParseError};

use super::Filter;
use crate::record::may_filter_without_no_new_privs;

/// Calls that a command is kept from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Rings, whose work no tracepoint of system calls sees. Software that uses them falls back where the kernel has
    /// none, and then answers ENOSYS.
    IoUring,
}

/// Why there is no such filter.
#[derive(Debug, thiserror::Error)]
pub enum WithoutError {
    /// Its profile is wrong.
    #[error("cannot make the filter of --without: {0}")]
    Profile(#[from] ParseError),
    /// It cannot be compiled.
    #[error("cannot make the filter of --without: {0}")]
    Compile(#[from] CompileError),
}

impl Without {
    /// All of them, by the name that the command line has for each.
    pub const NAMES: [(&str, Self); 1] = [("io_uring", Self::IoUring)];

    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::IoUring => &["io_uring_setup", "io_uring_enter", "io_uring_register"],
        }
    }

    /// The filter. All other calls, of all ABIs that this machine has, are made.
    ///
    /// # Errors
    ///
    /// [`WithoutError`] if libseccomp does not know the calls.
    pub fn filter(self) -> Result<Filter, WithoutError> {
        let architectures = match host::MACHINE.native() {
            Abi::Aarch64 => ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"].as_slice(),
            _ => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        };
        let profile = serde_json::json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": architectures,
            "syscalls": [{
                "names": self.calls(),
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": libc::ENOSYS,
            }],
        });
        let program = enforce::compile(&profile::parse(&profile.to_string())?)?.program;
        let no_new_privs =
            if may_filter_without_no_new_privs() { NoNewPrivs::Leave } else { NoNewPrivs::Set };
        Ok(Filter { program, no_new_privs })
    }
}
