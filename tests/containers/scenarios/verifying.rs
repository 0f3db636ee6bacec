//! `strait verify --containers`: what a profile refuses in containers is named, and only that.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::run::Strait;
use crate::support::engine;
use crate::support::recorder::strait_with_engines;
use crate::support::{Engine, Recorder, image, lab, output, profile};

/// Allowed by the profile, and not.
const SEEN: libc::c_long = libc::SYS_getpgid;
pub(super) const UNSEEN: libc::c_long = libc::SYS_socket;

fn marker(number: libc::c_long, count: u32) -> [String; 3] {
    ["/bin/marker".to_owned(), number.to_string(), count.to_string()]
}

/// A profile of a container that makes one kind of call.
pub(super) fn profile_of(engine: &Engine, name: &str, directory: &Path) -> PathBuf {
    let recorder = Recorder::start();
    let (container, _) = engine.container(name).run(image::SMALL, &marker(SEEN, 1));
    let recordings = recorder.finish();
    profile::generate(&[recordings.life(&container)], &[], &directory.join("profile.json"))
}

/// The same, and what the shell, `cat`, `echo` and `sleep` need.
fn profile_of_two(directory: &Path) -> PathBuf {
    let recorder = Recorder::start();
    let run = |name: &str, image: &str, command: &[String]| {
        Engine::docker().container(name).run(image, command).0
    };
    let words = ["sh", "-c", "echo through | cat; sleep 0.001; exit 0"].map(str::to_owned);
    let containers = [
        run("docker-inject-marker", image::SMALL, &marker(SEEN, 1)),
        run("docker-inject-shell", image::DEBIAN, &words),
    ];
    let recordings = recorder.finish();
    let lives = containers.each_ref().map(|container| recordings.life(container));
    profile::generate(&lives, &["--allow-mixed"], &directory.join("profile.json"))
}

/// Containers of other tests start at the same time, so only these are looked at.
pub(super) fn verify(profile: &Path, only: &[&str], options: &[&str]) -> Strait {
    let only = only.iter().flat_map(|name| ["--only", name]);
    verify_with(profile, options).args(only).arg("--")
}

/// The same with these options alone, and without a command.
pub(super) fn verify_with(profile: &Path, options: &[&str]) -> Strait {
    let strait = strait_with_engines().arg("verify").arg(profile).arg("--containers");
    strait.args(options.iter().map(OsString::from))
}

/// A shell that runs these commands one after the other, and then exits with 7.
fn then_exit(commands: &[std::process::Command]) -> Vec<OsString> {
    let mut script = String::new();
    for command in commands {
        let variables = command.get_envs().filter_map(|(name, value)| {
            Some(format!("{}='{}' ", name.to_str()?, value?.to_str()?))
        });
        // What is taken from the environment has to be taken here, too.
        script.push_str("env -u CONTAINER_HOST ");
        script.extend(variables);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        for word in words {
            script.push_str(&format!("'{}' ", word.to_str().expect("UTF-8")));
        }
        script.push('\n');
    }
    script.push_str("exit 7\n");
    ["sh".into(), "-ec".into(), script.into()].into()
}

pub fn clean(engine: &Engine) {
    let directory = lab().scratch();
    let name = format!("{}-verify-clean", engine.name());
    let profile = profile_of(engine, &format!("{name}-recorded"), directory.path());
    let run = engine.container(&name).option(&["--rm"]).profile(&profile);
    let command = then_exit(&[run.command(image::SMALL, &marker(SEEN, 3))]);
    verify(&profile, &[&name], &[]).args(command).expect_exit(7).run().says(&[
        &name,
        "exited with 7",
        "nothing was refused",
    ]);
}

pub fn refused(engine: &Engine) {
    let directory = lab().scratch();
    let name = |purpose: &str| format!("{}-verify-{purpose}", engine.name());
    let profile = profile_of(engine, &name("recorded"), directory.path());
    let run = |purpose: &str, number, count| {
        let options = engine.container(&name(purpose)).profile(&profile);
        options.command(image::SMALL, &marker(number, count))
    };
    // podman's service may take its time to tell the name of a container that is there no more.
    let remove = |purpose: &str| {
        let mut command = engine.command();
        command.args(["rm", "--force", &name(purpose)]);
        command
    };
    let command = || then_exit(&[run("good", SEEN, 3), run("bad", UNSEEN, 4)]);
    let both = [name("good"), name("bad")];
    let both = both.each_ref().map(String::as_str);
    let line =
        format!("socket(AF_UNSPEC, 0, 0) = EPERM  by /bin/marker in {}, 4 times", name("bad"));
    let outcome = verify(&profile, &both, &[]).args(command()).expect_exit(12).run();
    let outcome = outcome.says(&["refused", &line, "exited with 7", "1 call was refused"]);
    for purpose in ["good", "bad"] {
        output(&mut remove(purpose));
    }
    let of_good = format!(" in {}", name("good"));
    assert!(!outcome.stderr.contains(&of_good), "{}", outcome.stderr);

    let report = directory.path().join("report.json");
    verify(&profile, &both, &["--format", "json", "-o", report.to_str().expect("UTF-8")])
        .args(command())
        .expect_exit(12)
        .run();
    for purpose in ["good", "bad"] {
        output(&mut remove(purpose));
    }
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(&report).expect("a report")).expect("JSON");
    assert_eq!(report["schema"], "strait.verify/v1");
    assert_eq!(report["command_status"], 7);
    assert_eq!(report["containers"], Value::from(both.as_slice()));
    let all = report["refused"].as_array().expect("refused calls");
    assert_eq!(all.len(), 1, "{all:?}");
    let refused = &all[0];
    for (field, value) in [
        ("container", Value::from(name("bad"))),
        ("program", "/bin/marker".into()),
        ("syscall", "socket".into()),
        ("args", ["AF_UNSPEC", "0", "0"].as_slice().into()),
        ("errno", "EPERM".into()),
        ("count", 4.into()),
    ] {
        assert_eq!(refused[field], value, "{field}");
    }
}

/// The script of a user who has never heard of profiles; strait runs in their environment.
const UNAWARE: &str = r#"
run="docker run --rm --network host"
$run --name unaware-plain strait-test/small /bin/marker NUMBER 2
$run --name unaware-unconfined --security-opt seccomp=unconfined strait-test/small /bin/marker NUMBER 3
$run --name unaware-own --security-opt seccomp=OWN strait-test/small /bin/marker NUMBER 4
# What is attached to goes both ways.
test "$(echo through | $run -i --name unaware-attached strait-test/debian cat)" = through
id=$(docker run --detach --network host --name unaware-executed strait-test/debian sleep 600)
test "$(docker exec $id echo executed)" = executed
docker rm --force $id >&2
status=0
$run --name unaware-status strait-test/debian sh -c 'exit 9' || status=$?
exit $status
"#;

pub fn gives_it_to_containers_of_docker() {
    let directory = lab().scratch();
    let profile = profile_of_two(directory.path());
    // The profile with other answers, so that it is known from the first.
    let own = directory.path().join("own.json");
    let text = std::fs::read_to_string(&profile).expect("a profile");
    std::fs::write(&own, text.replace("SCMP_ACT_ERRNO", "SCMP_ACT_LOG")).expect("ours");
    let script =
        UNAWARE.replace("NUMBER", &UNSEEN.to_string()).replace("OWN", own.to_str().expect("UTF-8"));
    let names = ["plain", "unconfined", "own", "attached", "executed", "status"];
    let names = names.map(|name| format!("unaware-{name}"));
    let own_folder = directory.path().join("tmp");
    std::fs::create_dir(&own_folder).expect("ours");
    let outcome = verify(&profile, &names.each_ref().map(String::as_str), &["--inject"])
        .env("TMPDIR", own_folder.as_os_str())
        .env("DOCKER_CONFIG", directory.path().as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(12)
        .run();
    let outcome = outcome.says(&[
        "by /bin/marker in unaware-plain, 2 times",
        "by /bin/marker in unaware-unconfined, 3 times",
        "unaware-own has a profile of its own",
        "exited with 9",
        "2 calls were refused",
    ]);
    for word in ["in unaware-own", "unaware-plain ran", "unaware-unconfined ran"] {
        assert!(!outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
    let left: Vec<_> = std::fs::read_dir(&own_folder).expect("ours").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// By its own command, which makes containers itself, and by its service, in Docker's words and in
/// podman's.
pub fn gives_it_to_containers_of_podman() {
    let directory = lab().scratch();
    let profile = profile_of(&Engine::podman(), "podman-inject-recorded", directory.path());
    let podman = Engine::podman().command();
    let alone: Vec<_> = podman.get_args().map(|word| word.to_str().expect("UTF-8")).collect();
    let script = format!(
        "set -e
podman() {{ env -u CONTAINER_HOST podman {} \"$@\"; }}
run='run --rm --network host'
podman $run --name unaware-local {small} /bin/marker {UNSEEN} 2
docker $run --name unaware-compatible {small} /bin/marker {UNSEEN} 3
/usr/bin/podman --remote $run --name unaware-remote {small} /bin/marker {UNSEEN} 4
",
        alone.join(" "),
        small = image::SMALL,
    );
    let [_, (_, socket)] = engine::environment(lab().directory());
    let settings = lab().directory().join("containers.conf");
    // Which podman's own settings cannot be for some containers only.
    verify(&profile, &[], &["--inject"])
        .env("DOCKER_HOST", socket)
        .env("CONTAINERS_CONF", settings.as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(12)
        .run()
        .says(&[
            "by /bin/marker in unaware-local, 2 times",
            "by /bin/marker in unaware-compatible, 3 times",
            "by /bin/marker in unaware-remote, 4 times",
            "exited with 0",
        ]);
}

/// Without `--inject`, a container under its engine's default says nothing about the profile.
pub fn under_another_profile() {
    let directory = lab().scratch();
    let profile = profile_of(&Engine::docker(), "docker-unasked-recorded", directory.path());
    let options = Engine::docker().container("docker-unasked").option(&["--rm"]);
    let command = then_exit(&[options.command(image::SMALL, &marker(UNSEEN, 1))]);
    verify(&profile, &["docker-unasked"], &[]).args(command).expect_exit(3).run().says(&[
        "docker-unasked ran under the default profile of its engine",
        "--inject",
        "no container ran under",
    ]);
}

/// A profile of a container that sleeps, and the command that sleeps for as long as anybody looks.
fn profile_of_sleep(engine: &Engine, name: &str, directory: &Path) -> (PathBuf, [String; 2]) {
    let words = |duration: &str| ["sleep".to_owned(), duration.to_owned()];
    let recorder = Recorder::start();
    let (container, _) = engine.container(name).run(image::DEBIAN, &words("0.001"));
    let life = recorder.finish();
    let profile = directory.join("profile.json");
    (profile::generate(&[life.life(&container)], &[], &profile), words("600"))
}

fn remove(engine: &Engine, name: &str) {
    output(engine.command().args(["rm", "--force", name]));
}

/// A filter is known by what it does: that of another release of the profile is not taken for it.
pub fn under_another_release(engine: &Engine) {
    let directory = lab().scratch();
    let name = |purpose: &str| format!("{}-release-{purpose}", engine.name());
    let (profile, sleep) = profile_of_sleep(engine, &name("recorded"), directory.path());
    let text = std::fs::read_to_string(&profile).expect("a profile");
    let mut other: Value = serde_json::from_str(&text).expect("JSON");
    let entries = other["syscalls"].as_array_mut().expect("entries");
    for entry in entries.iter_mut() {
        entry["names"].as_array_mut().expect("names").retain(|name| name != "socket");
    }
    entries.push(serde_json::json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW"}));
    let older = directory.path().join("older.json");
    std::fs::write(&older, other.to_string()).expect("ours");
    let run = |purpose: &str, profile: &Path| {
        let options = engine.container(&name(purpose)).option(&["--detach"]).profile(profile);
        options.command(image::DEBIAN, &sleep)
    };
    let names = [name("older"), name("own")];
    let commands = [run("older", &older), run("own", &profile)];
    let outcome = verify(&profile, &names.each_ref().map(String::as_str), &[])
        .args(then_exit(&commands))
        .expect_exit(7)
        .run();
    names.iter().for_each(|name| remove(engine, name));
    outcome.says(&[
        &format!("{} ran under another profile", name("older")),
        "socket(AF_UNSPEC, 0, 0) gets \"allow\" there, and \"refuse with EPERM\" here",
        &format!("sh exited with 7, {} under", name("own")),
    ]);
}

/// podman does not tell which profile its settings name, but its runtime was told what is in it.
pub fn under_the_profile_of_podmans_settings() {
    let directory = lab().scratch();
    let podman = Engine::podman();
    let (profile, sleep) = profile_of_sleep(&podman, "podman-settings-recorded", directory.path());
    let settings = directory.path().join("containers.conf");
    let text = std::fs::read_to_string(lab().directory().join("containers.conf")).expect("ours");
    let named = format!("[containers]\nseccomp_profile = \"{}\"", profile.display());
    std::fs::write(&settings, text.replace("[containers]", &named)).expect("ours");
    let options = podman.container("podman-settings").option(&["--detach"]);
    let mut command = options.command(image::DEBIAN, &sleep);
    command.env("CONTAINERS_CONF", &settings);
    let run = verify(&profile, &["podman-settings"], &[]).args(then_exit(&[command]));
    let outcome = run.expect_exit(7).run();
    remove(&podman, "podman-settings");
    outcome.says(&["sh exited with 7, podman-settings under"]);
}

pub fn without_a_container() {
    let directory = lab().scratch();
    let profile = profile_of(&Engine::docker(), "docker-none-recorded", directory.path());
    verify(&profile, &["no-such-container"], &[])
        .arg("true")
        .expect_exit(3)
        .run()
        .says(&["no container was started"])
        .says_one_paragraph();
    let elsewhere = "tcp://127.0.0.1:1";
    verify(&profile, &[], &["--inject"])
        .env("DOCKER_HOST", elsewhere)
        .arg("true")
        .expect_exit(125)
        .run()
        .says(&["DOCKER_HOST", elsewhere, "socket"])
        .says_one_paragraph();
}
