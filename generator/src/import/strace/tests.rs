//! Snippets are of strace 6.1 on Linux 6.18, shortened.

use std::collections::BTreeMap;

use super::super::{Imported, Source, import};
use super::*;
use crate::abi::Abi;
use crate::recording::Completeness;

fn read(log: &str) -> Imported {
    imported(&[("app.log", log)], &Options::default()).unwrap()
}

fn imported(logs: &[(&str, &str)], options: &Options) -> Result<Imported, ImportError> {
    let sources = logs.iter().map(|(name, log)| Source::new(*name, log.as_bytes())).collect();
    import(sources, options)
}

fn on(machine: Machine) -> Options {
    Options { machine: Some(machine), ..Options::default() }
}

/// Calls by ABI and name, with how often each was made.
fn counts(recording: &Recording) -> BTreeMap<String, u64> {
    let name = |abi: Abi, number: u32| {
        abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned)
    };
    let calls = recording.iter().map(|(abi, number, call)| {
        let name = name(abi, number);
        (if abi == Abi::X86_64 { name } else { format!("{abi} {name}") }, call.count)
    });
    calls.collect()
}

fn is(found: &BTreeMap<String, u64>, expected: &[(&str, u64)]) {
    let expected = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(*found, expected);
}

fn programs(recording: &Recording, call: &str) -> BTreeMap<String, u64> {
    let number = Abi::X86_64.syscall_number(call).unwrap();
    recording.calls[&Abi::X86_64][&number].programs.clone()
}

#[test]
fn a_call_in_two_halves_counts_once_and_its_arguments_are_put_together() {
    let log = r#"7 execve("/bin/a", ["a"], 0x7f /* 35 vars */) = 0
7 socket(AF_INET, SOCK_STREAM <unfinished ...>
8 read(0,  <unfinished ...>
8 <... read resumed>"", 1)   = 0
7 <... socket resumed>, IPPROTO_TCP) = 3
7 arch_prctl(ARCH_SET_FS, 0x7f) = 0
7 exit_group(0) = ?
7 +++ exited with 0 +++
"#;
    let Imported { recording, remarks, .. } = read(log);
    assert_eq!(remarks, []);
    let expected =
        [("arch_prctl", 1), ("execve", 1), ("exit_group", 1), ("read", 1), ("socket", 1)];
    is(&counts(&recording), &expected);
    let socket = recording.calls[&Abi::X86_64][&41].arguments.clone().unwrap();
    assert_eq!(
        (socket.values.keys().next().unwrap().as_slice(), socket.overflow),
        (&[2, 1, 6][..], 0)
    );
    assert_eq!(recording.completeness, Completeness::Complete);
    assert_eq!(recording.target.command, ["/bin/a"]);
    assert_eq!((recording.target.name.as_str(), recording.target.start), ("a", Start::Exec));
    assert_eq!(recording.host.arch, "x86_64");
}

#[test]
fn children_run_what_their_parents_did_until_they_execute_another_program() {
    // The child runs before its parent's call returns.
    let log = r#"7 execve("/bin/sh", ["sh", "-c", "a\"b"], 0x7f /* 35 vars */) = 0
7 vfork( <unfinished ...>
8 getpid() = 8
8 execve("/bin/a", ["a"], 0x7f /* 35 vars */ <unfinished ...>
7 <... vfork resumed>) = 8
8 <... execve resumed>) = 0
8 arch_prctl(ARCH_SET_FS, 0x7f) = 0
7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 9
9 getpid() = 9
9 execve("/nowhere", ["a"], 0x7f /* 35 vars */) = -1 ENOENT (No such file or directory)
9 getpid() = 9
"#;
    let recording = read(log).recording;
    let of = |call| programs(&recording, call);
    assert_eq!(of("getpid"), [("/bin/sh".to_owned(), 3)].into());
    assert_eq!(of("execve"), [("/bin/sh".to_owned(), 3)].into());
    assert_eq!(of("arch_prctl"), [("/bin/a".to_owned(), 1)].into());
    assert_eq!(recording.target.command, ["/bin/sh", "-c", "a\"b"]);
    assert_eq!(recording.programs.len(), 2);
}

#[test]
fn without_a_file_of_its_own_messages_stand_in_the_middle_of_lines() {
    let log = r#"execve("/bin/a", ["a"], 0x7f /* 35 vars */) = 0
arch_prctl(ARCH_SET_FS, 0x7f) = 0
clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLDstrace: Process 8 attached
, child_tidptr=0x7ff0a5031a10) = 8
[pid     8] getuid() = 0
[pid     7] vfork(strace: Process 9 attached
 <unfinished ...>
[pid     9] getuid() = 0
[pid     9] +++ exited with 0 +++
[pid     8] +++ exited with 0 +++
<... vfork resumed>) = 9
clone3({flags=0, exit_signal=SIGCHLD, stack=NULL, stack_size=0}, 88) = 10
wait4(10, /usr/bin/strace: Process 10 attached
 <unfinished ...>
[pid    10] getuid() = 0
[pid    10] +++ exited with 0 +++
<... wait4 resumed>NULL, 0, NULL) = 10
--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8, si_uid=0} ---
getuid() = 0
exit_group(0) = ?
+++ exited with 0 +++
"#;
    let Imported { recording, remarks, .. } = read(log);
    assert_eq!(remarks, []);
    let found = counts(&recording);
    let expected = [
        ("arch_prctl", 1),
        ("clone", 1),
        ("clone3", 1),
        ("execve", 1),
        ("exit_group", 1),
        ("getuid", 4),
        ("vfork", 1),
        ("wait4", 1),
    ];
    is(&found, &expected);
    assert_eq!(programs(&recording, "getuid"), [("/bin/a".to_owned(), 4)].into());
}

#[test]
fn the_files_of_one_run_are_put_together() {
    let parent = r#"execve("/bin/sh", ["sh"], 0x7f /* 35 vars */) = 0
arch_prctl(ARCH_SET_FS, 0x7f) = 0
fork() = 10
+++ exited with 0 +++
"#;
    let child = "getpid() = 10\n+++ exited with 0 +++\n";
    for logs in [[("log.9", parent), ("log.10", child)], [("log.10", child), ("log.9", parent)]] {
        let recording = imported(&logs, &Options::default()).unwrap().recording;
        assert_eq!(programs(&recording, "getpid"), [("/bin/sh".to_owned(), 1)].into());
        assert_eq!((recording.target.start, recording.target.name.as_str()), (Start::Exec, "sh"));
    }
    // In logs of two runs the same pid is another task.
    let runs =
        [("one.log", "9 fork() = 10\n9 arch_prctl(1, 0) = 0\n"), ("two.log", "10 getpid() = 10\n")];
    let recording = imported(&runs, &Options::default()).unwrap().recording;
    assert_eq!(programs(&recording, "getpid"), [("(unknown)".to_owned(), 1)].into());
    assert_eq!(recording.target.start, Start::Attached);
}

#[test]
fn numbers_and_messages_tell_the_abi() {
    let log = "\
11752 [  11] munmap(0x7f02ea47b000, 34839) = 0
11752 [  11] [ Process PID=11752 runs in 32 bit mode. ]
11752 [  20] getpid()                   = 11752
11752 [ 102] socket(AF_UNIX, SOCK_STREAM, 0) = 3
11752 [ 359] socket(AF_UNIX, SOCK_STREAM, 0) = 3
11752 [  24] [ Process PID=11752 runs in 64 bit mode. ]
11752 [ 500] syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)
11752 [1000] [ Process PID=11752 runs in x32 mode. ]
11752 [1073741863] getpid()             = -1 ENOSYS (Function not implemented)
11752 [1073742338] ioctl(1, FIGETBSZ, 0x3) = -1 ENOSYS (Function not implemented)
11752 [1073742324] syscall_0x400001f4(0x2, 0x3, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
11752 [1073741837] rt_sigaction#64(0, 0, 0, 0) = -1 ENOSYS (Function not implemented)
";
    let recording = read(log).recording;
    let expected = [
        ("500", 1),
        ("munmap", 1),
        ("x32 13", 1),
        ("x32 500", 1),
        ("x32 getpid", 1),
        ("x32 ioctl", 1),
        ("x86 getpid", 1),
        ("x86 socket", 1),
        ("x86 socketcall", 1),
    ];
    is(&counts(&recording), &expected);
}

#[test]
fn a_number_that_fits_one_abi_only_needs_no_message() {
    let log = "7 [  11] execve(\"/a\", [\"a\"], 0x7f /* 1 var */) = 0\n7 [  20] getpid() = 7\n7 [  39] getpid() = 7\n";
    is(&counts(&read(log).recording), &[("getpid", 1), ("x86 execve", 1), ("x86 getpid", 1)]);
}

#[test]
fn what_only_32_bit_programs_call_tells_that_a_program_is_one() {
    let log = r#"7 execve("/bin/a", ["a"], 0x7f /* 1 var */) = 0
7 mmap2(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE, -1, 0) = 0xf7
7 ioctl(1, TCGETS, 0xff) = 0
7 ioctl(1, FS_IOC_GETFLAGS, 0xff) = 0
7 socket(AF_UNIX, SOCK_STREAM, 0) = 3
7 execve("/bin/b", ["a"], 0x7f /* 1 var */) = 0
7 arch_prctl(ARCH_SET_FS, 0x7f) = 0
"#;
    let Imported { recording, remarks, .. } = read(log);
    let expected = [
        ("arch_prctl", 1),
        ("execve", 1),
        ("x86 execve", 1),
        ("x86 ioctl", 2),
        ("x86 mmap2", 1),
        ("x86 socket", 1),
        ("x86 socketcall", 1),
    ];
    is(&counts(&recording), &expected);
    assert!(remarks[0].text.contains("socket directly or through socketcall"), "{remarks:?}");
    // The size in a request is another one there.
    let ioctl = recording.calls[&Abi::X86][&54].arguments.clone().unwrap();
    assert_eq!((ioctl.values.len(), ioctl.overflow), (1, 1));
}

#[test]
fn what_may_be_either_is_recorded_as_both() {
    let log =
        "7 newfstatat(3, \"\", 0x7f, 0) = 0\n7 getpid() = 7\n7 mmap2(NULL, 1, 0, 0, -1, 0) = 0\n";
    let Imported { recording, remarks, .. } = read(log);
    let expected = [("getpid", 1), ("newfstatat", 1), ("x86 getpid", 1), ("x86 mmap2", 1)];
    is(&counts(&recording), &expected);
    assert!(remarks[0].text.contains("64-bit and 32-bit"), "{remarks:?}");
}

#[test]
fn the_machine_is_known_or_asked_for() {
    let log = "7 write(1, \"\", 0) = 0\n";
    let error = imported(&[("a.log", log)], &Options::default()).unwrap_err();
    assert!(matches!(error, ImportError::WhichMachine { .. }), "{error}");
    let recording = imported(&[("a.log", log)], &on(Machine::Aarch64)).unwrap().recording;
    assert_eq!(recording.calls[&Abi::Aarch64][&64].count, 1);
    assert_eq!(recording.host.arch, "aarch64");
    let numbered = "7 [  64] write(1, \"\", 0) = 0\n";
    let error = imported(&[("a.log", numbered)], &Options::default()).unwrap_err();
    assert!(matches!(error, ImportError::WhichMachine { .. }), "arm64 or riscv: {error}");
    let mixed = "7 [  64] write(1, \"\", 0) = 0\n7 [ 158] arch_prctl(ARCH_SET_FS, 0x7f) = 0\n";
    let error = imported(&[("a.log", mixed)], &Options::default()).unwrap_err();
    assert!(matches!(error, ImportError::Machines { .. }), "{error}");
    let bits = "7 [ Process PID=7 runs in 32 bit mode. ]\n7 write(1, \"\", 0) = 0\n7 [ Process PID=7 runs in 64 bit mode. ]\n7 read(0, \"\", 0) = 0\n";
    let Imported { recording, remarks, .. } =
        imported(&[("a.log", bits)], &on(Machine::Aarch64)).unwrap();
    assert_eq!(recording.completeness.losses().unread, 1);
    assert!(remarks[0].text.contains("32-bit call write on aarch64"), "{remarks:?}");
}

#[test]
fn times_are_as_absolute_as_in_the_log() {
    let line = "arch_prctl(ARCH_SET_FS, 0x7f) = 0\n";
    let with =
        |first: &str, second: &str| read(&format!("{first} {line}{second} {line}")).recording;
    let dated = with("1700000000.250000", "1700000001.500000");
    assert_eq!(dated.started.to_string(), "2023-11-14T22:13:20.25Z");
    assert_eq!(dated.finished.duration_since(dated.started).as_millis(), 1250);
    for recording in [with("23:59:59.500000", "00:00:00.750000"), with("0.000000", "1.250000")] {
        assert_eq!(recording.started, Timestamp::UNIX_EPOCH);
        assert_eq!(recording.finished.duration_since(recording.started).as_millis(), 1250);
    }
    let two = "1700000000.250000 getpid() = 1\n1700000001.250000 arch_prctl(1, 0) = 0\n";
    let call = read(two).recording.calls[&Abi::X86_64][&158].clone();
    assert_eq!(call.first_seen, Duration::from_secs(1));
}

#[test]
fn a_task_that_executes_from_a_thread_goes_on_under_another_pid() {
    let log = r#"7 execve("/bin/a", ["a"], 0x7f /* 35 vars */) = 0
7 clone3({flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[8]}, 88) = 8
8 execve("/bin/true", ["true"], 0x7fffafc944f8 /* 35 vars */ <unfinished ...>
7 pause( <unfinished ...>
7 <... pause resumed>)       = ?
7 +++ superseded by execve in pid 8 +++
7 <... execve resumed>)      = 0
7 arch_prctl(ARCH_SET_FS, 0x7f) = 0
"#;
    // As strace writes it if no other line comes between.
    let alone = log.replace("<unfinished ...>\n7 pause(", "<pid changed to 7 ...>\n7 pause(");
    for log in [log, &alone] {
        let recording = read(log).recording;
        let expected = [("arch_prctl", 1), ("clone3", 1), ("execve", 2), ("pause", 1)];
        is(&counts(&recording), &expected);
        assert_eq!(programs(&recording, "arch_prctl"), [("/bin/true".to_owned(), 1)].into());
    }
}

#[test]
fn what_was_not_made_is_not_counted_and_what_began_before_the_log_is() {
    let log = "\
20499 getppid()                  = 20493
20499 ???( <unfinished ...>
20493 <... prctl resumed>NULL, 0, NULL) = 0
20499 <... ??? resumed>)         = ?
20499 arch_prctl(ARCH_SET_FS, 0x7f) = 0
";
    let recording = read(log).recording;
    is(&counts(&recording), &[("arch_prctl", 1), ("getppid", 1), ("prctl", 1)]);
    assert_eq!(recording.calls[&Abi::X86_64][&157].arguments.as_ref().unwrap().overflow, 1);
    assert_eq!(recording.target.start, Start::Attached);
}

#[test]
fn a_table_of_counts_is_a_list_without_programs() {
    let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 69.36    0.001098         549         2         1 socket
  5.69    0.000090           2        38           arch_prctl
------ ----------- ----------- --------- --------- ----------------
100.00    0.001583           7       216        29 total
";
    let recording = read(table).recording;
    is(&counts(&recording), &[("arch_prctl", 38), ("socket", 2)]);
    assert_eq!(recording.calls[&Abi::X86_64][&41].arguments, None);
    assert_eq!((recording.target.name.as_str(), recording.target.command.len()), ("app", 0));
    // With -C the log has them already.
    let both = format!("7 arch_prctl(ARCH_SET_FS, 0x7f) = 0\n{table}");
    is(&counts(&read(&both).recording), &[("arch_prctl", 1)]);
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_first_are_named() {
    let junk = "hello\n".repeat(7);
    let long = format!("write(1, \"{}\n", "x".repeat(5 << 20));
    let log = format!(
        "7 arch_prctl(ARCH_SET_FS, 0x7f) = 0\n{junk}{long}7 write(1, \"hi\n) = 2\n7 frobnicate(1) = 0\n"
    );
    let Imported { recording, remarks, .. } = read(&log);
    // The one that is cut off has at least its name, and so it is there.
    is(&counts(&recording), &[("arch_prctl", 1), ("write", 1)]);
    assert_eq!(recording.completeness.losses().unread, 7 + 1 + 2 + 1);
    assert_eq!(remarks[0].to_string(), "app.log, line 2: not a line of strace: hello");
    assert_eq!(remarks.len(), 6);
    assert!(remarks[5].text.contains("the call frobnicate is not known"), "{remarks:?}");
}

#[test]
fn programs_that_are_cut_or_executed_by_descriptor_are_as_much_as_is_known() {
    let log = r#"7 execveat(3</usr/bin/tool>, "", ["tool"], 0x7f /* 1 var */, AT_EMPTY_PATH) = 0
7 arch_prctl(ARCH_SET_FS, 0x7f) = 0
7 execve("/very/lo"..., ["x"], 0x7f /* 1 var */) = 0
7 getpid() = 7
"#;
    let recording = read(log).recording;
    assert_eq!(programs(&recording, "arch_prctl"), [("/usr/bin/tool".to_owned(), 1)].into());
    assert_eq!(programs(&recording, "getpid"), [("(unknown)".to_owned(), 1)].into());
}
