//! What each consumer makes of some profiles.

use super::*;
use crate::abi::Abi;
use crate::choice::Choice;
use serde_json::json;

fn effects(profile: &Value, consumer: Consumer) -> Vec<(Effect, String)> {
    let remarks = remarks(profile, 0, &[consumer]);
    remarks.into_iter().map(|remark| (remark.effect, remark.path)).collect()
}

#[test]
fn every_runtime_that_is_named_is_known() {
    for consumer in Consumer::ALL {
        for name in &consumer.file().runs {
            assert!(FILES.runtimes.contains_key(name.as_str()), "{name}");
        }
        assert_eq!(serde_json::to_value(consumer).unwrap(), consumer.name());
    }
}

/// The tests have neither CRI-O nor an operator, and start no pods with containerd.
#[test]
fn what_no_test_has_is_marked() {
    for consumer in [Consumer::Containerd, Consumer::Crio, Consumer::Spo, Consumer::Kep6061] {
        let quirks = quirks(consumer.name());
        assert!(!quirks.is_empty() && quirks.iter().all(|(.., checked)| !checked), "{consumer}");
    }
    for name in ["docker", "podman", "runc", "crun"] {
        assert!(quirks(name).iter().any(|(.., checked)| *checked), "{name}");
    }
    assert_eq!(quirks("no-such"), []);
}

#[test]
fn dockers_dialect_is_for_docker() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW",
                      "includes": {"caps": ["CAP_SYS_ADMIN"]}}],
    });
    assert_eq!(effects(&profile, Consumer::Docker), []);
    let misread = (Effect::Misread, "syscalls[0].includes".to_owned());
    assert_eq!(effects(&profile, Consumer::Containerd), [misread]);
    assert_eq!(effects(&profile, Consumer::Crio), []);
}

/// A profile of old Docker's, with a rule for each call.
fn single_names(count: usize) -> Value {
    let rule = |nth| {
        let name = Abi::X86_64.syscalls().map(|(_, name)| name).nth(nth);
        json!({"name": name, "action": "SCMP_ACT_ALLOW", "args": []})
    };
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": (0..count).map(rule).collect::<Vec<_>>(),
    })
}

#[test]
fn rules_that_are_all_dropped_are_one_serious_finding() {
    let remarks = remarks(&single_names(308), 0, &[Consumer::Containerd]);
    let [remark] = remarks.as_slice() else { panic!("{remarks:?}") };
    assert_eq!((remark.effect, remark.places), (Effect::Refused, 308));
    assert!(remark.what.contains("no program starts"), "{remark:?}");
    assert!(remark.what.ends_with("and 303 more)"), "{remark:?}");
}

#[test]
fn a_rule_that_is_dropped_changes_the_filter() {
    let mut profile = single_names(1);
    let more = json!({"names": ["execve"], "action": "SCMP_ACT_ALLOW"});
    profile["syscalls"].as_array_mut().unwrap().push(more);
    let misread = [(Effect::Misread, "syscalls[0].name".to_owned())];
    assert_eq!(effects(&profile, Consumer::Containerd), misread);
    assert_eq!(effects(&profile, Consumer::Docker), []);
}

#[test]
fn some_readers_take_a_fields_name_in_any_case() {
    let profile = json!({
        "DefaultAction": "SCMP_ACT_ERRNO", "Architectures": ["SCMP_ARCH_X86_64"],
        "Syscalls": [{"Names": ["execve"], "Action": "SCMP_ACT_ALLOW"}],
    });
    assert_eq!(effects(&profile, Consumer::Docker), []);
    assert_eq!(effects(&profile, Consumer::Containerd), []);
    let podman = effects(&profile, Consumer::Podman);
    assert!(podman.contains(&(Effect::Misread, "$".to_owned())), "{podman:?}");
}

#[test]
fn a_default_that_lets_everything_through_starts_a_container() {
    for action in ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"] {
        let architectures = ["SCMP_ARCH_X86_64"];
        let profile = json!({"defaultAction": action, "architectures": architectures});
        for consumer in Consumer::ALL {
            assert_eq!(effects(&profile, consumer), [], "{consumer}");
        }
    }
}

#[test]
fn flags_depend_on_the_version() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ALLOW"}],
    });
    let remarks = remarks(&profile, 0, &[Consumer::Docker, Consumer::Containerd]);
    let said: Vec<_> =
        remarks.iter().map(|one| (one.consumer, one.by, one.versions, one.effect)).collect();
    let runc = ("runc", Some("before 1.2"), Effect::Refused);
    assert_eq!(
        said,
        [
            (Consumer::Docker, "Docker", Some("20.10"), Effect::Ignored),
            (Consumer::Docker, runc.0, runc.1, runc.2),
            (Consumer::Containerd, runc.0, runc.1, runc.2),
        ]
    );
}

#[test]
fn a_registry_counts_rules_for_each_call() {
    let rules = |count: usize, name: &dyn Fn(usize) -> String| {
        let rule = |nth: usize| {
            let args = json!([{"index": 0, "value": nth, "op": "SCMP_CMP_EQ"}]);
            json!({"names": [name(nth)], "action": "SCMP_ACT_ALLOW", "args": args})
        };
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": (0..count).map(rule).collect::<Vec<_>>(),
        });
        effects(&profile, Consumer::Kep6061)
    };
    let calls: Vec<&str> = Abi::X86_64.syscalls().map(|(_, name)| name).take(200).collect();
    assert_eq!(rules(200, &|nth| calls[nth].to_owned()), []);
    assert_eq!(rules(129, &|_| "read".to_owned()), [(Effect::Refused, "syscalls".to_owned())]);
}

#[test]
fn a_default_errno_is_lost_in_two_places() {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["exit"], "action": "SCMP_ACT_ALLOW"}],
    });
    let ignored = [(Effect::Ignored, "defaultErrnoRet".to_owned())];
    for consumer in Consumer::ALL {
        let expected: &[_] = match consumer {
            Consumer::Docker | Consumer::Spo => &ignored,
            _ => &[],
        };
        assert_eq!(effects(&profile, consumer), expected, "{consumer}");
    }
}
