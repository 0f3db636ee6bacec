//! A filter of seccompiler, as Firecracker, Cloud Hypervisor and other programs of rust-vmm read it.
//!
//! It has one action for what its rules match and one for all else, and is for one machine, of which it covers the own
//! calls only: a call of another ABI kills the process.
//!
//! Source: `src/frontend/json.rs`, `src/backend/` and `docs/json_format.md` of seccompiler 0.5.0, read in November 2026.
//! A test compiles what is written here with that library and proves what it means.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::row::Row;
use super::{ExportError, Exported, File, Named, Options};
use crate::abi::Abi;
use crate::machine::{Machine, Machines};
use crate::policy::decide::Meaning;
use crate::policy::{Action, Predicate};
use crate::profile::{Arg, Profile, from_meaning};

pub(super) const TARGET: Row = Row {
    name: "seccompiler",
    help: "A filter of seccompiler, as Firecracker and Cloud Hypervisor read it",
    depends_on_machine: true,
    export,
    ..Row::PLAIN
};

const NAME: &str = "a filter of seccompiler";

/// Calls that its tables lack (those of 0.5.0 are Linux 6.12's), and that it refuses to read.
pub(super) const UNKNOWN: [&str; 8] = [
    "file_getattr",
    "file_setattr",
    "getxattrat",
    "listxattrat",
    "open_tree_attr",
    "removexattrat",
    "setxattrat",
    "uprobe",
];

fn export(profile: &Profile, options: &Options, named: &Named) -> Result<Exported, ExportError> {
    let listed = profile.listed_machines();
    let machines = match options.machines.and(listed) {
        // The machine's own calls are covered, whatever the profile lists.
        none if none.is_empty() || options.machines != Machines::ALL => options.machines,
        machines => machines,
    };
    let mut exported = Exported::default();
    let mut warnings = BTreeSet::new();
    for machine in machines.iter() {
        let text = filter(profile, options, machine, &mut warnings)?;
        exported.files.push(File::text(format!("{}-{machine}.json", named.object()), text));
    }
    let others: Vec<&str> =
        profile.abis(machines).into_iter().filter(|abi| !abi.is_native()).map(Abi::name).collect();
    if !others.is_empty() {
        warnings.insert(format!(
            "calls of {} are refused: a filter of seccompiler covers the machine's own calls only",
            others.join(" and ")
        ));
    }
    exported.warnings = warnings.into_iter().collect();
    exported.notes.push(format!(
        "the filter is for the thread category `{}`; a program that has others (Firecracker: vmm, api, vcpu) needs a \
         filter for each in the same file",
        options.name
    ));
    Ok(exported)
}

/// The file for a machine.
fn filter(
    profile: &Profile,
    options: &Options,
    machine: Machine,
    warnings: &mut BTreeSet<String>,
) -> Result<String, ExportError> {
    let unsuitable = |reason: String| ExportError::Unsuitable { target: NAME, reason };
    let Some(mismatch) = action(profile.default) else {
        return Err(unsuitable(format!(
            "it refuses what it does not name, and the profile answers that with \"{}\"",
            profile.default
        )));
    };
    let own = |abi: Abi| abi == machine.native();
    let meaning = Meaning::from(&profile.policy(machine)?).only(own);
    let (flat, _) = from_meaning(&meaning, machine)
        .map_err(|error| unsuitable(format!("no list of rules means the same: {error}")))?;
    let mut rules = Vec::new();
    let mut noted = Noted::default();
    for entry in &flat.entries {
        match entry.action {
            Action::Allow => {}
            Action::Log => noted.logged.extend(entry.names.iter().cloned()),
            action if action == profile.default => continue,
            _ => {
                noted.otherwise.extend(entry.names.iter().cloned());
                continue;
            }
        }
        for name in &entry.names {
            if UNKNOWN.contains(&name.as_str()) {
                noted.unknown.insert(name.clone());
                continue;
            }
            let mut rule = json!({"syscall": name});
            if !entry.args.is_empty() {
                rule["args"] = entry.args.iter().map(condition).collect();
            }
            rules.push(rule);
        }
    }
    noted.warn(profile.default, warnings);
    let category = json!({"mismatch_action": mismatch, "match_action": "allow", "filter": rules});
    let document = json!({options.name.as_str(): category});
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

/// Where the filter is not what the profile says.
#[derive(Default)]
struct Noted {
    unknown: BTreeSet<String>,
    logged: BTreeSet<String>,
    otherwise: BTreeSet<String>,
}

impl Noted {
    fn warn(&self, default: Action, warnings: &mut BTreeSet<String>) {
        let list = |names: &BTreeSet<String>| {
            names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        if !self.unknown.is_empty() {
            warnings.insert(format!(
                "left out, so that less is allowed, since seccompiler 0.5 does not know them: {}",
                list(&self.unknown)
            ));
        }
        if !self.logged.is_empty() {
            warnings.insert(format!("allowed without being logged: {}", list(&self.logged)));
        }
        if !self.otherwise.is_empty() {
            warnings.insert(format!(
                "a filter of seccompiler refuses all calls alike, so that \"{default}\" is the answer also for: {}",
                list(&self.otherwise)
            ));
        }
    }
}

/// An action for all calls that no rule matches; `None` for one that does not refuse.
fn action(action: Action) -> Option<Value> {
    match action {
        Action::Errno(errno) => Some(json!({"errno": errno.number()})),
        Action::Trap => Some(json!("trap")),
        Action::KillThread => Some(json!("kill_thread")),
        Action::KillProcess => Some(json!("kill_process")),
        Action::Allow | Action::Log | Action::Trace(_) => None,
    }
}

/// A condition on all 64 bits of an argument, as the own calls of every machine have them.
fn condition(arg: &Arg) -> Value {
    let (operator, value) = match arg.predicate {
        Predicate::NotEqual(value) => (json!("ne"), value),
        Predicate::Less(value) => (json!("lt"), value),
        Predicate::LessOrEqual(value) => (json!("le"), value),
        Predicate::Equal(value) => (json!("eq"), value),
        Predicate::GreaterOrEqual(value) => (json!("ge"), value),
        Predicate::Greater(value) => (json!("gt"), value),
        Predicate::MaskedEqual { mask, value } => (json!({"masked_eq": mask}), value & mask),
    };
    json!({"index": arg.index, "type": "qword", "op": operator, "val": value})
}

#[cfg(test)]
mod tests {
    use seccompiler::{TargetArch, compile_from_json};

    use super::*;
    use crate::bpf::{self, Filter, Instruction};
    use crate::choice::Choice;
    use crate::export::{Target, export};
    use crate::policy::decide::Comparison;
    use crate::profile;

    const PROFILE: &str = r#"{
      "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
      "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
      "syscalls": [
        {"names": ["read", "exit_group", "setxattrat"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["write"], "action": "SCMP_ACT_LOG"},
        {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}]},
        {"names": ["mmap"], "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 1, "value": 8589934592, "op": "SCMP_CMP_LE"}]}
      ]
    }"#;

    fn target() -> Target {
        Target::named("seccompiler").unwrap()
    }

    fn exported(text: &str) -> (Profile, Exported) {
        let profile = profile::parse(text).unwrap();
        let exported = export(&profile, target(), &Options::named("web".parse().unwrap())).unwrap();
        (profile, exported)
    }

    /// What the library makes of a file, as a filter of this machine does it.
    fn compiled(file: &File, machine: Machine) -> Meaning {
        let arch = TargetArch::try_from(machine.name()).unwrap();
        let filters = compile_from_json(file.bytes.as_slice(), arch).unwrap();
        let instruction = |one: &seccompiler::sock_filter| Instruction {
            code: one.code,
            jt: one.jt,
            jf: one.jf,
            k: one.k,
        };
        let program = filters["web"].iter().map(instruction).collect();
        bpf::meaning(&Filter::new(program).unwrap()).unwrap()
    }

    /// Names of calls that a filter lets through and the profile does not, and the other way round.
    fn difference(profile: &Profile, file: &File, machine: Machine) -> (Vec<String>, Vec<String>) {
        let own = |abi| abi == machine.native();
        let before = Meaning::from(&profile.policy(machine).unwrap()).only(own);
        let comparison = Comparison::new(&before, &compiled(file, machine).only(own));
        let names = |wider: bool| {
            let is_so = |change: &&crate::policy::decide::Change| {
                if wider { change.widened.is_some() } else { change.narrowed.is_some() }
            };
            let changes = comparison.changes().filter(is_so);
            changes.map(|change| change.name().unwrap_or("?").to_owned()).collect()
        };
        (names(true), names(false))
    }

    #[test]
    fn the_library_lets_through_what_the_profile_does() {
        let (profile, exported) = exported(PROFILE);
        assert_eq!(self::exported(PROFILE).1, exported, "the same bytes every time");
        let paths: Vec<_> =
            exported.files.iter().map(|file| file.path.display().to_string()).collect();
        assert!(
            paths[0].ends_with("-x86_64.json") && paths[1].ends_with("-aarch64.json"),
            "{paths:?}"
        );
        for (file, machine) in exported.files.iter().zip([Machine::X86_64, Machine::Aarch64]) {
            let (wider, narrower) = difference(&profile, file, machine);
            assert!(wider.is_empty(), "{machine}: {wider:?}");
            assert_eq!(narrower, ["setxattrat"], "{machine}");
        }
        let warnings = exported.warnings.join("\n");
        for part in ["setxattrat", "logged: write", "also for: ptrace", "calls of x86"] {
            assert!(warnings.contains(part), "{part}: {warnings}");
        }
    }

    #[test]
    fn the_library_knows_all_calls_but_those_of_the_list() {
        for machine in Machine::ALL {
            for (_, name) in machine.native().syscalls() {
                let text = json!({"a": {"mismatch_action": "trap", "match_action": "allow",
                    "filter": [{"syscall": name}]}});
                let arch = TargetArch::try_from(machine.name()).unwrap();
                let is_known = compile_from_json(text.to_string().as_bytes(), arch).is_ok();
                assert_eq!(is_known, !UNKNOWN.contains(&name), "{machine}: {name}");
            }
        }
    }

    #[test]
    fn a_profile_that_refuses_nothing_by_default_is_not_exported() {
        let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}"#;
        let profile = profile::parse(text).unwrap();
        let options = Options::named("web".parse().unwrap());
        let error = export(&profile, target(), &options).unwrap_err().to_string();
        assert!(error.contains("refuses what it does not name"), "{error}");
    }
}
