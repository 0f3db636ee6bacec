//! The calls that were missed, and the errors that are tried for each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::quality::policy::Policy;
use crate::quality::results::{Refused, Results};

/// A call that a run of an application missed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missed {
    syscall: String,
    /// The arguments that tell it from those that the test made, as a profile compares them: index, mask, value.
    compared: Vec<(usize, u64, u64)>,
    /// How these arguments are written.
    written: String,
    pub app: String,
    pub program: String,
    pub run: usize,
}

/// Families and types of sockets (`socket`(2)).
const FAMILIES: [(&str, u64); 4] =
    [("AF_UNIX", 1), ("AF_INET", 2), ("AF_INET6", 10), ("AF_NETLINK", 16)];
const TYPES: [(&str, u64); 3] = [("SOCK_STREAM", 1), ("SOCK_DGRAM", 2), ("SOCK_RAW", 3)];
/// The bits of a type that are no flags.
const TYPE: u64 = 0xf;
const ALL: u64 = u64::MAX;

/// Errors that a program may know from a kernel that cannot or does not want to, besides ENOSYS, EPERM and EACCES.
const SPECIFIC: [(&str, &[&str]); 16] = [
    ("wait4 waitid", &["ECHILD"]),
    ("connect", &["ECONNREFUSED"]),
    ("socket socketpair", &["EAFNOSUPPORT"]),
    (
        "poll ppoll select pselect6 epoll_create epoll_create1 epoll_wait epoll_pwait epoll_ctl",
        &["EINVAL"],
    ),
    ("ioctl", &["ENOTTY"]),
    ("setxattr lsetxattr fsetxattr removexattr getxattr lgetxattr fgetxattr", &["EOPNOTSUPP"]),
    ("listxattr llistxattr flistxattr fallocate sync_file_range", &["EOPNOTSUPP"]),
    ("fsync fdatasync fadvise64 ftruncate sendfile copy_file_range", &["EINVAL"]),
    ("setitimer prlimit64 setpriority setpgid prctl sched_setscheduler", &["EINVAL"]),
    ("flock", &["ENOLCK"]),
    ("kill", &["ESRCH"]),
    ("getpeername", &["ENOTCONN"]),
    ("dup dup2 dup3 pipe pipe2 inotify_init inotify_init1", &["EMFILE"]),
    ("fork vfork clone io_setup", &["EAGAIN"]),
    ("readlink readlinkat", &["EINVAL"]),
    (
        "mkdir mkdirat rmdir unlink unlinkat rename renameat symlink mknodat chmod fchmod fchmodat chown utimensat",
        &["EROFS"],
    ),
];

/// What an application missed under `--generalize exact`, once for each call and program, run by run. What Docker's default refuses
/// too, with an error of its own, has that error and no other.
pub fn of(results: &Results, app: &str) -> Vec<Missed> {
    let measured = results.apps.iter().find(|measured| measured.name == app);
    let outcome = measured.and_then(|measured| measured.policies.get(&Policy::Exact));
    let mut refused: Vec<&Refused> = outcome.into_iter().flat_map(|one| &one.refused).collect();
    refused.retain(|call| call.errno != "EPERM");
    refused.sort_by_key(|call| call.run);
    let mut seen = BTreeSet::new();
    let mut all: Vec<Missed> = refused.into_iter().map(|call| Missed::new(app, call)).collect();
    all.retain(|missed| {
        seen.insert((missed.syscall.clone(), missed.compared.clone(), missed.name().to_owned()))
    });
    all
}

impl Missed {
    fn new(app: &str, call: &Refused) -> Self {
        let argument = |index: usize| call.args.get(index).map_or("", String::as_str);
        let named = |names: &'static [(&str, u64)], index: usize| {
            let first = argument(index).split('|').next().unwrap_or_default();
            names.iter().find(|(name, _)| *name == first).copied()
        };
        let (compared, written) = match call.syscall.as_str() {
            "socket" => match (named(&FAMILIES, 0), named(&TYPES, 1)) {
                (Some((family, first)), Some((kind, second))) => {
                    let protocol = argument(2);
                    let mut compared = vec![(0, ALL, first), (1, TYPE, second)];
                    compared.extend(protocol.parse().ok().map(|number| (2, ALL, number)));
                    (compared, format!("({family}, {kind}, {protocol})"))
                }
                _ => Default::default(),
            },
            "ioctl" => match argument(1).parse() {
                Ok(request) => (vec![(1, ALL, request)], format!("({request:#x})")),
                Err(_) => Default::default(),
            },
            _ => Default::default(),
        };
        let (app, program) = (app.to_owned(), call.program.clone());
        Self { syscall: call.syscall.clone(), compared, written, app, program, run: call.run }
    }

    /// The name of the program's file.
    pub fn name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or(&self.program)
    }

    /// How the call is written.
    pub fn call(&self) -> String {
        format!("{}{}", self.syscall, self.written)
    }

    pub fn names(&self) -> [&str; 1] {
        [&self.syscall]
    }

    /// The conditions of the rule that refuses it.
    pub fn conditions(&self) -> Vec<Value> {
        let condition = |(index, mask, value): &(usize, u64, u64)| match *mask {
            ALL => json!({"index": index, "op": "SCMP_CMP_EQ", "value": value}),
            mask => json!({
                "index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value,
            }),
        };
        self.compared.iter().map(condition).collect()
    }

    /// The errors to try; the first is what a profile answers by default.
    pub fn errnos(&self) -> Vec<&'static str> {
        let mut all = vec!["ENOSYS", "EPERM", "EACCES"];
        let specific = SPECIFIC
            .iter()
            .filter(|(calls, _)| calls.split(' ').any(|call| call == self.syscall))
            .flat_map(|(_, errnos)| errnos.iter().copied());
        all.extend(specific);
        all
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn refused(run: usize, syscall: &str, args: &[&str], errno: &str) -> Refused {
        Refused {
            run,
            syscall: syscall.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            program: "/usr/bin/program".to_owned(),
            errno: errno.to_owned(),
            count: 1,
        }
    }

    pub fn example(syscall: &str, args: &[&str]) -> Missed {
        Missed::new("app", &refused(0, syscall, args, "ENOSYS"))
    }

    #[test]
    fn a_call_is_tried_once_in_the_first_run_that_missed_it() {
        let mut results = crate::quality::table::tests::example();
        results.apps[0].policies =
            [(Policy::Exact, results.apps[0].policies[&Policy::Docker].clone())].into();
        let outcome = results.apps[0].policies.get_mut(&Policy::Exact).unwrap();
        outcome.refused = vec![
            refused(2, "fsync", &["3"], "ENOSYS"),
            refused(1, "fsync", &["4"], "ENOSYS"),
            refused(1, "socket", &["AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC", "0"], "ENOSYS"),
            refused(1, "socket", &["AF_UNIX", "SOCK_STREAM", "0"], "ENOSYS"),
            refused(0, "clone", &["CLONE_NEWNET"], "EPERM"),
        ];
        let missed = of(&results, "one");
        let calls: Vec<_> = missed.iter().map(|missed| (missed.call(), missed.run)).collect();
        let expected =
            ["fsync", "socket(AF_INET, SOCK_DGRAM, 0)", "socket(AF_UNIX, SOCK_STREAM, 0)"];
        assert_eq!(calls, expected.map(|call| (call.to_owned(), 1)));
        assert!(of(&results, "two").is_empty());
    }

    #[test]
    fn every_error_that_is_tried_is_one() {
        for (calls, errnos) in SPECIFIC {
            for call in calls.split(' ') {
                let tried = example(call, &[]).errnos();
                assert_eq!(tried[0], "ENOSYS");
                for errno in errnos {
                    assert!(tried.contains(errno), "{call}");
                    assert!(super::super::nix_number(errno).is_some(), "{errno}");
                }
            }
        }
    }
}
