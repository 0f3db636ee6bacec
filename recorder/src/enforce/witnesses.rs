//! Checks the examples of a diff: both compiled filters are run with each.

use proptest::prelude::*;

use super::tests::{is_dependable, numbers, possible, profile, run};
use super::*;
use strait_generator::diff::{Diff, Exceptions, Side, Verdict, diff};
use strait_generator::machine::{Machine, Machines};
use strait_generator::policy::{Action, Errno};
use strait_generator::profile::{OnMachines, Profile};

fn compared(old: &Profile, new: &Profile) -> Diff {
    let side = |name: &str, profile: &Profile| {
        Side::profile(name, &OnMachines::same(profile, Machines::ALL), None).unwrap()
    };
    let today = "2026-11-23".parse().unwrap();
    diff(&side("old", old), &side("new", new), &Exceptions::default(), today)
}

/// Puts every witness to both filters of each machine that has its ABI, as far as libseccomp numbers and compiles
/// the call as it says. Returns how many there were.
fn confirm(old: &Profile, new: &Profile) -> usize {
    let diff = compared(old, new);
    let filter =
        |profile, machine| compile_for(profile, machine).unwrap().program.filter().unwrap();
    let filters = Machine::ALL.map(|machine| (machine, filter(old, machine), filter(new, machine)));
    let policies = [old, new].map(|profile| profile.policy(Machines::ALL).unwrap());
    let mut confirmed = 0;
    let changes =
        diff.changes.iter().flat_map(|change| change.abis().map(move |abi| (change, abi)));
    for (change, abi) in changes {
        let witness = change.witness;
        let Some(name) = change.abi.syscall_name(change.number) else { continue };
        let Some(number) = abi.syscall_number(name) else { continue };
        let dependable = policies.iter().all(|policy| is_dependable(policy, abi, number));
        if !dependable || !numbers(abi, &[name]).contains_key(&number) {
            continue;
        }
        let args = possible(abi, witness.args);
        for (_, before, after) in filters.iter().filter(|(machine, ..)| *machine == abi.machine()) {
            let said = (run(before, abi, number, &args), run(after, abi, number, &args));
            assert_eq!(said, (witness.before, witness.after), "{witness} on {abi}");
        }
        confirmed += 1;
    }
    confirmed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// All comparisons, masks and errnos.
    #[test]
    fn a_witness_is_what_both_filters_make_of_it(
        mut old in profile(),
        mut new in profile(),
        errnos in (1..40_u16, 1..40_u16),
        log in any::<bool>(),
    ) {
        old.default = Action::Errno(Errno::new(errnos.0).unwrap());
        new.default = Action::Errno(Errno::new(errnos.1).unwrap());
        if log {
            new.entries.iter_mut().skip(1).for_each(|entry| entry.action = Action::Log);
        }
        confirm(&old, &new);
    }

    #[test]
    fn a_profile_is_equal_to_itself(one in profile()) {
        prop_assert_eq!(compared(&one, &one).verdict, Verdict::Equal);
    }
}

/// The defaults of engines as they are installed here.
#[cfg(feature = "privileged-tests")]
mod defaults {
    use std::path::Path;

    use super::*;
    use strait_generator::abi::Abi;
    use strait_generator::policy::Capability;
    use strait_generator::profile;

    /// A profile in Docker's dialect, of those that `cargo xtask setup` installs.
    fn default_in(path: &Path) -> Profile {
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask setup`", path.display()));
        let context = profile::Context {
            machine: Machine::X86_64,
            capabilities: Capability::docker_default(),
            kernel: None,
        };
        profile::parse_for(&text, &context).unwrap()
    }

    /// Docker 26's default against that of podman on Debian 12.
    #[test]
    fn dockers_default_and_podmans_differ_in_these_calls() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = match option_env!("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        let docker = default_in(&target.join("tools/profiles/docker-26.1.json"));
        let podman = default_in(Path::new("/usr/share/containers/seccomp.json"));
        let confirmed = confirm(&docker, &podman);
        assert!(confirmed > 50, "{confirmed}");
        let diff = compared(&docker, &podman);
        let of = |abi: Abi, widened: bool| {
            let changes = diff.changes.iter().filter(|change| {
                change.abi == abi && if widened { change.widens() } else { change.narrows() }
            });
            let mut names: Vec<_> = changes.map(strait_generator::diff::Change::call).collect();
            names.sort();
            names.join(" ")
        };
        insta::assert_snapshot!(format!(
            "{}\npodman allows more: {}\npodman allows less: {}",
            diff.verdict.name(),
            of(Abi::X86_64, true),
            of(Abi::X86_64, false)
        ));
    }
}
