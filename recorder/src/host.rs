//! The machine for which this program was built, and so on which it runs.
//!
//! Only what deals with this machine's kernel may ask: recording, enforcing, inspecting, and the commands
//! that start these. What only reads files takes the machine as a parameter, so that the same input gives the
//! same bytes everywhere; `tests/cli/machine.rs` reads the sources for that.

use strait_generator::machine::Machine;

/// This machine.
pub const MACHINE: Machine =
    if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };

/// The release of the running kernel, as `uname -r` gives it; `None` if the kernel does not say.
pub fn release() -> Option<String> {
    Some(nix::sys::utsname::uname().ok()?.release().to_string_lossy().into_owned())
}
