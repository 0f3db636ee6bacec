//! Containers that share namespaces with the host, or have users of their own: a mount namespace is all
//! that tells them.

use crate::support::{Engine, Recorder, image};

const MARKER: &str = "sched_rr_get_interval";

/// All of what a container does is in its recording, from the first call under the filter on.
fn is_complete(engine: &Engine, name: &str, options: &[&str]) {
    let recorder = Recorder::start();
    let number = libc::SYS_sched_rr_get_interval.to_string();
    let name = format!("{}-{name}", engine.name());
    let (container, status) =
        engine.container(&name).option(options).run(image::SMALL, &["/bin/marker", &number, "6"]);
    assert_eq!(status, 0);
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    assert_eq!(recording.start(), "filter");
    assert_eq!(recording.calls().get(MARKER), Some(&6));
    for first in ["capset", "setgroups", "setuid", "execve"] {
        assert!(recording.calls_in("runtime").contains(first), "{first}");
    }
    for early in ["mount", "pivot_root", "setns", "unshare", "sethostname"] {
        assert!(!recording.calls().contains_key(early), "{early}");
    }
    assert_eq!(recording.of_container()["name"], name.as_str());
}

/// (The tests' containers have the host's network anyway.)
pub fn of_the_host(engine: &Engine) {
    is_complete(engine, "host-everything", &["--pid=host", "--ipc=host", "--uts=host"]);
}

pub fn with_users_of_its_own() {
    is_complete(&Engine::podman(), "own-users", &["--uidmap", "0:100000:65536"]);
}
