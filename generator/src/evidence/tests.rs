use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::recording::{Arguments, Call, Origin, Sample, example};

const ABI: Abi = Abi::X86_64;

fn sample(name: &str, finished: u64, numbers: &[u32]) -> Sample {
    Sample {
        recording: String::new(),
        finished: Duration::from_millis(finished),
        name: name.to_owned(),
        calls: BTreeMap::from([(ABI, numbers.iter().map(|number| (*number, 1)).collect())]),
        values: BTreeMap::new(),
    }
}

fn recording(samples: Vec<Sample>) -> Recording {
    let call = |program: &str, count| Call {
        count,
        first_seen: Duration::from_millis(3),
        programs: BTreeMap::from([(program.to_owned(), count)]),
        phases: BTreeMap::from([(Phase::Running, count)]),
        arguments: None,
    };
    Recording {
        origin: Origin { id: "r1".to_owned(), ..Origin::default() },
        calls: BTreeMap::from([(
            ABI,
            BTreeMap::from([(0, call("/bin/app", 30)), (41, call("/bin/app", 2))]),
        )]),
        samples,
        ..example::recording(&[])
    }
}

#[test]
fn the_first_test_to_make_a_call_is_known() {
    let evidence = Evidence::from_recording(&recording(vec![
        sample("late", 90, &[0, 41]),
        sample("early", 10, &[0]),
        sample("middle", 50, &[0, 41]),
    ]));
    let socket = evidence.seen(ABI, 41).unwrap();
    assert_eq!(socket.first.as_ref().unwrap().sample, "middle");
    assert_eq!(socket.first.as_ref().unwrap().recording, "r1");
    assert_eq!(socket.samples, BTreeSet::from(["late".to_owned(), "middle".to_owned()]));
    assert_eq!(socket.foremost(), Some(("/bin/app", 0)));
    assert_eq!(evidence.recording("r1").unwrap().name, "app");
}

#[test]
fn values_of_arguments_have_the_test_that_was_going_on() {
    let mut made = recording(vec![sample("first", 10, &[0, 41]), sample("second", 90, &[41])]);
    let used = |first_seen| ArgumentUse {
        count: 1,
        first_seen: Duration::from_millis(first_seen),
        programs: BTreeMap::from([("/bin/app".to_owned(), 1)]),
        phases: BTreeMap::new(),
    };
    let indexes: Vec<u8> = ArgumentRule::for_call("socket").unwrap().indexes().collect();
    let values = |family: u64| {
        indexes.iter().map(|index| if *index == 0 { family } else { 0 }).collect::<Vec<_>>()
    };
    made.calls.get_mut(&ABI).unwrap().get_mut(&41).unwrap().arguments = Some(Arguments {
        indexes: indexes.clone(),
        values: BTreeMap::from([(values(1), used(4)), (values(16), used(60))]),
        overflow: 0,
    });
    let evidence = Evidence::from_recording(&made);
    let socket = evidence.seen(ABI, 41).unwrap();
    let netlink = socket.only(|args| args[0] == 16).unwrap();
    assert_eq!((netlink.count, netlink.first.unwrap().sample.as_str()), (1, "second"));
    assert_eq!(socket.only(|_| true).unwrap().first.unwrap().sample, "first");
    assert_eq!(socket.only(|args| args[0] == 17), None);
    assert_eq!(v1::parse(&v1::print(&evidence).unwrap()).unwrap(), evidence);
}

#[test]
fn a_call_of_all_tests_lists_only_some_of_them() {
    let samples =
        (0..25).map(|nth| sample(&format!("test {}", nth % 15), nth, &[0])).collect::<Vec<_>>();
    let evidence = Evidence::from_recording(&recording(samples));
    let read = evidence.seen(ABI, 0).unwrap();
    assert_eq!((read.samples.len(), read.more_samples), (10, 5));
    assert!(read.is_everywhere());
}

#[test]
fn it_survives_its_file_and_keeps_to_its_schema() {
    let evidence = Evidence::from_recording(&recording(vec![sample("a", 5, &[0])]));
    let text = v1::print(&evidence).unwrap();
    assert_eq!(v1::parse(&text).unwrap(), evidence);
    let schema = strait_profiles::schema::EVIDENCE_V1;
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&text).unwrap()), "{text}");
    assert!(v1::parse(&text[..text.len() / 2]).is_err());
    assert!(v1::parse(&text.replace("evidence/v1", "evidence/v7")).is_err());
}

#[test]
fn it_belongs_to_one_profile() {
    let profile = |text| crate::profile::parse(text).unwrap();
    let one = profile(
        r#"{"defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let other = profile(
        r#"{"defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["write"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let evidence = Evidence::from_recording(&recording(Vec::new()));
    assert!(!evidence.is_of(&one));
    let evidence = evidence.for_profile(&one);
    assert!(evidence.is_of(&one) && !evidence.is_of(&other));
}

#[test]
fn it_lies_beside_its_profile() {
    assert_eq!(beside(Path::new("a/app.json")), Path::new("a/app.evidence.json"));
    assert_eq!(beside(Path::new("app")), Path::new("app.evidence.json"));
}
