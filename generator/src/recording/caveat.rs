//! What a user of a recording has to know about it, though nothing was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Call, Program, Tracer};
use crate::abi::Abi;
use crate::policy::data::embedded;

/// Something that a recording does not show, and that a profile made of it may need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Caveat {
    /// A client of a container engine was recorded, by this path: containers that a daemon starts for it are not in
    /// the recording, and those that it starts itself are mixed with it.
    EngineClient(String),
    /// File and network work was given to an io_uring, where no tracepoint of system calls sees it.
    IoUring,
    /// A filter was installed that hands calls to a supervisor. What a supervisor answers never enters the kernel's
    /// table of calls, and is not in the recording.
    Listener,
    /// `no_new_privs` was set for recording.
    NoNewPrivs,
    /// So many tasks were still running when the recording ended.
    StillRunning(u64),
    /// A filter that hands calls to a supervisor was not installed, since what recorded was the one supervisor that the
    /// kernel allows.
    SupervisorRefused,
    /// What observed the calls does not see all that Strait's probe does.
    TracedBy(Tracer),
}

static CLIENTS: LazyLock<Clients> = LazyLock::new(|| embedded(strait_profiles::ENGINE_CLIENTS));

#[derive(Deserialize)]
struct Clients {
    names: BTreeSet<String>,
}

/// `SECCOMP_SET_MODE_FILTER`, and with it the bit `SECCOMP_FILTER_FLAG_NEW_LISTENER` of the flags, as the rule for
/// `seccomp` in `profiles/argument-rules.json` keeps them.
const NEW_LISTENER: [u64; 2] = [1, 1];

impl Caveat {
    /// What calls and programs tell. `is_command`: whether it is the recording of a command, and not of a container,
    /// which is in itself what is meant.
    #[must_use]
    pub fn of_calls(
        calls: &BTreeMap<Abi, BTreeMap<u32, Call>>,
        programs: &[Program],
        is_command: bool,
    ) -> BTreeSet<Self> {
        let of = |name: &'static str| {
            let mut abis = calls.iter();
            abis.find_map(move |(abi, calls)| calls.get(&abi.syscall_number(name)?))
        };
        let ring = of("io_uring_setup").map(|_| Self::IoUring);
        let listens = of("seccomp").and_then(|call| call.arguments.as_ref()).is_some_and(|kept| {
            kept.indexes == [0, 1] && kept.values.contains_key(NEW_LISTENER.as_slice())
        });
        let clients = programs.iter().filter(|program| is_command && is_client(&program.path));
        let clients = clients.map(|program| Self::EngineClient(program.path.clone()));
        clients.chain(ring).chain(listens.then_some(Self::Listener)).collect()
    }

    /// All of two recordings: of tasks that were still running the larger number, since shards run side by side.
    #[must_use]
    pub fn united(one: BTreeSet<Self>, other: BTreeSet<Self>) -> BTreeSet<Self> {
        let mut all: BTreeSet<Self> = one.into_iter().chain(other).collect();
        let running = |caveat: &Self| match caveat {
            Self::StillRunning(tasks) => Some(*tasks),
            _ => None,
        };
        let most = all.iter().filter_map(running).max();
        all.retain(|caveat| running(caveat) == most || running(caveat).is_none());
        all
    }
}

fn is_client(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| CLIENTS.names.contains(name))
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineClient(path) => {
                let path = crate::untrusted::one_line(path);
                write!(
                    f,
                    "`{path}` is a client of a container engine: the recording is of the client, not of its \
                     containers. To record containers, use `strait record --containers`"
                )
            }
            Self::IoUring => f.write_str(
                "the workload uses io_uring, and what it does through a ring is not in the recording. To record \
                 its other way, without a ring, use `strait record --without io_uring`",
            ),
            Self::Listener => f.write_str(
                "a seccomp filter with a supervisor (SECCOMP_FILTER_FLAG_NEW_LISTENER) was installed: calls that \
                 the supervisor answers are not in the recording, and under a profile that \
                 refuses them they fail. Add them to the profile by hand",
            ),
            Self::NoNewPrivs => f.write_str(
                "no_new_privs was set, which recording without privileges needs: set-user-ID programs (sudo, ping, su) \
                 ran without their rights. If the workload needs them, record it as root",
            ),
            Self::SupervisorRefused => f.write_str(
                "a seccomp filter with a supervisor (SECCOMP_FILTER_FLAG_NEW_LISTENER) was refused with EBUSY, since \
                 the kernel allows one supervisor and recording by user notification is one: what the workload does \
                 with its own is not in the recording. Record it with `strait record --backend ebpf`",
            ),
            Self::TracedBy(tracer) => f.write_str(tracer.blind_to().unwrap_or_default()),
            Self::StillRunning(1) => f.write_str(
                "1 task was still running when the recording ended; its later calls are not in it",
            ),
            Self::StillRunning(tasks) => write!(
                f,
                "{tasks} tasks were still running when the recording ended; their later calls are not in it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::example::recording;
    use crate::recording::{ArgumentUse, Arguments};

    fn caveats(path: &str, is_command: bool) -> BTreeSet<Caveat> {
        let mut recording = recording(&[(Abi::X86_64, 0)]);
        recording.programs[0].path = path.to_owned();
        Caveat::of_calls(&recording.calls, &recording.programs, is_command)
    }

    #[test]
    fn a_client_of_an_engine_is_known_by_its_name_and_only_in_a_command() {
        let docker = "/usr/bin/docker";
        assert_eq!(
            caveats(docker, true),
            BTreeSet::from([Caveat::EngineClient(docker.to_owned())])
        );
        for (path, is_command) in [(docker, false), ("/usr/bin/docker-proxy", true), ("", true)] {
            assert_eq!(caveats(path, is_command), BTreeSet::new(), "{path}");
        }
    }

    #[test]
    fn a_ring_and_a_listener_are_seen_in_the_calls() {
        let ring = Abi::X86_64.syscall_number("io_uring_setup").expect("a number");
        let seccomp = Abi::X86_64.syscall_number("seccomp").expect("a number");
        let mut recording = recording(&[(Abi::X86_64, ring), (Abi::X86_64, seccomp)]);
        let caveats = |recording: &crate::recording::Recording| {
            Caveat::of_calls(&recording.calls, &recording.programs, true)
        };
        assert_eq!(caveats(&recording), BTreeSet::from([Caveat::IoUring]));
        let call = recording.calls.get_mut(&Abi::X86_64).and_then(|calls| calls.get_mut(&seccomp));
        let values = BTreeMap::from([(NEW_LISTENER.to_vec(), ArgumentUse::default())]);
        call.expect("it is there").arguments =
            Some(Arguments { indexes: vec![0, 1], values, overflow: 0 });
        assert_eq!(caveats(&recording), BTreeSet::from([Caveat::IoUring, Caveat::Listener]));
    }

    #[test]
    fn of_running_tasks_the_larger_number_stays() {
        let of = |tasks| BTreeSet::from([Caveat::StillRunning(tasks), Caveat::IoUring]);
        let none = BTreeSet::new();
        assert_eq!(Caveat::united(of(2), of(3)), of(3));
        assert_eq!(Caveat::united(of(2), none.clone()), of(2));
        assert_eq!(Caveat::united(none.clone(), none.clone()), none);
    }
}
