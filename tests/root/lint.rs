//! What `strait lint` says of runc and crun is what these do.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strait_generator::profile::consumers::{Effect, Quirk, of_runtime, quirks};

use crate::runtimes::{Bundle, Runtime, Way, require_working};
use crate::support::profiles::{base, with_field, with_rules};

fn without(names: &[&str]) -> Value {
    let mut profile = base();
    for name in names {
        profile.as_object_mut().unwrap().remove(*name);
    }
    profile
}

/// A rule for making a FIFO with more or other fields.
fn rule(fields: Value) -> Value {
    let mut rule = json!({"names": ["mknod", "mknodat"], "action": "SCMP_ACT_ALLOW"});
    for (name, value) in fields.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

/// A profile in which something is not what it seems to be, and one that says plainly what becomes of it. Those
/// that are refused say nothing, and of the others the plain one may be missing.
type Strange = (Value, Option<Value>);

fn strange() -> Vec<Strange> {
    let one = |fields| with_rules(&[rule(fields)]);
    let arg = |arg: Value| one(json!({"args": [arg]}));
    // mknodat(AT_FDCWD, path, mode, 0): busybox makes FIFOs with it.
    let fifo = json!({"index": 2, "value": 0xf000, "valueTwo": 0x1000, "op": "SCMP_CMP_MASKED_EQ"});
    let never = json!({"index": 2, "value": 1, "op": "SCMP_CMP_EQ"});
    let same = |profile: Value, plain: Value| (profile, Some(plain));
    let alone = |profile: Value| (profile, None);
    let (allowed, refused) = (one(json!({})), base());
    let architectures = |more: &str| with_field("architectures", json!(["SCMP_ARCH_X86_64", more]));
    let errno = |number: u64| one(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": number}));
    vec![
        alone(base()),
        alone(json!({})),
        alone(without(&["defaultAction", "defaultErrnoRet"])),
        alone(json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"]})),
        alone(json!({"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_X86_64"]})),
        alone(
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": []}),
        ),
        alone(without(&["architectures"])),
        alone(with_field("defaultAction", json!("SCMP_ACT_SHRUG"))),
        alone(with_field("architectures", json!(["SCMP_ARCH_NATIVE"]))),
        alone(architectures("SCMP_ARCH_Z80")),
        alone(architectures("SCMP_ARCH_RISCV64")),
        alone(architectures("SCMP_ARCH_LOONGARCH64")),
        alone(architectures("SCMP_ARCH_S390X")),
        same(with_field("weather", json!("fine")), refused.clone()),
        alone(with_field("flags", json!(["SECCOMP_FILTER_FLAG_LOG"]))),
        same(with_field("listenerPath", json!("/run/no-agent.sock")), refused.clone()),
        same(one(json!({"errnoRet": 1})), allowed.clone()),
        alone(
            json!({"defaultAction": "SCMP_ACT_LOG", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
                     "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}),
        ),
        alone(one(json!({"action": "SCMP_ACT_DENY"}))),
        alone(errno(5000)),
        same(errno(0x1_0000), errno(0)),
        same(errno(0x1_0001), errno(1)),
        same(one(json!({"action": "SCMP_ACT_NOTIFY"})), refused.clone()),
        same(one(json!({"names": [""]})), refused.clone()),
        same(one(json!({"names": []})), refused.clone()),
        same(one(json!({"names": ["frobnicate"]})), refused.clone()),
        same(one(json!({"includes": {"caps": ["CAP_BPF"]}})), allowed.clone()),
        same(
            arg(json!({"value": 0xffff_ffff_u64, "op": "SCMP_CMP_LE"})),
            arg(json!({"index": 0, "value": 0xffff_ffff_u64, "op": "SCMP_CMP_LE"})),
        ),
        alone(arg(json!({"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}))),
        alone(arg(json!({"index": 0, "value": 1, "op": "=="}))),
        alone(arg(json!({"index": 0, "value": 1}))),
        alone(arg(json!({"index": 0, "value": 1.5, "op": "SCMP_CMP_EQ"}))),
        alone(arg(json!({"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}))),
        alone(with_field("architectures", json!("SCMP_ARCH_X86_64"))),
        alone(arg(json!({"index": 0, "value": u64::MAX, "op": "SCMP_CMP_EQ"}))),
        same(
            one(json!({"args": [fifo, never]})),
            with_rules(&[rule(json!({"args": [fifo]})), rule(json!({"args": [never]}))]),
        ),
        alone(with_rules(&[
            rule(json!({"args": [never]})),
            rule(json!({"args": [never], "action": "SCMP_ACT_LOG"})),
        ])),
        same(
            with_rules(&[
                rule(json!({})),
                rule(json!({"args": [fifo], "action": "SCMP_ACT_ERRNO", "errnoRet": 1})),
            ]),
            allowed.clone(),
        ),
        same(with_rules(&[rule(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 38}))]), refused),
    ]
}

/// What a container says about itself, and how making a FIFO ends there.
fn seen(runtime: Runtime, profile: &Value) -> Result<String, String> {
    let script = "/bin/busybox mknod /fifo p 2>&1; /bin/busybox grep Seccomp: /proc/self/status";
    let command = ["/bin/busybox", "sh", "-c", script];
    let output = Bundle::new(runtime, Way::ALL[0], Some(profile), &command).run();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(said + &errors) }
}

#[test]
fn runtimes_refuse_what_lint_says_they_refuse_and_nothing_else() {
    for runtime in Runtime::ALL {
        require_working(runtime);
        let mut met: BTreeSet<Quirk> = BTreeSet::new();
        for (profile, plain) in strange() {
            let expected = of_runtime(&profile, runtime.name());
            let said = seen(runtime, &profile);
            let refuses = expected.iter().any(|(_, effect)| *effect == Effect::Refused);
            assert_eq!(
                said.is_err(),
                refuses,
                "{runtime:?}, {expected:?}: {said:?}\n{profile:.2000}"
            );
            if let Ok(said) = &said {
                let unconfined = expected.contains(&(Quirk::Unconfined, Effect::Misread));
                let mode = if unconfined { "0" } else { "2" };
                assert!(said.trim().ends_with(mode), "{runtime:?}, {expected:?}: {said}");
                if let Some(plain) = plain {
                    let plainly = seen(runtime, &plain);
                    assert_eq!(
                        Ok(said),
                        plainly.as_ref(),
                        "{runtime:?}, {expected:?}\n{profile:.2000}"
                    );
                }
            }
            // Of several that make it fail only one was looked at.
            let refusals = expected.iter().filter(|(_, effect)| *effect == Effect::Refused);
            let refusals: BTreeSet<Quirk> = refusals.map(|(one, _)| *one).collect();
            match refusals.len() {
                0 => met.extend(expected.iter().map(|(one, _)| *one)),
                1 => met.extend(refusals),
                _ => {}
            }
        }
        // What is not met here is marked so in the data, and nothing else is.
        let wrong: Vec<_> = quirks(runtime.name())
            .into_iter()
            .filter(|(about, _, is_checked)| *is_checked != met.contains(about))
            .collect();
        assert_eq!(wrong, [], "{runtime:?}");
    }
}
