//! A recording survives its file, and the file keeps to its public schema.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use strait::abi::Abi;
use strait::recording::{Call, Losses, Recording, v1};

use crate::support::recording;

fn schema(text: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn validator() -> jsonschema::Validator {
    schema(include_str!("../../profiles/schema/recording-v1.json"))
}

fn call() -> impl Strategy<Value = Call> {
    (any::<u64>(), 0..u64::from(u32::MAX)).prop_map(|(count, ms)| Call {
        count,
        first_seen: Duration::from_millis(ms),
        programs: BTreeMap::from([("/usr/bin/app".to_owned(), count)]),
        phases: BTreeMap::new(),
    })
}

/// Numbers that a table names twice are left out: a file has one place for a name.
fn any_recording() -> impl Strategy<Value = Recording> {
    let abi = prop::sample::select(Abi::ALL.to_vec());
    let calls = prop::collection::vec((abi, 0..600u32, call()), 0..30);
    let losses = (0..3u64, 0..3u64, 0..2u64, 0..2u64);
    (calls, losses).prop_map(|(calls, (lost, programs, missed, tasks))| {
        let mut made = recording(&[]);
        for (abi, number, call) in calls {
            let name = abi.syscall_name(number);
            if name.is_none_or(|name| abi.syscall_number(name) == Some(number)) {
                made.calls.entry(abi).or_default().insert(number, call);
            }
        }
        let losses = Losses { calls: lost, programs, missed, tasks };
        made.completeness = losses.into();
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
fn the_schema_of_verify_takes_a_report() {
    let refused = serde_json::json!({
        "syscall": "mount", "abi": "x86_64", "number": 165, "args": ["0x0", "0x0"],
        "errno": "EPERM", "program": "/usr/bin/app", "count": 2,
    });
    let mut fallback = refused.clone();
    fallback["falls_back_to"] = serde_json::json!(["clone"]);
    let mut report = serde_json::json!({
        "schema": "strait.verify/v1", "tool": {"name": "strait", "version": "0.1.0"},
        "profile": "app.json", "command": ["app"], "command_status": 0,
        "refused": [refused], "fallbacks": [fallback],
    });
    let validator = schema(include_str!("../../profiles/schema/verify-v1.json"));
    assert!(validator.is_valid(&report));
    report["refused"][0]["errno"] = serde_json::Value::Null;
    assert!(validator.is_valid(&report));
    report["fallbacks"][0]["falls_back_to"] = serde_json::json!([]);
    assert!(!validator.is_valid(&report));
}
