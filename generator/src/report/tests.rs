use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::abi::Abi;
use crate::diff::Level;
use crate::recording::example::recording;
use crate::recording::{ArgumentUse, Arguments, Caveat, Losses, Sample};

const READ: (Abi, u32) = (Abi::X86_64, 0);
const WRITE: (Abi, u32) = (Abi::X86_64, 1);
const SOCKET: (Abi, u32) = (Abi::X86_64, 41);
const MOUNT: (Abi, u32) = (Abi::X86_64, 165);

fn sample(name: &str, calls: &[((Abi, u32), u64)]) -> Sample {
    let mut made: BTreeMap<Abi, BTreeMap<u32, u64>> = BTreeMap::new();
    for ((abi, number), count) in calls {
        made.entry(*abi).or_default().insert(*number, *count);
    }
    let finished = Duration::from_millis(5);
    Sample {
        recording: String::new(),
        finished,
        name: name.to_owned(),
        calls: made,
        values: BTreeMap::new(),
    }
}

fn made_by(recording: &mut Recording, (abi, number): (Abi, u32), programs: &[(&str, u64)]) {
    let call = recording.calls.get_mut(&abi).unwrap().get_mut(&number).unwrap();
    call.programs = programs.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect();
    call.count = programs.iter().map(|(_, count)| count).sum();
}

fn found<'a>(callers: &'a [Caller<'a>], name: &str) -> &'a Caller<'a> {
    callers.iter().find(|caller| caller.name == name).unwrap()
}

#[test]
fn what_only_one_program_calls_is_its_own() {
    let mut recording = recording(&[READ, MOUNT]);
    made_by(&mut recording, READ, &[("/bin/a", 3), ("/bin/b", 1)]);
    made_by(&mut recording, MOUNT, &[("/bin/b", 1)]);
    let programs = callers::programs(&recording);
    assert_eq!(programs[0].name, "/bin/b", "what has calls of its own comes first");
    assert_eq!(found(&programs, "/bin/b").only, [MOUNT]);
    assert_eq!((found(&programs, "/bin/b").calls, found(&programs, "/bin/b").count), (2, 2));
    assert!(found(&programs, "/bin/a").only.is_empty());
}

#[test]
fn what_is_called_outside_of_samples_too_is_of_none_alone() {
    let mut recording = recording(&[READ, WRITE, SOCKET]);
    // Each was made twice.
    recording.samples = vec![
        sample("one", &[(READ, 1), (WRITE, 1)]),
        sample("two", &[(READ, 1), (SOCKET, 1)]),
        sample("two", &[(SOCKET, 1)]),
    ];
    let samples = callers::samples(&recording);
    assert_eq!(samples.len(), 2, "samples of one name are one test that ran twice");
    assert_eq!(found(&samples, "two").only, [SOCKET]);
    assert!(found(&samples, "one").only.is_empty(), "write was made once more, in no sample");
}

#[test]
fn the_worst_comes_first_and_what_most_programs_call_is_not_there() {
    let mut recording = recording(&[READ, SOCKET, MOUNT]);
    let socket = recording.calls.get_mut(&Abi::X86_64).unwrap().get_mut(&SOCKET.1).unwrap();
    let used = ArgumentUse { count: 2, ..ArgumentUse::default() };
    let values = BTreeMap::from([(vec![2, 1, 0], used)]);
    socket.arguments = Some(Arguments { indexes: vec![0, 1, 2], values, overflow: 0 });
    let evidence = Evidence::from_recording(&recording);
    let calls = calls::collect(&recording, &evidence);
    let dangers = calls::dangers(&calls);
    let shown: Vec<_> = dangers
        .iter()
        .map(|danger| {
            (danger.risk.level, danger.calls.iter().map(|call| call.name()).collect::<Vec<_>>())
        })
        .collect();
    let (mount, socket) = (vec!["mount".to_owned()], vec!["socket".to_owned()]);
    assert_eq!(shown, [(Level::High, mount), (Level::Medium, socket)], "TCP alone is not raw");
}

#[test]
fn a_risk_is_the_one_that_explain_names() {
    let recording = recording(&[READ, SOCKET, MOUNT, (Abi::X86, 102)]);
    let evidence = Evidence::from_recording(&recording);
    for call in calls::collect(&recording, &evidence) {
        let pattern =
            crate::decode::Pattern { abi: call.abi, number: call.number, args: [None; 6] };
        let text = crate::explain::recording(&recording, &pattern).to_string();
        let risk =
            format!("risk: {}, {}: {}", call.risk.level.name(), call.risk.class, call.risk.reason);
        assert!(text.contains(&risk), "{text}\n{risk}");
    }
}

#[test]
fn an_incomplete_recording_says_so_first() {
    let mut recording = recording(&[READ]);
    assert!(!page(&recording).unwrap().contains("incomplete"));
    recording.completeness = Losses { tasks: 2, ..Losses::default() }.into();
    let page = page(&recording).unwrap();
    let main = page.split("<main>").nth(1).unwrap();
    assert!(main.starts_with("<section class=\"alarm\">"), "{main}");
    assert!(main.contains("2 times: a task could not be followed"), "{main}");
}

#[test]
fn the_caveats_of_a_recording_are_shown() {
    let mut recording = recording(&[READ]);
    assert!(!page(&recording).unwrap().contains("does not show"));
    let client = Caveat::EngineClient("/usr/bin/<docker>".to_owned());
    recording.caveats = [Caveat::IoUring, client].into();
    let page = page(&recording).unwrap();
    for texts in ["What this recording does not show", "--without io_uring", "&lt;docker&gt;"] {
        assert!(page.contains(texts), "{texts}");
    }
}

#[test]
fn values_without_room_are_reported_beside_the_others() {
    let mut recording = recording(&[SOCKET]);
    let socket = recording.calls.get_mut(&Abi::X86_64).unwrap().get_mut(&SOCKET.1).unwrap();
    let used = ArgumentUse { count: 1, ..ArgumentUse::default() };
    let values = BTreeMap::from([(vec![2, 1, 0], used)]);
    socket.arguments = Some(Arguments { indexes: vec![0, 1, 2], values, overflow: 1200 });
    let page = page(&recording).unwrap();
    for texts in [
        "<code>socket(AF_INET, SOCK_STREAM, 0)</code>",
        "and 1,200 times with arguments for which there was no room",
        "<span class=\"tag warn\">overflow</span>",
    ] {
        assert!(page.contains(texts), "{texts}");
    }
}

#[test]
fn nothing_recorded_is_no_page() {
    assert!(matches!(page(&recording(&[])), Err(GenerateError::Empty { .. })));
}

/// As of a build machine that is left alone for a day, with names as long as a kernel takes them.
#[test]
fn a_page_of_very_many_names_stays_small() {
    let calls: Vec<_> = Abi::X86_64.syscalls().map(|(number, _)| (Abi::X86_64, number)).collect();
    let mut recording = recording(&calls);
    let long = "x".repeat(4000);
    let programs: Vec<String> = (0..2000).map(|nth| format!("/{long}/{nth}")).collect();
    for (nth, key) in calls.iter().enumerate() {
        let of_call: Vec<_> =
            programs.iter().skip(nth).step_by(97).map(|p| (p.as_str(), 1)).collect();
        made_by(&mut recording, *key, &of_call);
    }
    recording.samples =
        (0..1000).map(|nth| sample(&format!("{nth}{long}"), &[(calls[nth % 300], 1)])).collect();
    recording.target.command = programs;
    let page = page(&recording).unwrap();
    assert!(page.len() < 4_000_000, "{}", page.len());
    assert!(page.contains("and 1,900 more programs"), "what is left out is counted");
    assert!(page.contains("and 900 more samples"));
}
