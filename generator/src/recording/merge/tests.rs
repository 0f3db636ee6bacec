use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::recording::{ArgumentUse, Arguments, ContainerOrigin, Host, Phase, Sample, v1};
use crate::scan::{How, Kind};

/// A recording whose content follows from its number.
fn recording(number: u64) -> Recording {
    let mut calls: BTreeMap<Abi, BTreeMap<u32, Call>> = BTreeMap::new();
    let abi = if number.is_multiple_of(3) { Abi::Aarch64 } else { Abi::X86_64 };
    for (at, syscall) in [number % 5, 7 + number % 11, 63].into_iter().enumerate() {
        let count = number + at as u64;
        let call = Call {
            count: count + 1,
            first_seen: Duration::from_millis(1000 / (number + 1) + at as u64),
            programs: BTreeMap::from([
                ("/bin/app".to_owned(), count),
                (format!("/bin/{number}"), 1),
            ]),
            phases: BTreeMap::from([(Phase::Running, count + 1)]),
            arguments: arguments(number, at),
        };
        calls.entry(abi).or_default().insert(u32::try_from(syscall).unwrap(), call);
    }
    let sample = Sample {
        recording: String::new(),
        finished: Duration::from_millis(number),
        name: format!("test {}", number % 2),
        calls: BTreeMap::from([(abi, BTreeMap::from([(63, 1)]))]),
        values: BTreeMap::new(),
    };
    let container = Container {
        id: format!("{number:064x}"),
        // Releases of one image.
        image: format!("shop/web:{}", number % 3),
        bounding_set: (!number.is_multiple_of(7)).then_some(1 << (number % 40)),
        no_new_privs: number.is_multiple_of(2),
        filtered: true,
        origin: [
            None,
            Some(ContainerOrigin::Time),
            Some(ContainerOrigin::Engine),
            Some(ContainerOrigin::Descent),
        ][number as usize % 4],
        ..Container::default()
    };
    let program = |path: &str| Program {
        path: path.to_owned(),
        device: "8:1".to_owned(),
        inode: 1000 - number,
    };
    let started: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let started = started + jiff::SignedDuration::from_secs(number as i64 * 77 % 13);
    let mut made = Recording {
        origin: Origin::default(),
        tool: Tool::this(),
        host: Host { kernel: format!("6.{}", number % 4), arch: abi.to_string() },
        target: Target {
            kind: TargetKind::Container(Box::new(container)),
            name: format!("web-{number}"),
            command: vec!["web".to_owned()],
            start: if number.is_multiple_of(4) { Start::Attached } else { Start::Filter },
        },
        started,
        finished: started + jiff::SignedDuration::from_secs(1),
        completeness: Losses { calls: number % 2, ..Losses::default() }.into(),
        caveats: BTreeSet::from([Caveat::StillRunning(number % 3 + 1)]),
        programs: vec![program("/bin/app"), program(&format!("/bin/{number}"))],
        reachable: BTreeMap::from([("/bin/app".to_owned(), reachable(number))]),
        calls,
        refused: BTreeMap::from([((abi, 63, Some(1)), number + 1)]),
        samples: vec![sample],
    };
    made = v1::parse(&v1::print(&made).unwrap()).unwrap();
    assert_eq!(made.origin.id.len(), 64);
    made
}

/// Each of another library, and of some it is not known to be all.
fn reachable(number: u64) -> Reachable {
    let mut made = Reachable::default();
    for call in [0, 1 + number as u32 % 3] {
        let (file, symbol) = (format!("/lib/{}.so", number % 5), "f".to_owned());
        made.add(Abi::X86_64, call, How { kind: Kind::Import, file, symbol });
    }
    if number.is_multiple_of(2) {
        made.add_reason(format!("{number} is missing"));
    }
    made
}

/// Of some recordings none, of others of an older release only the first of two.
fn arguments(number: u64, at: usize) -> Option<Arguments> {
    let indexes: Vec<u8> = match (number + at as u64) % 4 {
        0 => return None,
        1 => vec![0],
        _ => vec![0, 2],
    };
    let used = ArgumentUse {
        count: number + 1,
        first_seen: Duration::from_millis(number),
        programs: BTreeMap::from([("/bin/app".to_owned(), number + 1)]),
        phases: BTreeMap::new(),
    };
    let values = [[number % 3, 1], [2, number % 2]].map(|values| values[..indexes.len()].to_vec());
    let values = values.into_iter().map(|values| (values, used.clone())).collect();
    Some(Arguments { indexes, values, overflow: number % 2 })
}

fn recording_of(numbers: &[u64]) -> Recording {
    merge(numbers.iter().map(|number| recording(*number)), false).unwrap()
}

/// Through the file, as between two runs of `strait merge`.
fn again(recording: Recording) -> Recording {
    v1::parse(&v1::print(&recording).unwrap()).unwrap()
}

fn both(one: Recording, other: Recording) -> Recording {
    merge([one, other], false).unwrap()
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..12_u64, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_commutative(one in numbers(), other in numbers()) {
        prop_assert_eq!(both(recording_of(&one), recording_of(&other)), both(recording_of(&other), recording_of(&one)));
    }

    #[test]
    fn it_is_associative(a in numbers(), b in numbers(), c in numbers()) {
        let left = both(again(both(recording_of(&a), recording_of(&b))), recording_of(&c));
        let right = both(recording_of(&a), again(both(recording_of(&b), recording_of(&c))));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left, &recording_of(&[a, b, c].concat()));
    }

    #[test]
    fn it_is_idempotent_per_recording(one in numbers(), extra in 0..12_u64) {
        let merged = recording_of(&one);
        prop_assert_eq!(&both(merged.clone(), merged.clone()), &merged);
        let more = again(both(merged, recording(extra)));
        prop_assert_eq!(both(more.clone(), recording(extra)), more);
    }

    #[test]
    fn what_is_merged_is_read_back(one in numbers()) {
        let merged = recording_of(&one);
        prop_assert_eq!(again(merged.clone()), merged);
    }

    #[test]
    fn counts_of_different_recordings_are_added(numbers in prop::collection::btree_set(0..12_u64, 1..6)) {
        let numbers: Vec<_> = numbers.into_iter().collect();
        let total: u64 = numbers.iter().map(|number| recording(*number).total()).sum();
        let merged = recording_of(&numbers);
        prop_assert_eq!(merged.total(), total);
        prop_assert_eq!(merged.samples.len(), numbers.len());
        for (_, _, call) in merged.iter() {
            prop_assert_eq!(call.programs.values().sum::<u64>(), call.count);
        }
    }
}

#[test]
fn values_of_arguments_are_alternatives_and_unknown_ones_are_not_forgotten() {
    let call = |values: Option<&[u64]>| Call {
        count: 5,
        arguments: values.map(|values| Arguments {
            indexes: vec![0],
            values: BTreeMap::from([(
                values.to_vec(),
                ArgumentUse { count: 5, ..ArgumentUse::default() },
            )]),
            overflow: 0,
        }),
        ..Call::default()
    };
    let mut sum = call(Some(&[1]));
    add_call(&mut sum, call(Some(&[2])));
    let united = sum.arguments.clone().unwrap();
    assert_eq!(united.values.keys().collect::<Vec<_>>(), [&[1], &[2]]);
    assert_eq!(united.overflow, 0);
    add_call(&mut sum, call(None));
    assert_eq!(sum.arguments.unwrap().overflow, 5, "what is not known may be anything");
}

#[test]
fn one_recording_comes_out_as_it_went_in() {
    assert_eq!(recording_of(&[3]), recording(3));
    assert_eq!(recording_of(&[3, 3]), recording(3));
}

#[test]
fn both_architectures_are_kept() {
    let merged = recording_of(&[1, 3]);
    assert_eq!(merged.calls.keys().copied().collect::<Vec<_>>(), [Abi::X86_64, Abi::Aarch64]);
    assert_eq!(merged.host.arch, "aarch64, x86_64");
}

#[test]
fn samples_keep_the_recording_that_they_are_of() {
    let merged = recording_of(&[2, 4]);
    let ids: BTreeSet<_> = merged.samples.iter().map(|sample| sample.recording.clone()).collect();
    let given = [2, 4].map(|number| recording(number).origin.id);
    assert_eq!(ids, BTreeSet::from(given));
    let first = merged.first_sample(Abi::X86_64, 63).unwrap();
    let earlier = [2, 4].into_iter().min_by_key(|number| recording(*number).started).unwrap();
    assert_eq!(first.recording, recording(earlier).origin.id);
}

#[test]
fn other_targets_are_refused_unless_that_is_meant() {
    let mut other = recording(1);
    other.origin.id = "other".to_owned();
    if let TargetKind::Container(container) = &mut other.target.kind {
        container.image = "shop/db:1".to_owned();
    }
    let error = merge([recording(1), other.clone()], false).unwrap_err();
    assert!(matches!(&error, MergeError::Mixed { .. }));
    assert!(error.to_string().contains("`shop/db`"), "{error}");
    assert!(merge([recording(1), other], true).is_ok());
}

#[test]
fn services_of_one_image_are_different_targets() {
    let of_service = |number, service: &str| {
        let mut made = recording(number);
        if let TargetKind::Container(container) = &mut made.target.kind {
            container.labels.insert("com.docker.compose.service".to_owned(), service.to_owned());
        }
        made
    };
    assert!(merge([of_service(1, "web"), of_service(2, "web")], false).is_ok());
    assert!(merge([of_service(1, "web"), of_service(2, "worker")], false).is_err());
}

/// A recording of a command made by number, so that there can be as many as wanted.
fn many(numbers: std::ops::Range<u64>) -> Vec<Recording> {
    let base = recording(1);
    let made = numbers.map(|number| {
        let mut made = base.clone();
        made.origin.id = format!("{number:064x}");
        made
    });
    made.collect()
}

#[test]
fn beyond_the_limit_shared_recordings_are_refused_and_contained_ones_are_not() {
    let size = PARTS as u64 + 1;
    let merged = merge(many(0..size), false).unwrap();
    assert!(merged.origin.parts.is_empty());
    assert_eq!(merged.origin.sources.len(), PARTS + 1);
    let with_contained = merge(many(3..9).into_iter().chain([merged.clone()]), false).unwrap();
    assert_eq!(with_contained, merged);
    let shifted = merge(many(1..size + 1), false).unwrap();
    let error = merge([merged.clone(), shifted], false).unwrap_err();
    assert!(matches!(error, MergeError::Overlap { .. }), "{error}");
    let apart = merge(many(size..2 * size), false).unwrap();
    assert_eq!(
        merge([merged.clone(), apart.clone()], false).unwrap(),
        merge(many(0..2 * size), false).unwrap()
    );
}

#[test]
fn what_each_adds_is_reported() {
    let mut merger = Merger::new(false);
    let first = merger.add(recording(1)).unwrap();
    assert_eq!(first.calls.len(), 3);
    let second = merger.add(recording(2)).unwrap();
    assert_eq!(second.calls, BTreeSet::from([(Abi::X86_64, 2), (Abi::X86_64, 9)]));
    assert!(merger.add(recording(2)).unwrap().known);
}

#[test]
fn nothing_cannot_be_merged() {
    assert!(matches!(merge([], false), Err(MergeError::Nothing)));
}

/// A profile is made for the container that needs most.
#[test]
fn of_containers_the_one_that_needs_more_counts() {
    let with = |number, change: fn(&mut Container)| {
        let mut recording = recording(number);
        if let TargetKind::Container(container) = &mut recording.target.kind {
            change(container);
        }
        recording
    };
    let one = with(1, |it| {
        (it.bounding_set, it.no_new_privs, it.filtered) = (Some(0b01), true, true);
    });
    let other = with(2, |it| {
        (it.bounding_set, it.no_new_privs, it.filtered) = (Some(0b10), false, false);
    });
    for merged in [both(one.clone(), other.clone()), both(other, one)] {
        let TargetKind::Container(container) = merged.target.kind else { panic!() };
        let Container { bounding_set, no_new_privs, filtered, .. } = *container;
        assert_eq!((bounding_set, no_new_privs, filtered), (Some(0b11), false, false));
    }
}

#[test]
fn of_origins_the_weakest_counts_and_none_is_weaker_still() {
    use ContainerOrigin::{Descent, Engine, Time};
    let of = |number, origin| {
        let mut recording = recording(number);
        if let TargetKind::Container(container) = &mut recording.target.kind {
            container.origin = origin;
        }
        recording
    };
    for (one, other, expected) in [
        (Some(Descent), Some(Descent), Some(Descent)),
        (Some(Descent), Some(Engine), Some(Engine)),
        (Some(Engine), Some(Time), Some(Time)),
        (Some(Descent), None, None),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let TargetKind::Container(merged) = both(of(1, one), of(2, other)).target.kind else {
                panic!()
            };
            assert_eq!(merged.origin, expected);
        }
    }
}

#[test]
fn what_a_command_called_too_is_not_the_runtime_s_alone() {
    let call = |number, phases: &[(Phase, u64)]| {
        let mut recording = recording(number);
        let calls = BTreeMap::from([(
            0,
            Call { count: 2, phases: phases.iter().copied().collect(), ..Call::default() },
        )]);
        recording.calls = BTreeMap::from([(Abi::X86_64, calls)]);
        recording.samples.clear();
        recording
    };
    let phases = |merged: Recording| merged.calls[&Abi::X86_64][&0].phases.clone();
    let (runtime, running) = ((Phase::Runtime, 2), (Phase::Running, 2));
    assert_eq!(phases(both(call(1, &[runtime]), call(2, &[]))), BTreeMap::new());
    assert_eq!(
        phases(both(call(1, &[runtime]), call(2, &[running]))),
        BTreeMap::from([runtime, running])
    );
}

#[test]
fn whatever_was_lost_is_lost() {
    let lossy =
        |number, losses: Losses| Recording { completeness: losses.into(), ..recording(number) };
    let one =
        Losses { calls: 1, programs: 2, missed: 3, tasks: 4, starts: 5, unread: 6, partial: 7 };
    let merged = both(lossy(1, one), lossy(2, one));
    assert_eq!(
        merged.completeness.losses(),
        Losses { calls: 2, programs: 4, missed: 6, tasks: 8, starts: 10, unread: 12, partial: 14 }
    );
}
