//! Recording in a container, by what is in the container: without any privilege, under the engine's default profile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::common::run::STRAIT;
use crate::support::{Engine, Recorder, image, lab, output};

const LIBRARY: &str = "libseccomp.so.2";

/// Where the host has the library that `strait` is linked with, and that is not in the image.
fn library() -> PathBuf {
    let linked = output(Command::new("ldd").arg(STRAIT));
    let line = linked.lines().find(|line| line.contains(LIBRARY)).expect("it is linked");
    line.split_whitespace().nth(2).expect("it was found").into()
}

/// How often each program made each call, but for the `execve` with which `strait` starts the command and for what is
/// not notified.
fn by_program(recording: &Value) -> BTreeMap<(String, String), u64> {
    let calls = recording["abis"]["x86_64"]["syscalls"].as_object().expect("a table");
    let of_call = |(name, call): (&String, &Value)| {
        let programs = call["programs"].as_object().expect("a call has programs").clone();
        let name = name.clone();
        programs.into_iter().map(move |(program, count)| {
            ((program, name.clone()), count.as_u64().expect("a count"))
        })
    };
    let all = calls.iter().flat_map(of_call);
    all.filter(|((_, call), _)| !["execve", "rt_sigreturn"].contains(&call.as_str())).collect()
}

/// As the container's root, with and without capabilities, and as an ordinary user; and the recording is as that of the
/// probe on the host, which sees both the recorder and the command.
pub fn records_itself(engine: &Engine) {
    let users = [
        ("root", &[][..]),
        ("powerless", &["--cap-drop", "ALL", "--security-opt", "no-new-privileges"][..]),
        ("user", &["--user", "1000:1000"][..]),
    ];
    for (user, options) in users {
        let recorder = Recorder::start();
        let (container, status) = engine
            .container(&format!("{}-records-itself-as-{user}", engine.name()))
            .option(options)
            .option(&["--volume", &format!("{STRAIT}:/usr/local/bin/strait:ro")])
            .option(&["--volume", &format!("{}:/usr/lib/{LIBRARY}:ro", library().display())])
            .option(&["--env", "LD_LIBRARY_PATH=/usr/lib"])
            .run(
                image::DEBIAN,
                &["strait", "record", "-o", "-", "--", "/bin/sh", "-c", "ls / | cat >/dev/null"],
            );
        let recordings = recorder.finish();
        let mut logs = engine.command();
        let logs = logs.args(["logs", &container.id]).output().expect("the engine answers");
        let said = String::from_utf8_lossy(&logs.stderr);
        assert_eq!(status, 0, "{said}");
        for texts in ["Strait lacks CAP_BPF and CAP_PERFMON", "user notification"] {
            assert!(said.contains(texts), "{said}");
        }
        let recording: Value = serde_json::from_slice(&logs.stdout).expect("a recording");
        assert_eq!(recording["complete"], true);
        let notified = by_program(&recording);
        let programs = ["/usr/bin/dash", "/usr/bin/ls", "/usr/bin/cat"];
        for program in programs {
            assert!(notified.keys().any(|(of, _)| of == program), "{user}: {notified:?}");
        }
        let mut probed = BTreeMap::new();
        for ((program, call), count) in by_program(&recordings.life(&container).value) {
            // Of a program that has ended before its path was looked up, the probe knows how it was called.
            let program = if program == "/bin/sh" { "/usr/bin/dash".to_owned() } else { program };
            if programs.contains(&program.as_str()) {
                *probed.entry((program, call)).or_default() += count;
            }
        }
        assert_eq!(notified, probed, "{user}");
    }
}

/// A profile that refuses `seccomp()` is named as what may be in the way.
pub fn refused_by_the_profile() {
    let folder = lab().scratch();
    let profile = folder.path().join("profile.json");
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["seccomp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#;
    std::fs::write(&profile, text).expect("ours");
    let (container, status) = Engine::docker()
        .container("docker-cannot-record-itself")
        .profile(&profile)
        .option(&["--volume", &format!("{STRAIT}:/usr/local/bin/strait:ro")])
        .option(&["--volume", &format!("{}:/usr/lib/{LIBRARY}:ro", library().display())])
        .option(&["--env", "LD_LIBRARY_PATH=/usr/lib"])
        .run(image::DEBIAN, &["strait", "record", "-o", "-", "--", "/bin/echo", "hello"]);
    assert_eq!(status, 125);
    let logs = container.logs();
    assert!(logs.contains("seccomp() is refused here") && !logs.contains("hello"), "{logs}");
}
