//! The comparison with Docker's live filter is worth something: it finds what is wider.

use serde_json::{Value, json};

use strait_generator::policy::decide::Meaning;

use crate::support::filter;
use crate::support::within::beyond;
use crate::support::{Engine, image, lab};

/// The filter of a container that may do what [`image::SMALL`]'s `pause` and runc need, and `more`.
fn with(name: &str, more: &Value) -> Meaning {
    let needed = [
        "capget",
        "capset",
        "chdir",
        "close",
        "epoll_ctl",
        "execve",
        "faccessat2",
        "fchown",
        "fcntl",
        "fstat",
        "fstatfs",
        "futex",
        "getcwd",
        "getdents64",
        "getpid",
        "getppid",
        "newfstatat",
        "openat",
        "pause",
        "prctl",
        "read",
        "rt_sigreturn",
        "setgid",
        "setgroups",
        "setuid",
        "write",
    ];
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": needed, "action": "SCMP_ACT_ALLOW"}, more],
    });
    let scratch = lab().scratch();
    let file = scratch.path().join("profile.json");
    std::fs::write(&file, profile.to_string()).expect("the directory is ours");
    let container =
        Engine::docker().container(name).profile(&file).start(image::SMALL, &["/bin/pause"]);
    filter::read(container.pid())
}

fn rule(call: &str, args: &Value) -> Value {
    json!({"names": [call], "action": "SCMP_ACT_ALLOW", "args": args})
}

pub fn finds_what_is_wider() {
    let docker = filter::docker_default();
    let witness = |filter: &Meaning| beyond(filter, docker).map(|call| (call.number, call.args[0]));
    let number = |call: libc::c_long| u32::try_from(call).expect("a number of a call");

    assert_eq!(beyond(docker, docker), None);
    let equal = |value: u64| json!([{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]);
    let narrow = with("oracle-narrow", &rule("personality", &equal(8)));
    assert_eq!(witness(&narrow), None);
    assert!(beyond(docker, &narrow).is_some());

    let mount = with("oracle-mount", &rule("mount", &json!([])));
    assert_eq!(witness(&mount), Some((number(libc::SYS_mount), 0)));
    let any = with("oracle-any", &rule("personality", &json!([])));
    let (call, value) = witness(&any).expect("Docker's default filters personality");
    assert_eq!(call, number(libc::SYS_personality));
    let one = with("oracle-one", &rule("personality", &equal(value)));
    assert_eq!(witness(&one), Some((call, value)));
}
