//! Containers that start at the same moment are told apart.

use std::sync::Barrier;

use crate::support::{Engine, Recorder, image};

/// Calls that nothing makes on the way: not runc, not crun, not the program that makes one of them.
const MARKERS: [(&str, libc::c_long); 20] = [
    ("getpgid", libc::SYS_getpgid),
    ("getsid", libc::SYS_getsid),
    ("getpgrp", libc::SYS_getpgrp),
    ("getresuid", libc::SYS_getresuid),
    ("getresgid", libc::SYS_getresgid),
    ("getgroups", libc::SYS_getgroups),
    ("times", libc::SYS_times),
    ("sysinfo", libc::SYS_sysinfo),
    ("getitimer", libc::SYS_getitimer),
    ("getpriority", libc::SYS_getpriority),
    ("sched_getparam", libc::SYS_sched_getparam),
    ("sched_getscheduler", libc::SYS_sched_getscheduler),
    ("sched_get_priority_max", libc::SYS_sched_get_priority_max),
    ("sched_get_priority_min", libc::SYS_sched_get_priority_min),
    ("sched_rr_get_interval", libc::SYS_sched_rr_get_interval),
    ("getrusage", libc::SYS_getrusage),
    ("mincore", libc::SYS_mincore),
    ("timerfd_create", libc::SYS_timerfd_create),
    ("inotify_init1", libc::SYS_inotify_init1),
    ("msgget", libc::SYS_msgget),
];

/// The first things that runc 1.1.5 does under the filter when there is no `no_new_privs`, before it
/// becomes the program: it closes what it has open, then gives up capabilities and ids. The program
/// itself makes none of these calls. (libcontainer/standard_init_linux.go, `finalizeNamespace` in
/// init_linux.go.)
const FIRST: [&str; 9] = [
    "openat",
    "fstatfs",
    "getdents64",
    "capset",
    "setgroups",
    "setgid",
    "setuid",
    "prctl",
    "execve",
];

pub fn are_kept_apart(engine: &Engine) {
    let recorder = Recorder::start();
    let ready = Barrier::new(MARKERS.len());
    let containers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (MARKERS.iter().enumerate())
            .map(|(index, (name, number))| {
                let ready = &ready;
                scope.spawn(move || {
                    let options = engine.container(&format!("{}-{name}", engine.name()));
                    let command =
                        ["/bin/marker".to_owned(), number.to_string(), count(index).to_string()];
                    ready.wait();
                    let (container, status) = options.run(image::SMALL, &command);
                    assert_eq!(status, 0, "{name}");
                    container
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("the container ran")).collect()
    });
    let recordings = recorder.finish();

    for (index, (container, (marker, _))) in std::iter::zip(&containers, &MARKERS).enumerate() {
        let recording = recordings.life(container);
        assert_eq!(recording.start(), "filter", "{marker}");
        let calls = recording.calls();
        assert_eq!(calls.get(marker), Some(&count(index)), "{marker} in its own recording");
        for (other, _) in MARKERS.iter().filter(|(other, _)| other != marker) {
            assert!(!calls.contains_key(other), "{other} in the recording of {marker}");
        }
        for first in FIRST {
            assert!(calls.contains_key(first), "no {first} in the recording of {marker}");
        }
        let own: Vec<_> = recording.calls_in("running").into_iter().collect();
        let first = recording.calls_in("runtime");
        let start = recording.calls_in("startup");
        assert!(
            own.iter().all(|call| [*marker, "exit_group"].contains(call)),
            "{marker}: {own:?} while running, after {first:?} and {start:?}"
        );
    }
}

/// A number of its own for each.
const fn count(index: usize) -> u64 {
    100 + index as u64
}
