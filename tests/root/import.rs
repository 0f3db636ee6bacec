//! What is imported from a log is what Strait's probe saw of the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;
use strait_generator::abi::Abi;
use strait_generator::recording::Recording;

use crate::support::calls::{count_varies, read_recording};
use crate::support::{Calls, Explained, kernel, scratch, scrub, strait};
use crate::workloads::{self, Workload};

/// The values of the arguments of calls, as far as they are kept.
type Values = BTreeMap<(Abi, u32), BTreeSet<Vec<u64>>>;

const STRACE: &str = "/usr/bin/strace";

/// What threads wait in when their process ends. strace stops them in front of a call, and one that is killed there has
/// not made it, though it is in the log.
const KILLED: &[Explained] = &[
    count_varies("futex", "a thread that is killed in front of a call has not made it"),
    count_varies("epoll_wait", "a thread that is killed in front of a call has not made it"),
];

/// Stands for the log on standard error, among strace's messages.
const TO_STDERR: &str = "to-stderr";

/// What the workload called, of a recording of it and of the strace that ran it.
fn without_strace(recording: &Recording) -> (Calls, Values) {
    let (mut calls, mut values) = (Calls::default(), Values::new());
    let by_others = |programs: &BTreeMap<String, u64>| -> u64 {
        programs.iter().filter(|(path, _)| *path != STRACE).map(|(_, count)| count).sum()
    };
    for (abi, number, call) in recording.iter() {
        for _ in 0..by_others(&call.programs) {
            calls.add(abi, number);
        }
        let Some(arguments) = &call.arguments else { continue };
        let kept: BTreeSet<_> = arguments
            .values
            .iter()
            .filter(|(_, one)| by_others(&one.programs) > 0)
            .map(|(values, _)| values.clone())
            .collect();
        if !kept.is_empty() {
            values.insert((abi, number), kept);
        }
    }
    (calls, values)
}

fn values(recording: &Recording) -> Values {
    let kept = recording.iter().filter_map(|(abi, number, call)| {
        let kept: BTreeSet<_> = call.arguments.as_ref()?.values.keys().cloned().collect();
        (!kept.is_empty()).then_some(((abi, number), kept))
    });
    kept.collect()
}

/// Records strace running a workload, and imports what strace has logged of it.
fn both(workload: &Workload, options: &[&str]) -> (Recording, Recording, String) {
    kernel::require_root();
    let (dir, output) = (scratch(), scratch());
    workload.prepare(dir.path());
    let of = |name: &str| output.path().join(name);
    let mut command: Vec<String> = vec![STRACE.into(), "-f".into()];
    command.extend(options.iter().map(|option| (*option).to_owned()));
    let to_stderr = options.contains(&TO_STDERR);
    if to_stderr {
        command.retain(|word| word != TO_STDERR);
    } else {
        command.extend(["-o".into(), of("log").display().to_string()]);
    }
    command.extend(workload.user.iter().flat_map(|user| ["-u".into(), (*user).to_owned()]));
    command.extend(workload.command.iter().cloned());
    let outcome = strait()
        .args(["record", "-o"])
        .arg(of("recorded.json"))
        .arg("--")
        .args(command)
        .in_dir(dir.path())
        .run();
    if to_stderr {
        let log = outcome.stderr.lines().filter(|line| !line.starts_with("strait: "));
        std::fs::write(of("log"), log.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let logs: Vec<PathBuf> = std::fs::read_dir(output.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log"))
        .collect();
    let said = strait()
        .arg("import")
        .args(logs)
        .args(["--machine", "x86_64", "-o"])
        .arg(of("imported.json"))
        .in_dir(dir.path())
        .run();
    let read = |name: &str| read_recording(&of(name));
    (read("recorded.json"), read("imported.json"), said.stderr)
}

/// Both have the same calls, as often, with the same values of arguments.
fn assert_same(workload: &Workload, options: &[&str]) {
    let (recorded, imported, said) = both(workload, options);
    let (mut calls, values_recorded) = without_strace(&recorded);
    // strace's child executes the command as strace.
    calls.add(Abi::X86_64, 59);
    let found = Calls::from_recording(&imported);
    let differences = found.unexplained(&calls, KILLED);
    assert!(
        differences.is_empty(),
        "{:?} {options:?}\n{}",
        workload.command,
        differences.join("\n")
    );
    assert_eq!(values(&imported), values_recorded, "{:?} {options:?}", workload.command);
    assert_eq!(imported.completeness.losses().unread, 0, "{said}");
    for (abi, number, call) in imported.iter() {
        let overflow = call.arguments.as_ref().map_or(0, |arguments| arguments.overflow);
        assert_eq!(overflow, 0, "{abi} {number}");
    }
}

macro_rules! imported_as_recorded {
    ($($name:ident: $options:expr),* $(,)?) => {$(
        #[test]
        fn $name() {
            assert_same(&workloads::$name(), &$options);
        }
    )*};
}

mod of_strace {
    use super::*;

    imported_as_recorded!(
        shell: ["--quiet=none", "-y"],
        python: ["--quiet=none", "-yy", "-tt"],
        spawn: ["--quiet=none", "-X", "raw"],
        clone3: ["--quiet=none", "-X", "verbose", "-T"],
        daemon: ["-r", "-ff"],
        bare: ["-ttt"],
        i386: ["--quiet=none", "-s", "0"],
        mixed_abi: ["-n"],
        x32: ["-n", "--quiet=none"],
        thread_exec: ["--quiet=none", "-v"],
        unknown: ["-n", "-i"],
        id_of_nobody: ["--quiet=none", "-Y", "-t"],
        nginx: ["-ff", "-yy", "-tt"],
        redis: ["--quiet=none", "-s", "9999"],
    );

    #[test]
    fn of_standard_error_is_read_in_spite_of_messages_in_the_middle_of_lines() {
        // They write nothing to standard error themselves.
        let all = [
            workloads::python(),
            workloads::spawn(),
            workloads::clone3(),
            workloads::thread_exec(),
        ];
        for workload in all {
            assert_same(&workload, &[TO_STDERR]);
        }
    }

    /// What every option leaves of the same workload.
    #[test]
    fn is_the_same_with_every_option() {
        for options in [
            &[][..],
            &["-n"],
            &["-y"],
            &["-yy"],
            &["-X", "raw"],
            &["-X", "verbose"],
            &["-t"],
            &["-tt", "-r"],
            &["-k"],
            &["-ff"],
            &["-ff", "-n", "-ttt"],
            &["-C"],
            &["-s", "0", "-q"],
        ] {
            assert_same(&workloads::shell(), options);
        }
    }
}

/// The kernel's audit records, from now on (`AUDIT_NLGRP_READLOG`).
struct Audit(std::os::fd::OwnedFd);

impl Audit {
    fn listen() -> Self {
        use std::os::fd::AsRawFd;
        let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkAudit);
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .expect("this test needs a kernel with CONFIG_AUDIT");
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 1)).expect("CAP_AUDIT_READ");
        setsockopt(&socket, sockopt::RcvBuf, &(8 << 20)).unwrap();
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(3, 0)).unwrap();
        Self(socket)
    }

    /// The records of this program, as the kernel's log has them, up to that of its `exit_group`.
    fn records(self, program: &Path) -> String {
        use std::os::fd::AsRawFd;
        let exe = format!("exe=\"{}\"", program.display());
        let mut log = String::new();
        let mut message = vec![0; 16 << 10];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty())
                .expect("the program's exit is logged");
            // `struct nlmsghdr`: length, type, flags, number and pid.
            let kind = u16::from_ne_bytes([message[4], message[5]]);
            let text = String::from_utf8_lossy(&message[16..length]).replace('\0', "");
            if kind == 1326 && text.contains(&exe) {
                log += &format!("[ 1.0] audit: type={kind} {}\n", text.trim());
                if text.contains(" syscall=231 ") {
                    return log;
                }
            }
        }
    }
}

/// Installs a filter that lets all calls pass and logs them.
fn log_all() -> std::io::Result<()> {
    /// `BPF_RET | BPF_K` with `SECCOMP_RET_LOG`.
    const LOG: libc::sock_filter = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7ffc_0000 };
    let mut log = LOG;
    let filter = libc::sock_fprog { len: 1, filter: &raw mut log };
    // SAFETY: it takes four numbers.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the kernel copies the filter, which lives until then.
    let filtered =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    if set == 0 && filtered == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A filter that lets all calls pass and logs them leaves the calls that Strait records.
#[test]
fn audit_records_of_a_filter_are_what_was_logged() {
    kernel::require_root();
    let dir = scratch();
    // With a path of its own, so that other tests' records are not mixed with it.
    let program = dir.path().join("logged");
    std::fs::copy("/usr/bin/true", &program).unwrap();
    let audit = Audit::listen();
    let mut command = Command::new(&program);
    scrub(&mut command, dir.path());
    // SAFETY: it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(log_all) };
    assert!(command.status().unwrap().success());
    let log = dir.path().join("kernel.log");
    let records = audit.records(&program);
    std::fs::write(&log, &records).unwrap();
    let import = |file: &Path, format: &str| {
        let output = dir.path().join(format!("{format}.json"));
        strait().arg("import").arg(file).arg("-o").arg(&output).run().says(&["incomplete"]);
        read_recording(&output)
    };
    let imported = import(&log, "kernel");
    strait()
        .args(["record", "-o"])
        .arg(dir.path().join("recorded.json"))
        .arg("--")
        .arg(&program)
        .in_dir(dir.path())
        .run();
    let recorded = read_recording(&dir.path().join("recorded.json"));
    let mut expected = Calls::from_recording(&recorded);
    // The launch is logged as that of the program that executes.
    expected.made.remove(&(Abi::X86_64, 59));
    let differences = Calls::from_recording(&imported).unexplained(&expected, &[]);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(
        Calls::from_recording(&imported).made.values().sum::<u64>(),
        records.lines().count() as u64
    );
    assert_eq!(imported.programs.len(), 1);
    assert_eq!(imported.programs[0].path, program.display().to_string());
    // The same records as auditd keeps them.
    let of_auditd = records.replace("[ 1.0] audit: type=1326 ", "type=SECCOMP msg=");
    let file = dir.path().join("audit.log");
    std::fs::write(&file, of_auditd).unwrap();
    assert_eq!(import(&file, "auditd").calls, imported.calls);
}
