//! Seccomp filters for Strait's own processes, from profiles like those that it makes for others
//! (`profiles/own/`).

use nix::unistd::Pid;

use crate::enforce::{NoNewPrivs, compile, install};
use strait_generator::policy::{Action, Predicate};
use strait_generator::profile::{self, Arg, Entry};

/// Which of Strait's processes is to be confined.
#[derive(Clone, Copy, Debug)]
pub enum Own {
    /// The one that records.
    Recorder {
        /// The only process to which it may send signals.
        command: Option<Pid>,
        /// Whether it supervises the command's calls.
        supervises: bool,
    },
    /// The one that writes files.
    Writer,
    /// The one that answers in the recorder's stead.
    Standby,
    /// The one that scans programs.
    Scanner,
}

/// What a supervisor asks of ptrace: `PTRACE_CONT`, `PTRACE_GETREGS`, `PTRACE_SETREGS`, `PTRACE_DETACH`,
/// `PTRACE_SEIZE` and `PTRACE_INTERRUPT` of `include/uapi/linux/ptrace.h` and `arch/x86`.
const SUPERVISION: [u32; 6] = [7, 12, 13, 17, 0x4206, 0x4207];

const RECORDER: &str = strait_profiles::own::RECORDER;
const WRITER: &str = strait_profiles::own::WRITER;
const STANDBY: &str = strait_profiles::own::STANDBY;
const SCANNER: &str = strait_profiles::own::SCANNER;

/// Puts this thread, and those that it starts, under the filter. It is the second line of defence: a kernel that
/// has no seccomp filters, or a library that cannot make one, is no reason not to record, but said.
pub fn confine(own: Own) {
    if let Err(why) = try_to(own) {
        log::warn!("Strait's own seccomp filter could not be installed: {why}");
    }
}

fn try_to(own: Own) -> Result<(), String> {
    let text = match own {
        Own::Recorder { .. } => RECORDER,
        Own::Writer => WRITER,
        Own::Standby => STANDBY,
        Own::Scanner => SCANNER,
    };
    let mut profile = profile::parse(text).map_err(|error| error.to_string())?;
    let mut allow = |call: &str, first: Option<u32>| {
        let of_value = |value: u32| {
            let (mask, value) = (u64::from(u32::MAX), u64::from(value));
            Arg { index: 0, predicate: Predicate::MaskedEqual { mask, value } }
        };
        let args = first.map(of_value).into_iter().collect();
        profile.entries.push(Entry { names: vec![call.to_owned()], action: Action::Allow, args });
    };
    if let Own::Recorder { command, supervises } = own {
        if supervises {
            for request in SUPERVISION {
                allow("ptrace", Some(request));
            }
            allow("pidfd_open", None);
        }
        // Its own threads.
        allow("tgkill", Some(std::process::id()));
        if let Some(command) = command {
            // The command itself, or the session that it leads.
            allow("kill", Some(command.as_raw().cast_unsigned()));
            allow("kill", Some((-command.as_raw()).cast_unsigned()));
        }
    }
    let filter = compile(&profile).map_err(|error| error.to_string())?;
    install(&filter.program, NoNewPrivs::Set).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::prove;
    use strait_generator::profile::Severity;

    #[test]
    fn own_profiles_mean_what_they_say() {
        for text in [RECORDER, WRITER, STANDBY, SCANNER] {
            let profile = profile::parse(text).unwrap();
            let findings = profile::lint(&profile);
            assert!(findings.iter().all(|finding| finding.severity != Severity::Error));
            prove(&profile).unwrap();
        }
    }
}
