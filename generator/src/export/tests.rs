//! Properties: an exported profile means the same, or less.

use proptest::prelude::*;

use super::*;
use crate::abi::Abi;
use crate::choice::Choice;
use crate::policy::decide::within;
use crate::policy::{Action, Errno, Policy, Predicate};
use crate::profile::consumers::artifact;
use crate::profile::{Architecture, Arg, Entry};

fn target(name: &str) -> Target {
    Target::named(name).unwrap()
}

const NAMES: [&str; 12] = [
    "read",
    "write",
    "socket",
    "clone",
    "clone3",
    "personality",
    "mount",
    "nanosleep",
    "getppid",
    "unshare",
    "socketcall",
    "frobnicate",
];

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Allow),
        1 => Just(Action::Log),
        2 => (0..40u16).prop_map(|number| Action::Errno(Errno::new(number).unwrap())),
        1 => Just(Action::KillProcess),
        1 => Just(Action::Trap),
    ]
}

fn arg() -> impl Strategy<Value = Arg> {
    let value = prop_oneof![0..50u64, Just(0x7E02_0000), any::<u64>()];
    let predicate = (0..7, value.clone(), value).prop_map(|(op, value, mask)| match op {
        0 => Predicate::NotEqual(value),
        1 => Predicate::Less(value),
        2 => Predicate::LessOrEqual(value),
        3 => Predicate::GreaterOrEqual(value),
        4 => Predicate::Greater(value),
        5 => Predicate::MaskedEqual { mask, value },
        _ => Predicate::Equal(value),
    });
    (0..6usize, predicate).prop_map(|(index, predicate)| Arg { index, predicate })
}

/// A profile that refuses by default and does not contradict itself.
fn profiles() -> impl Strategy<Value = Profile> {
    let names = prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4);
    let entry =
        (names, action(), prop::collection::vec(arg(), 0..3)).prop_map(|(names, action, args)| {
            Entry { names: names.into_iter().map(str::to_owned).collect(), action, args }
        });
    let default = prop_oneof![
        3 => Just(Action::Errno(Errno::ENOSYS)),
        1 => Just(Action::Errno(Errno::EPERM)),
        1 => Just(Action::KillProcess),
    ];
    let abis = prop::sample::select(vec![vec![], vec![Abi::X86_64], vec![Abi::X86_64, Abi::X86]]);
    (default, abis, prop::collection::vec(entry, 1..6))
        .prop_map(|(default, abis, entries)| Profile {
            default,
            architectures: abis.into_iter().map(Architecture::from).collect(),
            entries,
        })
        .prop_filter("contradicts itself", |profile| profile.policy(Machines::ALL).is_ok())
}

fn options() -> Options {
    let mut options = Options::named("web".parse().unwrap());
    options.release = Some("1.2".parse().unwrap());
    options.image = Some("registry.example.com/web:1.2".parse().unwrap());
    options
}

fn text(exported: &Exported, path: &str) -> String {
    let file = exported.files.iter().find(|file| file.path.to_str() == Some(path)).unwrap();
    String::from_utf8(file.bytes.clone()).unwrap()
}

/// What a policy does with every call that has no conditions, and with some arguments of the others.
fn answers(policy: &Policy) -> Vec<(Abi, u32, Action, [u64; 6])> {
    let mut answers = Vec::new();
    for abi in policy.abis() {
        for (number, _) in abi.syscalls() {
            for value in [0, 1, 2, 39, 0x7E02_0000, 1 << 63, u64::MAX] {
                let args = [value; 6];
                answers.push((abi, number, policy.evaluate(abi, number, &args), args));
            }
        }
    }
    answers
}

/// Whether a profile makes libseccomp choose between rules, which the policy does in another way.
fn is_ambiguous(profile: &Profile) -> bool {
    let findings = crate::profile::lint(profile);
    findings.iter().any(|finding| finding.message.contains("overlaps"))
}

proptest! {
    #[test]
    fn the_operators_profile_allows_nothing_more_and_refuses_what_has_no_condition_alike(
        profile in profiles()
    ) {
        let adapted = spo::adapt(&profile, Machines::ALL).unwrap();
        let before = profile.policy(Machines::ALL).unwrap();
        let after = adapted.profile.policy(Machines::ALL).unwrap();
        prop_assert!(matches!(after.default_action(), Action::Errno(Errno::EPERM) | Action::KillProcess));
        for ((abi, number, was, _), (_, _, is, args)) in answers(&before).into_iter().zip(answers(&after)) {
            let name = abi.syscall_name(number).unwrap();
            prop_assert!(was.lets_through() || !is.lets_through(), "{name} {args:?}: {was}, {is}");
            let excused = [&adapted.left_out, &adapted.other_errno, &adapted.zero_errno]
                .iter()
                // On i386 a rule is one for the multiplexer too.
                .any(|names| names.contains(name) || (abi == Abi::X86 && name == "socketcall"));
            prop_assert!(was == is || excused || is_ambiguous(&profile), "{name} {args:?}: {was}, {is}");
        }
    }

    #[test]
    fn a_seccomp_profile_is_read_back_as_the_adapted_one(profile in profiles()) {
        let exported = export(&profile, target("spo"), &options()).unwrap();
        let documents = serde_saphyr::from_multiple::<serde_json::Value>(
            &text(&exported, "seccompprofile.yaml")
        ).unwrap();
        let [resource, binding] = documents.as_slice() else { panic!("{documents:?}") };
        prop_assert_eq!(&binding["spec"]["profileRef"]["name"], &resource["metadata"]["name"]);
        let spec = &resource["spec"];
        prop_assert!(spec.get("defaultErrnoRet").is_none());
        for entry in spec["syscalls"].as_array().unwrap() {
            for arg in entry["args"].as_array().into_iter().flatten() {
                prop_assert!(arg["value"].is_i64() || arg["value"] == 0, "{}", arg);
            }
        }
        prop_assert_eq!(profile::parse(&spec.to_string()).unwrap(), spo::adapt(&profile, Machines::ALL).unwrap().profile);
    }

    #[test]
    fn a_config_map_holds_the_profile(profile in profiles()) {
        let exported = export(&profile, target("configmap"), &options()).unwrap();
        let config: serde_json::Value =
            serde_saphyr::from_str(&text(&exported, "configmap.yaml")).unwrap();
        let (name, content) = config["data"].as_object().unwrap().iter().next().unwrap();
        prop_assert!(name.starts_with("1.2-") && name.ends_with(".json"), "{}", name);
        prop_assert_eq!(profile::parse(content.as_str().unwrap()).unwrap(), profile);
    }

    #[test]
    fn an_artifact_holds_the_profile_and_every_digest_is_right(profile in profiles()) {
        let exported = match export(&profile, target("oci-artifact"), &options()) {
            Err(ExportError::Unsuitable { .. }) => return Ok(()),
            other => other.unwrap(),
        };
        let blob = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let text = text(&exported, &format!("blobs/sha256/{digest}"));
            assert_eq!(crate::digest::sha256(text.as_bytes()), digest);
            assert_eq!(descriptor["size"], text.len());
            text
        };
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let index = json(&text(&exported, "index.json"));
        let manifest = json(&blob(&index["manifests"][0]));
        prop_assert_eq!(blob(&manifest["config"]), "{}");
        prop_assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        let written = profile::parse(&blob(&manifest["layers"][0])).unwrap();
        prop_assert_eq!(artifact::faults(&written), []);
        if exported.warnings.is_empty() {
            prop_assert_eq!(&written, &profile);
        }
        let (before, after) = (profile.policy(Machines::ALL).unwrap(), written.policy(Machines::ALL).unwrap());
        prop_assert_eq!(within(&after, &before), Ok(()));
    }

    #[test]
    fn compose_names_the_profile_that_lies_beside_it(profile in profiles()) {
        let exported = export(&profile, target("compose"), &options()).unwrap();
        let compose: serde_json::Value =
            serde_saphyr::from_str(&text(&exported, "compose.override.yaml")).unwrap();
        let option = compose["services"]["web"]["security_opt"][0].as_str().unwrap();
        let path = option.strip_prefix("seccomp:./").unwrap();
        prop_assert_eq!(profile::parse(&text(&exported, path)).unwrap(), profile);
    }

    #[test]
    fn systemds_list_is_what_the_profile_may_allow(profile in profiles()) {
        let policy = profile.policy(Machines::ALL).unwrap();
        let settings = systemd::settings(&profile, Machines::ALL).unwrap();
        for abi in policy.abis() {
            for (number, name) in abi.syscalls() {
                let somewhere = policy.abis().any(|other| {
                    other.syscall_number(name).is_some_and(|number| policy.may_allow(other, number))
                });
                // A rule for `socket` lets `socketcall` through, of which systemd knows nothing.
                let through_another = abi == Abi::X86 && matches!(name, "socketcall" | "ipc");
                prop_assert!(
                    settings.allowed.contains(name) == somewhere || through_another,
                    "{name} ({number})"
                );
                prop_assert!(!settings.allowed.contains(name) || !settings.refused.contains_key(name));
                let conditional = policy.may_allow(abi, number)
                    && !policy.rules(abi, number).iter().any(|rule| {
                        rule.clauses.iter().any(crate::policy::Clause::is_unconditional)
                    });
                let kept = matches!(name, "socket" | "clone") && !settings.wider.contains(name);
                prop_assert!(
                    !conditional || kept || through_another || settings.wider.contains(name),
                    "{name} is wider without a note"
                );
            }
        }
    }

    #[test]
    fn the_same_profile_gives_the_same_bytes(profile in profiles()) {
        let mut options = options();
        options.artifact = Some("registry.example.com/seccomp/web:1.2".parse().unwrap());
        // The last one decides what each call means, which takes long for conditions as odd as these.
        for one in Target::all().into_iter().filter(|one| *one != target("seccompiler")) {
            let once = match export(&profile, one, &options) {
                Err(ExportError::Unsuitable { .. }) if one == target("oci-artifact") => continue,
                other => other.unwrap(),
            };
            prop_assert_eq!(&once, &export(&profile, one, &options).unwrap());
            for file in &once.files {
                let plain = |part: std::path::Component<'_>| {
                    matches!(part, std::path::Component::Normal(_))
                };
                prop_assert!(file.path.components().all(plain), "{:?}", file.path);
            }
        }
    }
}

/// Without what is refused of the multiplexer, what is let through of a call behind it reaches the kernel by it.
#[test]
fn an_artifact_keeps_what_is_refused_of_a_multiplexer() {
    for (multiplexer, behind) in [("socketcall", "socket"), ("ipc", "shmget")] {
        let errno = |number| Action::Errno(Errno::new(number).unwrap());
        let entry =
            |name: &str, action| Entry { names: vec![name.to_owned()], action, args: vec![] };
        let profile = Profile {
            default: errno(38),
            architectures: vec![Abi::X86_64.into(), Abi::X86.into()],
            entries: vec![
                entry(multiplexer, errno(0)),
                entry(multiplexer, errno(1)),
                entry(behind, Action::Allow),
            ],
        };
        let error = export(&profile, target("oci-artifact"), &options()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{multiplexer}`")), "{error}");
        assert!(error.contains("would be allowed"), "{error}");
    }
}

#[test]
fn what_a_one_cannot_hold_is_an_error() {
    let entry = |nth: u64| Entry {
        names: vec!["read".to_owned()],
        action: Action::Allow,
        args: vec![Arg { index: 0, predicate: Predicate::Equal(nth) }],
    };
    let mut profile = Profile {
        default: Action::Errno(Errno::ENOSYS),
        architectures: vec!["SCMP_ARCH_LOONGARCH64".parse().unwrap()],
        entries: (0..129).map(entry).collect(),
    };
    let complaint =
        |profile: &Profile, one| export(profile, one, &options()).unwrap_err().to_string();
    assert!(complaint(&profile, target("oci-artifact")).contains("129 entries"));
    assert!(complaint(&profile, target("spo")).contains("SCMP_ARCH_LOONGARCH64"));
    assert!(complaint(&profile, target("crio")).contains("--artifact"));
    profile.default = Action::Log;
    assert!(complaint(&profile, target("systemd")).contains("does not name"));
    assert!(export(&profile, target("compose"), &options()).is_ok());
}
