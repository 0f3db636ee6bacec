//! A profile resolved for several machines at once.

use std::collections::BTreeMap;

use super::read::{document, read_value};
use super::{Entry, ParseError, Profile, Resolved, Workload};
use crate::machine::{Machine, Machines};
use crate::policy::decide::{Comparison, Meaning};

/// Resolves a profile into one that says the same on all of these machines.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong, or says that there is no such profile.
pub fn resolve_on(
    text: &str,
    workload: &Workload,
    machines: Machines,
) -> Result<Resolved, ParseError> {
    let value = document(text)?;
    let mut resolved = Vec::new();
    for machine in machines.iter() {
        resolved.push((machine, read_value(value.clone(), Some(&workload.on(machine)))?));
    }
    let mut rest = resolved.iter();
    let Some((first, one)) = rest.next() else { return Err(ParseError::Empty) };
    let mut together = one.clone();
    if rest.clone().all(|(_, other)| other.profile == one.profile) {
        return Ok(together);
    }
    let mut entries: BTreeMap<usize, Entry> = BTreeMap::new();
    let mut architectures = Vec::new();
    for (_, each) in &resolved {
        for (place, entry) in each.places.iter().zip(&each.profile.entries) {
            entries.entry(*place).or_insert_with(|| entry.clone());
        }
        for architecture in &each.profile.architectures {
            if !architectures.contains(architecture) {
                architectures.push(*architecture);
            }
        }
    }
    (together.places, together.profile.entries) = entries.into_iter().unzip();
    together.profile.architectures = architectures;
    for (machine, each) in &resolved {
        if !is_same_on(*machine, &together.profile, &each.profile) {
            let other = rest.next().map_or(*first, |(other, _)| *other);
            return Err(ParseError::Machines(*first, other));
        }
    }
    Ok(together)
}

/// Whether two profiles say the same to the programs of a machine. What contradicts itself says nothing.
fn is_same_on(machine: Machine, one: &Profile, other: &Profile) -> bool {
    let meaning = |profile: &Profile| {
        let policy = profile.policy(machine).ok()?;
        Some(Meaning::from(&policy))
    };
    match (meaning(one), meaning(other)) {
        (Some(one), Some(other)) => Comparison::new(&one, &other).is_equal(),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}"#;

    fn on(text: &str, machines: impl Into<Machines>) -> Result<Resolved, ParseError> {
        resolve_on(text, &Workload::default(), machines.into())
    }

    #[test]
    fn one_profile_says_the_same_on_all_machines_where_it_can() {
        let text = format!(
            r#"{HEAD}, {{"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW",
               "includes": {{"arches": ["amd64"]}}}}], "archMap": [
               {{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}},
               {{"architecture": "SCMP_ARCH_AARCH64"}}]}}"#
        );
        let resolved = on(&text, Machines::ALL).unwrap();
        assert!(resolved.is_dialect);
        let names: Vec<_> = resolved.profile.architectures.iter().map(|one| one.name()).collect();
        assert_eq!(names, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"]);
        assert_eq!(resolved.profile.entries.len(), 2);
        assert_eq!(on(&text, Machine::Aarch64).unwrap().profile.entries.len(), 1);
    }

    #[test]
    fn what_differs_between_machines_is_not_made_one() {
        let text = format!(
            r#"{HEAD}, {{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW",
               "includes": {{"arches": ["arm64"]}}}}]}}"#
        );
        let error = on(&text, Machines::ALL).unwrap_err().to_string();
        assert!(error.contains("--machine x86_64"), "{error}");
        assert!(on(&text, Machine::Aarch64).unwrap().is_dialect);
    }

    #[test]
    fn what_engines_accept_is_accepted_and_reported() {
        let text = r#"{"DefaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "weather": "fine",
            "Syscalls": [
              {"Name": "execve", "action": "SCMP_ACT_ALLOW", "errnoRet": 1},
              {"names": ["", "exit"], "action": "SCMP_ACT_ALLOW", "Args": [{"value": 1, "op": "SCMP_CMP_EQ"}]},
              {"names": [], "action": "SCMP_ACT_ALLOW"},
              {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["SYS_ADMIN"]}},
              {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["SYS_CHROOT"]}}]}"#;
        let resolved = on(text, Machines::ALL).unwrap();
        assert!(!resolved.is_plain());
        assert_eq!(resolved.flags, ["SECCOMP_FILTER_FLAG_LOG"]);
        let notes: Vec<String> = resolved.notes.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(notes.join("\n"));
        insta::assert_snapshot!(resolved.print().unwrap());
        assert!(super::super::parse(&resolved.print().unwrap()).is_err(), "it has flags");
    }

    #[test]
    fn what_readers_differ_about_is_refused() {
        for text in [
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "Syscalls": [], "syscalls": []}"#,
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {"names": ["read"], "name": "read", "action": "SCMP_ACT_ALLOW"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]}"#,
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"]}]}"#,
        ] {
            assert!(on(text, Machines::ALL).is_err(), "{text}");
        }
    }
}
