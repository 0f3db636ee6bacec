//! `strait verify --containers --inject` cannot be got round, and leaves alone what it is not for.
//!
//! Each script runs with `DOCKER_HOST` and `CONTAINER_HOST` of Strait's, and asks what only the engine itself can
//! answer: which profile a container really has.

use std::path::Path;

use super::verifying::{UNSEEN, profile_of, verify};
use crate::support::{Engine, engine, image, lab};

/// `new NAME PATH BODY` creates a container by a request that no client would send, and runs it.
const FUNCTIONS: &str = r#"
set -e
ask() {
    curl --silent --show-error --fail-with-body --path-as-is \
        --unix-socket "${DOCKER_HOST#unix://}" --header 'Content-Type: application/json' "$@" >&2
}
new() {
    ask --data "$3" "http://engine$2?name=$1"
    docker start --attach "$1" >&2
}
"#;

/// Commands of a marker that makes a call which the profile refuses, this often.
fn command(count: u32) -> String {
    format!(r#""Image":"{}","Cmd":["/bin/marker","{UNSEEN}","{count}"]"#, image::SMALL)
}

const HOST: &str = r#""HostConfig":{"NetworkMode":"host"}"#;
const UNCONFINED: &str = r#""SecurityOpt":["seccomp=unconfined"]"#;

/// Requests that have been passed on without the profile, with a container for each.
fn odd_requests(engine: &str) -> (Vec<(String, u32)>, String) {
    let host = |inside: &str| format!(r#"{{"NetworkMode":"host",{inside}}}"#);
    let cases = [
        ("path", "/v1.41/containers/%63reate", format!("{{{},{HOST}}}", command(1))),
        (
            "case",
            "/v1.41/containers/create",
            format!(r#"{{{},{HOST},"hostconfig":{{{UNCONFINED}}}}}"#, command(2)),
        ),
        (
            "twice",
            "/v1.41/containers/create",
            format!(
                r#"{{{},"HostConfig":{},"HostConfig":{{"securityopt":["seccomp=unconfined"]}}}}"#,
                command(3),
                host(UNCONFINED)
            ),
        ),
        (
            "kelvin",
            "/v1.41/containers/create",
            format!(
                r#"{{{},"HostConfig":{}}}"#,
                command(4),
                host(r#""SecurityOpt":[],"ſecurityopt":["seccomp=unconfined"]"#)
            ),
        ),
        (
            "last",
            "/v1.41/containers/create",
            format!(
                r#"{{{},"HostConfig":{}}}"#,
                command(5),
                host(r#""SecurityOpt":["seccomp=/own.json","seccomp=unconfined"]"#)
            ),
        ),
    ];
    let mut script = FUNCTIONS.to_owned();
    let mut names = Vec::new();
    for ((purpose, path, body), count) in cases.into_iter().zip(1..) {
        // podman compares paths as they are written.
        let path = if engine == "podman" { path.replace("%63", "c") } else { path.to_owned() };
        let name = format!("{engine}-odd-{purpose}");
        script.push_str(&format!("new {name} {path} '{body}'\n"));
        names.push((name, count));
    }
    (names, script)
}

fn are_all_under(engine: &str, socket: Option<String>) {
    let directory = lab().scratch();
    let of = if engine == "podman" { Engine::podman() } else { Engine::docker() };
    let profile = profile_of(&of, &format!("{engine}-odd-recorded"), directory.path());
    let (names, script) = odd_requests(engine);
    let only: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    let mut run = verify(&profile, &only, &["--inject"]);
    if let Some(socket) = socket {
        run = run.env("DOCKER_HOST", socket);
    }
    let outcome = run
        .env("DOCKER_CONFIG", directory.path().as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(12)
        .run();
    for (name, count) in &names {
        let times = if *count == 1 { String::new() } else { format!(", {count} times") };
        let line = format!("by /bin/marker in {name}{times}\n");
        assert!(outcome.stderr.contains(&line), "{line}: {}", outcome.stderr);
    }
}

pub fn of_docker_is_not_got_round() {
    are_all_under("docker", None);
}

pub fn of_podman_is_not_got_round() {
    let [_, (_, socket)] = engine::environment(lab().directory());
    are_all_under("podman", Some(socket));
}

/// What an engine would take in one way or another is not passed on.
pub fn what_is_ambiguous_is_refused() {
    let directory = lab().scratch();
    let profile = profile_of(&Engine::docker(), "docker-refused-recorded", directory.path());
    let refuses = |words: &str, data: &str| {
        format!(
            "new ambiguous /v1.41/containers/create '{data}' 2>&1 | grep --quiet '{words}' || \
             exit 9\n"
        )
    };
    let mut script = FUNCTIONS.to_owned();
    script += &refuses(
        "strait refuses this.*HostConfig",
        &format!(r#"{{{},"HostConfig":null,"hostconfig":{{{UNCONFINED}}}}}"#, command(1)),
    );
    script += &refuses("strait refuses this.*not JSON", &format!("{{{}}} {{}}", command(1)));
    script += &refuses(
        "strait refuses this.*not in .HostConfig",
        &format!("{{{},{UNCONFINED}}}", command(1)),
    );
    // Docker takes another profile at the start, in the words of its API before 1.24.
    script += &format!(
        "docker create --name docker-late --network host {} true >&2
ask --data '{{{UNCONFINED}}}' http://engine/v1.23/containers/docker-late/start 2>&1 && exit 8
docker rm docker-late >&2
exit 7",
        image::SMALL
    );
    verify(&profile, &["docker-late"], &["--inject"])
        .env("DOCKER_CONFIG", directory.path().as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(3)
        .run()
        .says(&["no container was started"]);
}

/// Those that `--only` does not name are created as they were asked for.
pub fn only_chosen() {
    let directory = lab().scratch();
    let profile = profile_of(&Engine::docker(), "docker-only-recorded", directory.path());
    let seen = directory.path().join("seen");
    let script = format!(
        "set -e
run='docker run --network host'
$run --name only-chosen {small} /bin/marker {UNSEEN} 2
$run --name only-labelled --label only=yes {small} /bin/marker {UNSEEN} 3
$run --name only-other {small} /bin/marker {UNSEEN} 4
for name in only-chosen only-labelled only-other; do
    docker inspect --format '{{{{.Name}}}} {{{{len .HostConfig.SecurityOpt}}}}' $name >> {seen}
    docker rm $name >&2
done",
        small = image::SMALL,
        seen = seen.display(),
    );
    verify(&profile, &["only-chosen", "label=only=yes"], &["--inject"])
        .env("DOCKER_CONFIG", directory.path().as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(12)
        .run()
        .says(&[
            "by /bin/marker in only-chosen, 2 times",
            "by /bin/marker in only-labelled, 3 times",
            "podman's own command",
        ]);
    let seen = std::fs::read_to_string(seen).expect("docker was asked");
    assert_eq!(seen, "/only-chosen 1\n/only-labelled 1\n/only-other 0\n");
}

/// A pod's infra container runs under podman's own profile, since under a workload's it would die, and the
/// pod's containers under the profile.
pub fn pods_of_podman() {
    let directory = lab().scratch();
    let podman = Engine::podman();
    let profile = profile_of(&podman, "podman-pod-recorded", directory.path());
    let seen = directory.path().join("seen");
    let script = format!(
        "set -e
podman() {{ env -u CONTAINER_HOST {podman} \"$@\"; }}
remote() {{ /usr/bin/podman --remote \"$@\"; }}
podman pod create --name inject-pod --network host >&2
podman run --rm --pod inject-pod --name podded-local {small} /bin/marker {UNSEEN} 2
infra=$(podman pod inspect --format '{{{{.InfraContainerID}}}}' inject-pod)
podman inspect --format '{{{{.State.Status}}}}' $infra >> {seen}
podman pod rm --force --time 0 inject-pod >&2
remote pod create --name inject-far --network host >&2
remote run --rm --pod inject-far --name podded-remote {small} /bin/marker {UNSEEN} 3
remote pod inspect --format '{{{{.State}}}}' inject-far >> {seen}
remote pod rm --force inject-far >&2",
        podman = command_line(&podman),
        small = image::SMALL,
        seen = seen.display(),
    );
    let settings = lab().directory().join("containers.conf");
    let outcome = verify(&profile, &[], &["--inject"])
        .env("CONTAINERS_CONF", settings.as_os_str())
        .args(["sh", "-c", &script])
        .expect_exit(12)
        .run()
        .says(&[
            "by /bin/marker in podded-local, 2 times",
            "by /bin/marker in podded-remote, 3 times",
        ]);
    assert!(!outcome.stderr.contains("catatonit"), "{}", outcome.stderr);
    let seen = std::fs::read_to_string(seen).expect("podman was asked");
    let mut states = seen.lines();
    assert_eq!(states.next(), Some("running"), "{seen}");
    assert!(states.next().is_some_and(|state| ["Running", "Degraded"].contains(&state)), "{seen}");
}

/// podman's own command, without the environment that a shell's functions cannot have.
fn command_line(podman: &Engine) -> String {
    let command = podman.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| Path::new(word).display().to_string()).collect::<Vec<_>>().join(" ")
}
