//! Records are of Linux 6.18, shortened.

use std::collections::BTreeMap;

use super::super::{Imported, Options, Source, import};
use super::*;

fn read(log: &str) -> Imported {
    imported(log).unwrap()
}

fn imported(log: &str) -> Result<Imported, ImportError> {
    import(vec![Source::new("audit.log", log.as_bytes())], &Options::default())
}

/// A record of a filter that lets calls pass and logs them.
fn seccomp(serial: u32, rest: &str) -> String {
    format!(
        "type=SECCOMP msg=audit(1700000000.{serial:03}:{serial}): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"app\" \
         exe=\"/usr/bin/app\" sig=0 {rest} compat=0 ip=0x7f code=0x7ffc0000\n"
    )
}

fn counts(recording: &Recording) -> BTreeMap<(Abi, u32), u64> {
    recording.iter().map(|(abi, number, call)| ((abi, number), call.count)).collect()
}

#[test]
fn calls_are_identified_by_architecture_and_number() {
    let log = [
        seccomp(1, "arch=c000003e syscall=59"),
        seccomp(2, "arch=c000003e syscall=59"),
        seccomp(3, "arch=40000003 syscall=11"),
        seccomp(4, "arch=c000003e syscall=1073741863"),
        "type=PATH msg=audit(1700000000.004:4): item=0 name=\"/x\"\n".to_owned(),
        seccomp(5, "arch=40000028 syscall=11"),
    ];
    let Imported { recording, remarks, format } = read(&log.concat());
    assert_eq!(format.name(), "audit");
    let expected = [((Abi::X86_64, 59), 2), ((Abi::X86, 11), 1), ((Abi::X32, 39), 1)];
    assert_eq!(counts(&recording), expected.into());
    assert_eq!(recording.started.to_string(), "2023-11-14T22:13:20.001Z");
    assert_eq!(recording.calls[&Abi::X86][&11].first_seen, Duration::from_millis(2));
    let losses = recording.completeness.losses();
    assert_eq!((losses.partial, losses.unread), (1, 1));
    assert_eq!(recording.programs[0].path, "/usr/bin/app");
    assert_eq!((recording.target.name.as_str(), recording.target.start), ("app", Start::Attached));
    assert!(remarks[0].to_string().contains("line 6: a call of the architecture 40000028"));
}

#[test]
fn a_filter_shows_no_arguments_and_a_rule_shows_four() {
    let rule = |serial: u32, call: u32| {
        format!(
            "type=SYSCALL msg=audit(1700000000.{serial:03}:{serial}): arch=c000003e syscall={call} success=yes exit=3 \
             a0=2 a1=80001 a2=6 a3=0 items=0 ppid=1 pid=7 comm=\"app\" exe=\"/usr/bin/app\" key=(null)\n"
        )
    };
    let socket = |log: String| read(&log).recording.calls[&Abi::X86_64][&41].clone();
    assert_eq!(socket(seccomp(1, "arch=c000003e syscall=41")).arguments, None);
    let kept = |log: String| {
        let call = socket(log);
        let arguments = call.arguments.unwrap();
        (call.count, arguments.values.into_keys().collect::<Vec<_>>(), arguments.overflow)
    };
    assert_eq!(kept(rule(1, 41)), (1, vec![vec![2, 1, 6]], 0));
    // Of one event, in either order.
    let filter = seccomp(1, "arch=c000003e syscall=41");
    assert_eq!(kept(filter.clone() + &rule(1, 41)), (1, vec![vec![2, 1, 6]], 0));
    assert_eq!(kept(rule(1, 41) + &filter), (1, vec![vec![2, 1, 6]], 0));
    // Of two events one without arguments leaves them open.
    assert_eq!(
        kept(rule(1, 41) + &seccomp(2, "arch=c000003e syscall=41")),
        (2, vec![vec![2, 1, 6]], 1)
    );
}

#[test]
fn what_a_filter_refused_is_not_among_the_calls() {
    let kill = seccomp(1, "arch=c000003e syscall=165").replace("0x7ffc0000", "0x80000000");
    let errno = seccomp(2, "arch=c000003e syscall=166").replace("0x7ffc0000", "0x50000");
    let log = kill + &errno + &seccomp(3, "arch=c000003e syscall=1");
    let Imported { recording, remarks, .. } = read(&log);
    assert_eq!(counts(&recording), [((Abi::X86_64, 1), 1)].into());
    let refused = [((Abi::X86_64, 165, None), 1), ((Abi::X86_64, 166, Some(0)), 1)];
    assert_eq!(recording.refused, refused.into());
    assert!(remarks[0].text.starts_with("2 of the calls were refused"), "{remarks:?}");
}

#[test]
fn records_that_are_in_the_journal_twice_count_once() {
    let record = seccomp(1, "arch=c000003e syscall=59");
    let fields = record.split_once("): ").unwrap().1.trim_end();
    let of_audit = serde_json::json!({
        "__REALTIME_TIMESTAMP": "1700000000001000", "_TRANSPORT": "audit", "_AUDIT_TYPE": "1326",
        "_AUDIT_ID": "1", "MESSAGE": format!("SECCOMP {fields}"),
    });
    let of_kernel = serde_json::json!({
        "__REALTIME_TIMESTAMP": "1700000000005000", "_TRANSPORT": "kernel",
        "MESSAGE": format!("audit: type=1326 audit(1700000000.001:1): {fields}").as_bytes(),
    });
    let other = serde_json::json!({"__REALTIME_TIMESTAMP": "1700000000005000", "MESSAGE": "hello"});
    let recording = read(&format!("{other}\n{of_audit}\n{of_kernel}\n")).recording;
    assert_eq!(counts(&recording), [((Abi::X86_64, 59), 1)].into());
}

#[test]
fn dropped_records_are_reported_and_cut_ones_counted() {
    let log = format!(
        "[    1.0] usb 1-1: new device\n[    2.0] {}[    3.0] audit: audit_lost=12 audit_rate_limit=0\n\
         [    4.0] audit: type=1326 audit(1700000000.123:9): auid=0 uid=0 exe=\"/us\n",
        seccomp(1, "arch=c000003e syscall=59").replace("type=SECCOMP msg=", "audit: type=1326 ")
    );
    let Imported { recording, remarks, .. } = read(&log);
    assert_eq!(recording.completeness.losses().unread, 1);
    assert!(remarks[0].text.contains("dropped records: audit_lost=12"), "{remarks:?}");
    assert!(remarks[1].to_string().contains("line 4: a record without arch"), "{remarks:?}");
}

#[test]
fn a_log_without_calls_is_empty() {
    let error = imported("type=LOGIN msg=audit(1700000000.123:9): pid=1\n").unwrap_err();
    assert!(matches!(error, ImportError::Empty { .. }), "{error}");
}
