//! A recording survives its file, and the file keeps to its public schema.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use strait_generator::abi::Abi;
use strait_generator::recording::merge::merge;
use strait_generator::recording::{
    ArgumentUse, Arguments, Call, Container, ContainerOrigin, Losses, Phase, Recording, Sample,
    Start, TargetKind, v1,
};

use crate::support::recording;

fn schema(text: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn validator() -> jsonschema::Validator {
    schema(strait_profiles::schema::RECORDING_V1)
}

fn call() -> impl Strategy<Value = Call> {
    let phases =
        prop::collection::btree_map(prop::sample::select(Phase::ALL.to_vec()), 1..9u64, 0..4);
    let arguments = prop::option::of(arguments());
    let fields = (any::<u64>(), 0..u64::from(u32::MAX), phases, arguments);
    fields.prop_map(|(count, ms, phases, arguments)| Call {
        count,
        first_seen: Duration::from_millis(ms),
        programs: BTreeMap::from([("/usr/bin/app".to_owned(), count)]),
        phases,
        arguments,
    })
}

fn arguments() -> impl Strategy<Value = Arguments> {
    let combination = (any::<[u64; 2]>(), 1..9u64, 0..9u64).prop_map(|(values, count, ms)| {
        let seen = ArgumentUse {
            count,
            first_seen: Duration::from_millis(ms),
            programs: BTreeMap::from([("/usr/bin/app".to_owned(), count)]),
            phases: BTreeMap::from([(Phase::Running, count)]),
        };
        (values.to_vec(), seen)
    });
    let values = prop::collection::vec(combination, 0..4);
    (values, any::<u64>()).prop_map(|(values, overflow)| Arguments {
        indexes: vec![1, 4],
        values: values.into_iter().collect(),
        overflow,
    })
}

fn kind() -> impl Strategy<Value = TargetKind> {
    let text =
        || prop::sample::select(vec!["", "web-1", "sha256:00", "1.1.5"]).prop_map(str::to_owned);
    let labels = prop::collection::btree_map("[a-z.]{1,9}", ".{0,9}", 0..3);
    let texts = (text(), text(), text(), text());
    let flags = any::<[bool; 3]>();
    let origins = [ContainerOrigin::Time, ContainerOrigin::Engine, ContainerOrigin::Descent];
    let origin = prop::option::of(prop::sample::select(origins.to_vec()));
    let container = (texts, labels, any::<Option<u64>>(), flags, origin).prop_map(
        |((id, name, image, runtime), labels, bounding_set, flags, origin)| Container {
            id,
            engine: "docker".to_owned(),
            name,
            image,
            image_digest: "sha256:00".to_owned(),
            labels,
            runtime,
            runtime_version: "1.1.5".to_owned(),
            no_new_privs: flags[0],
            bounding_set,
            filtered: flags[1],
            profile: "default".to_owned(),
            unconfirmed: flags[2],
            origin,
        },
    );
    prop_oneof![
        Just(TargetKind::Command),
        Just(TargetKind::Processes),
        container.prop_map(|container| TargetKind::Container(Box::new(container))),
    ]
}

/// Whether a file has one place for the name of this call: x32 has names with two numbers.
fn has_a_place(abi: Abi, number: u32) -> bool {
    let name = abi.syscall_name(number);
    name.is_none_or(|name| abi.syscall_number(name) == Some(number))
}

/// A sample for each ABI.
fn samples_of(recording: &Recording) -> Vec<Sample> {
    let of_abi = recording.calls.iter().enumerate().map(|(nth, (abi, calls))| Sample {
        recording: String::new(),
        finished: Duration::from_millis(nth as u64),
        name: format!("tests/{abi}::test[a b]"),
        calls: BTreeMap::from([(
            *abi,
            calls.iter().map(|(number, call)| (*number, call.count)).collect(),
        )]),
        values: BTreeMap::new(),
    });
    of_abi.collect()
}

/// Numbers that a table names twice are left out: a file has one place for a name.
fn any_recording() -> impl Strategy<Value = Recording> {
    let abi = prop::sample::select(Abi::ALL.to_vec());
    let calls = prop::collection::vec((abi, 0..600u32, call()), 0..30);
    let losses = (0..3u64, 0..3u64, 0..2u64, 0..2u64);
    let abi = prop::sample::select(Abi::ALL.to_vec());
    let errno = prop::option::of(0..4096u16);
    let refused = prop::collection::btree_map((abi, 0..600u32, errno), 1..9u64, 0..5);
    let start = prop::sample::select(vec![Start::Filter, Start::Exec, Start::Attached]);
    (calls, losses, refused, kind(), start).prop_map(|(calls, losses, refused, kind, start)| {
        let (lost, programs, missed, tasks) = losses;
        let mut made = recording(&[]);
        made.target.kind = kind;
        made.target.start = start;
        for (abi, number, call) in calls {
            if has_a_place(abi, number) {
                made.calls.entry(abi).or_default().insert(number, call);
            }
        }
        made.refused = refused;
        made.refused.retain(|(abi, number, _), _| has_a_place(*abi, *number));
        let losses = Losses { calls: lost, programs, missed, tasks, ..Losses::default() };
        made.completeness = losses.into();
        made.origin.id = format!("{lost}{programs}{missed}{tasks}");
        made.samples = samples_of(&made);
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_merged_recording_keeps_to_the_schema(one in any_recording(), other in any_recording()) {
        let mut other = other;
        other.origin.id = "other".to_owned();
        let merged = merge([one, other], true).unwrap();
        let text = v1::print(&merged).unwrap();
        prop_assert_eq!(&v1::parse(&text).unwrap(), &merged);
        let value = serde_json::from_str(&text).unwrap();
        prop_assert!(validator().is_valid(&value), "{}", text);
    }

    #[test]
    fn what_is_printed_is_read_back_and_keeps_to_the_schema(recording in any_recording()) {
        let text = v1::print(&recording).unwrap();
        prop_assert_eq!(&v1::parse(&text).unwrap(), &recording);
        let value = serde_json::from_str(&text).unwrap();
        prop_assert!(validator().is_valid(&value), "{}", text);
    }
}

#[test]
fn the_schema_refuses_what_is_no_recording() {
    let text = v1::print(&recording(&[(Abi::X86_64, "read")])).unwrap();
    for field in ["schema", "target", "losses", "abis"] {
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value.as_object_mut().unwrap().shift_remove(field);
        assert!(!validator().is_valid(&value), "{field}");
    }
}

#[test]
fn the_schema_refuses_what_no_container_can_be() {
    let mut made = recording(&[(Abi::X86_64, "read")]);
    made.target.kind = TargetKind::Container(Box::default());
    made.refused.insert((Abi::X86_64, 165, Some(1)), 2);
    let value: serde_json::Value = serde_json::from_str(&v1::print(&made).unwrap()).unwrap();
    assert!(validator().is_valid(&value), "{value:#}");
    for (place, wrong) in [
        ("/target/kind", serde_json::json!("virtual machine")),
        ("/target/start", serde_json::json!("sometime")),
        ("/target/container/bounding_set", serde_json::json!("all")),
        ("/refused/0/errno", serde_json::json!("EPERM")),
        ("/refused/0/abi", serde_json::json!("mips")),
        ("/abis/x86_64/syscalls/read/phases", serde_json::json!({"later": 1})),
    ] {
        let mut value = value.clone();
        value["abis"]["x86_64"]["syscalls"]["read"]["phases"] = serde_json::json!({"running": 1});
        *value.pointer_mut(place).unwrap() = wrong;
        assert!(!validator().is_valid(&value), "{place}");
    }
}

#[test]
fn a_recording_of_the_first_release_is_still_read() {
    let mut value: serde_json::Value =
        serde_json::from_str(&v1::print(&recording(&[(Abi::X86_64, "read")])).unwrap()).unwrap();
    value["target"].as_object_mut().unwrap().shift_remove("start");
    assert!(validator().is_valid(&value));
    let read = v1::parse(&value.to_string()).unwrap();
    assert_eq!((read.target.start, read.refused.len()), (Start::Exec, 0));
}

#[test]
fn an_origin_of_a_later_release_is_passed_over() {
    let container = Container { origin: Some(ContainerOrigin::Engine), ..Container::default() };
    let mut recording = recording(&[(Abi::X86_64, "read")]);
    recording.target.kind = TargetKind::Container(Box::new(container));
    let origin = |text: &str| match v1::parse(text).unwrap().target.kind {
        TargetKind::Container(container) => container.origin,
        _ => None,
    };
    let text = v1::print(&recording).unwrap();
    assert_eq!(origin(&text), Some(ContainerOrigin::Engine));
    let later = text.replace("\"origin\": \"engine\"", "\"origin\": \"label\"");
    assert!(validator().is_valid(&serde_json::from_str(&later).unwrap()));
    assert_eq!(origin(&later), None);
}

#[test]
fn a_recording_without_an_id_has_that_of_its_content() {
    let text = v1::print(&recording(&[(Abi::X86_64, "read")])).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = value.as_object_mut().unwrap().shift_remove("id").unwrap();
    assert_eq!(v1::parse(&value.to_string()).unwrap().origin.id, id, "whatever the layout");
    value["target"]["name"] = serde_json::json!("other");
    assert_ne!(v1::parse(&value.to_string()).unwrap().origin.id, id);
}

#[test]
fn a_sample_of_a_call_that_was_not_recorded_is_refused() {
    let text = v1::print(&recording(&[(Abi::X86_64, "read")])).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["samples"] = serde_json::json!([
        {"name": "t", "finished_ms": 1, "calls": {"x86_64": {"mount": 1}}}
    ]);
    let error = v1::parse(&value.to_string()).unwrap_err().to_string();
    assert!(error.contains("mount") && error.contains("contradicts"), "{error}");
}

#[test]
fn the_schema_of_verify_takes_a_report() {
    let refused = serde_json::json!({
        "syscall": "mount", "abi": "x86_64", "number": 165, "args": ["0x0", "0x0"],
        "errno": "EPERM", "answer": "errno", "program": "/usr/bin/app", "count": 2,
    });
    let mut fallback = refused.clone();
    fallback["falls_back_to"] = serde_json::json!(["clone"]);
    let mut report = serde_json::json!({
        "schema": "strait.verify/v1", "tool": {"name": "strait", "version": "0.1.0"},
        "profile": "app.json", "command": ["app"], "command_status": 0,
        "conclusion": "refused", "refused": [refused], "refused_without_room": 0, "fallbacks": [fallback],
        "accepted": [], "runtime": [], "not_by_profile": [], "no_such_call": [], "missed": [],
        "still_running": 0,
    });
    let validator = schema(strait_profiles::schema::VERIFY_V1);
    assert!(validator.is_valid(&report));
    report["refused"][0]["errno"] = serde_json::Value::Null;
    assert!(validator.is_valid(&report));
    report["fallbacks"][0]["falls_back_to"] = serde_json::json!([]);
    assert!(!validator.is_valid(&report));
}
