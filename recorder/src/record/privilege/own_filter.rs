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
    },
    /// The one that writes files.
    Writer,
}

const RECORDER: &str = strait_profiles::own::RECORDER;
const WRITER: &str = strait_profiles::own::WRITER;

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
    };
    let mut profile = profile::parse(text).map_err(|error| error.to_string())?;
    if let Own::Recorder { command: Some(command) } = own {
        // Itself, or the session that it leads.
        for target in [command.as_raw(), -command.as_raw()] {
            let value = u64::from(target.cast_unsigned());
            let predicate = Predicate::MaskedEqual { mask: u64::from(u32::MAX), value };
            let args = vec![Arg { index: 0, predicate }];
            let names = vec!["kill".to_owned()];
            profile.entries.push(Entry { names, action: Action::Allow, args });
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
        for text in [RECORDER, WRITER] {
            let profile = profile::parse(text).unwrap();
            let findings = profile::lint(&profile);
            assert!(findings.iter().all(|finding| finding.severity != Severity::Error));
            prove(&profile).unwrap();
        }
    }
}
