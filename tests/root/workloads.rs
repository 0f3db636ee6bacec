//! The workloads that are recorded, and what may differ between two runs of each.

use std::path::Path;

use crate::support::calls::{count_varies, every_count_varies, may_be_absent};
use crate::support::fixtures::{Fixture, source, text};
use crate::support::{Explained, kernel, port};

const PYTHON: [&str; 2] = ["/usr/bin/python3", "-IB"];

/// Something to run, and what may differ from run to run.
#[derive(Debug)]
pub struct Workload {
    /// Program, by absolute path so that there is one `execve` and no search, and arguments.
    pub command: Vec<String>,
    /// Files of its working directory, by name.
    pub files: Vec<(&'static str, String)>,
    /// The user it runs as, if not the test's.
    pub user: Option<&'static str>,
    /// Why what may differ from run to run does.
    pub explained: &'static [Explained],
}

impl Workload {
    /// Writes the workload's files into its working directory.
    pub fn prepare(&self, dir: &Path) {
        for (name, content) in &self.files {
            std::fs::write(dir.join(name), content).expect("the directory is ours");
        }
    }
}

fn workload<const N: usize>(command: [String; N], explained: &'static [Explained]) -> Workload {
    Workload { command: command.into(), files: Vec::new(), user: None, explained }
}

fn tiny() -> String {
    Fixture::Bare("static").path()
}

/// Pipes, subshells, command substitution.
pub fn shell() -> Workload {
    const WHY: &str = "dash takes SIGCHLD with a handler: it interrupts what dash is in, and two \
                       children that end together are one signal";
    workload(
        ["/bin/sh".into(), text(&source("shell.sh"))],
        const {
            &[
                count_varies("clone", WHY),
                count_varies("read", WHY),
                count_varies("rt_sigreturn", WHY),
                count_varies("wait4", WHY),
            ]
        },
    )
}

/// Threads and subprocesses.
pub fn python() -> Workload {
    workload(
        [PYTHON[0].into(), PYTHON[1].into(), text(&source("threads.py"))],
        const {
            &[
                count_varies("futex", "a lock is only a call when another thread holds it"),
                count_varies("poll", "output and end of a child may arrive together or apart"),
                count_varies("read", "output and end of a child may arrive together or apart"),
                count_varies(
                    "mmap",
                    "an arena per thread, fewer if one ends before the next starts",
                ),
                count_varies("munmap", "how a new arena is cut to size depends on its address"),
                count_varies(
                    "mprotect",
                    "an arena per thread, fewer if one ends before the next starts",
                ),
                count_varies("madvise", "a stack is given back unless the process ends first"),
            ]
        },
    )
}

/// `posix_spawn` and `vfork`.
pub fn spawn() -> Workload {
    workload([Fixture::Dynamic("spawn").path(), tiny()], &[])
}

/// Processes and threads by `clone3`.
pub fn clone3() -> Workload {
    workload([Fixture::Dynamic("clone3").path()], &[])
}

/// A double fork whose grandchild changes its user and outlives the command.
pub fn daemon() -> Workload {
    workload([Fixture::Dynamic("daemon").path()], &[])
}

/// A program without a C library.
pub fn bare() -> Workload {
    workload([tiny()], &[])
}

/// A 32-bit program.
pub fn i386() -> Workload {
    workload([Fixture::BareI386("i386").path()], &[])
}

/// A 64-bit program with 32-bit calls.
pub fn mixed_abi() -> Workload {
    workload([Fixture::Dynamic("mixed_abi").path()], &[])
}

/// Calls with the x32 bit. strace shows them with the bit, as `[1073741863] getpid()`; its parser
/// takes the bit off, and so nothing differs, whether or not the kernel has the ABI.
pub fn x32() -> Workload {
    workload([Fixture::Dynamic("x32").path()], &[])
}

/// `execve` from a thread that is not the leader.
pub fn thread_exec() -> Workload {
    workload([Fixture::Dynamic("thread_exec").path(), tiny()], &[])
}

/// Numbers that no table names.
pub fn unknown() -> Workload {
    workload([Fixture::Dynamic("unknown").path()], &[])
}

/// A stopped sleeper, for which the kernel issues `restart_syscall`.
pub fn restart() -> Workload {
    const POLLS: &str = "the child asks until its parent sleeps, and how long that takes differs";
    workload(
        [Fixture::Dynamic("restart").path()],
        const {
            &[
                count_varies("openat", POLLS),
                count_varies("read", POLLS),
                count_varies("close", POLLS),
                count_varies(
                    "restart_syscall",
                    "a traced sleeper is woken by SIGCHLD too, which the kernel throws away otherwise",
                ),
            ]
        },
    )
}

/// A command that runs as another user.
pub fn id_of_nobody() -> Workload {
    Workload { user: Some("nobody"), ..workload(["/usr/bin/id".into(), "-u".into()], &[]) }
}

/// curl: a page, a missing one, an upload.
pub fn curl() -> Workload {
    kernel::require("curl", "curl");
    let command = [PYTHON[0].into(), PYTHON[1].into(), text(&source("curl.py"))];
    workload(command, const { &[every_count_varies("a server and its client take turns")] })
}

/// sshd and ssh: a command, a file, a wrong key.
pub fn ssh() -> Workload {
    kernel::require("sshd", "openssh-server");
    let port = port::free().to_string();
    let command = [PYTHON[0].into(), PYTHON[1].into(), text(&source("ssh.py")), port];
    workload(command, const { &[every_count_varies("a server and its client take turns")] })
}

/// nginx: start, requests, reload, requests, quit.
pub fn nginx() -> Workload {
    const READS: &str = "the driver gets nginx's log lines together or one by one";
    const WAKES: &str = "what is ready together is handled in one round";
    kernel::require("nginx", "nginx-light");
    let port = port::free().to_string();
    let configuration = std::fs::read_to_string(source("nginx.conf")).expect("a fixture");
    Workload {
        files: vec![
            ("nginx.conf", configuration.replace("@PORT@", &port)),
            ("index.html", "hello\n".into()),
        ],
        ..workload(
            [PYTHON[0].into(), PYTHON[1].into(), text(&source("nginx.py")), port],
            const {
                &[
                    count_varies("read", READS),
                    count_varies("recvfrom", "an answer arrives in one piece or in several"),
                    count_varies("epoll_wait", WAKES),
                    count_varies("accept4", WAKES),
                    count_varies("rt_sigsuspend", "signals that arrive together wake nginx once"),
                    count_varies("rt_sigreturn", "signals that arrive together wake nginx once"),
                    count_varies("wait4", "children that end together are reaped in one round"),
                    count_varies(
                        "recvmsg",
                        "messages of the master that arrive together are read in one round",
                    ),
                ]
            },
        )
    }
}

/// redis: start, commands, SAVE, BGSAVE, SHUTDOWN SAVE.
pub fn redis() -> Workload {
    const CRON: &str = "redis looks after itself ten times a second";
    kernel::require("redis-server", "redis-server");
    let port = port::free().to_string();
    workload(
        [PYTHON[0].into(), PYTHON[1].into(), text(&source("redis.py")), port],
        const {
            &[
                count_varies("futex", "a lock is only a call when another thread holds it"),
                count_varies("read", CRON),
                count_varies("epoll_wait", CRON),
                count_varies("openat", CRON),
                count_varies("close", CRON),
                count_varies("wait4", CRON),
                count_varies("getpid", CRON),
                may_be_absent("madvise", "the allocator gives pages back after a time"),
                may_be_absent("munmap", "the allocator gives pages back after a time"),
            ]
        },
    )
}

/// A choice of stress-ng's stressors, each with a fixed number of rounds.
pub fn stress_ng() -> Workload {
    kernel::require("stress-ng", "stress-ng");
    let mut command = vec!["/usr/bin/stress-ng".into(), "--no-rand-seed".into()];
    command.extend(["--temp-path".into(), ".".into()]);
    for (stressor, rounds) in STRESSORS {
        command.extend([format!("--{stressor}"), "1".into()]);
        command.extend([format!("--{stressor}-ops"), rounds.to_string()]);
    }
    Workload { command, ..workload([], STRESSED) }
}

const STRESSORS: [(&str, u32); 11] = [
    ("chmod", 2),
    ("dentry", 5),
    ("dup", 5),
    ("eventfd", 20),
    ("fork", 5),
    ("fstat", 2),
    ("get", 1),
    ("nice", 2),
    ("pipe", 20),
    ("sigsuspend", 5),
    ("timerfd", 5),
];

const STRESSED: &[Explained] = &[
    every_count_varies("a stressor races with its children, and looks whether time is up"),
    may_be_absent("restart_syscall", "only if a signal arrives while a stressor sleeps"),
];
