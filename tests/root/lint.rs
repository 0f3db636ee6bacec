//! What `strait lint` says of runc and crun is what these do.

use serde_json::{Value, json};
use strait::profile::consumers::{Effect, Trait, of_runtime};

use crate::runtimes::{Bundle, Runtime, Way, require_working};
use crate::support::profiles::{base, with_field, with_rules};

fn without(name: &str) -> Value {
    let mut profile = base();
    profile.as_object_mut().unwrap().remove(name);
    profile
}

/// A rule for `mknod` with more or other fields.
fn rule(fields: Value) -> Value {
    let mut rule = json!({"names": ["mknod"], "action": "SCMP_ACT_ALLOW"});
    for (name, value) in fields.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

fn strange() -> Vec<Value> {
    let one = |fields| with_rules(&[rule(fields)]);
    let arg = |arg: Value| one(json!({"args": [arg]}));
    let equal = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]);
    vec![
        base(),
        json!({}),
        without("defaultAction"),
        json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"]}),
        without("architectures"),
        with_field("defaultAction", json!("SCMP_ACT_KILL")),
        with_field("defaultAction", json!("SCMP_ACT_SHRUG")),
        with_field("architectures", json!(["SCMP_ARCH_NATIVE"])),
        with_field("architectures", json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_Z80"])),
        with_field("weather", json!("fine")),
        one(json!({"errnoRet": 1})),
        one(json!({"action": "SCMP_ACT_DENY"})),
        one(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 5000})),
        one(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 0})),
        one(json!({"action": "SCMP_ACT_NOTIFY"})),
        one(json!({"names": [""]})),
        one(json!({"names": ["frobnicate"]})),
        one(json!({"includes": {"caps": ["CAP_SYS_ADMIN"]}})),
        arg(json!({"index": 6, "value": 1, "op": "SCMP_CMP_EQ"})),
        arg(json!({"index": 0, "value": 1, "op": "=="})),
        arg(json!({"index": 0, "value": 1})),
        arg(json!({"index": 0, "value": u64::MAX, "op": "SCMP_CMP_EQ"})),
        one(json!({"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                            {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]})),
        with_rules(&[
            rule(json!({"args": equal})),
            rule(json!({"args": equal, "action": "SCMP_ACT_LOG"})),
        ]),
        with_rules(&[rule(json!({})), rule(json!({"args": equal, "action": "SCMP_ACT_LOG"}))]),
    ]
}

#[test]
fn runtimes_refuse_what_lint_says_they_refuse_and_nothing_else() {
    for runtime in Runtime::ALL {
        require_working(runtime);
        let mut refused = 0;
        for profile in strange() {
            let expected = of_runtime(&profile, runtime.name());
            let command = ["/bin/busybox", "grep", "Seccomp:", "/proc/self/status"];
            let output = Bundle::new(runtime, Way::ALL[0], Some(&profile), &command).run();
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            let refuses = expected.iter().any(|(_, effect)| *effect == Effect::Refused);
            assert_eq!(
                !output.status.success(),
                refuses,
                "{runtime:?}, {expected:?}: {said}{errors}\n{profile:.2000}"
            );
            refused += usize::from(refuses);
            if !refuses {
                let unconfined = expected.contains(&(Trait::Unconfined, Effect::Misread));
                let mode = if unconfined { "0" } else { "2" };
                assert!(said.trim().ends_with(mode), "{runtime:?}, {expected:?}: {said}");
            }
        }
        assert!(refused > 8, "{runtime:?} refused {refused}");
    }
}
