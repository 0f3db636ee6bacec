//! Which containers the command has started, where others start some at the same time.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use tempfile::TempDir;

use super::verifying;
use crate::common::run::Strait;
use crate::common::spawned::Spawned;
use crate::support::recorder::strait_with_engines;
use crate::support::{Bundle, Engine, Recording, Recordings, Runtime, engine, image, lab, output};

/// The name of a container that others than the command start: what is said has room for some names, the first ones
/// in their order.
fn of_others(purpose: &str) -> String {
    format!("0-{purpose}-of-others")
}

/// `strait` around a command that runs what it is given when it is told to.
struct Around {
    spawned: Spawned,
    directory: TempDir,
}

impl Around {
    fn start(options: &[&str], commands: &[Command]) -> Self {
        let directory = lab().scratch();
        let strait = strait_with_engines().args(["record", "--containers", "-o"]);
        let strait = strait.arg(directory.path()).args(options.iter().map(OsString::from));
        Self::start_as(strait, directory, commands)
    }

    fn start_as(strait: Strait, directory: TempDir, commands: &[Command]) -> Self {
        let commands: Vec<_> = commands.iter().map(quoted).collect();
        let script = format!(
            "echo recording; read go; ( {} ) >&2 || exit; echo done; cat",
            commands.join(" && ")
        );
        let mut spawned = strait.args(["--", "sh", "-c", &script]).spawn();
        assert_eq!(spawned.line(), "recording");
        Self { spawned, directory }
    }

    /// Lets the command run what it has.
    fn go(&mut self) {
        self.spawned.write("\n");
        assert_eq!(self.spawned.line(), "done");
    }

    /// Ends it. Returns the recordings, and what was said.
    fn finish(self) -> (Recordings, String) {
        let (status, stderr) = self.spawned.finish();
        assert_eq!(status, 0, "{stderr}");
        (Recordings::read(self.directory), stderr)
    }
}

/// A command with its environment, for a shell.
fn quoted(command: &Command) -> String {
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().expect("UTF-8"));
    let text = |name: &OsStr| name.to_str().expect("UTF-8").to_owned();
    let (set, unset): (Vec<_>, Vec<_>) = command.get_envs().partition(|(_, value)| value.is_some());
    let mut words = vec!["env".to_owned()];
    words.extend(unset.iter().map(|(name, _)| format!("-u {}", text(name))));
    words.extend(
        set.iter()
            .map(|(name, value)| format!("{}={}", text(name), quoted(value.unwrap_or_default()))),
    );
    words.push(quoted(command.get_program()));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

/// The recording of this container, whose origin is this one.
fn expect<'a>(recordings: &'a Recordings, name: &str, origin: &str) -> &'a Recording {
    let file = format!("{name}.recording.json");
    let recording = recordings.all.iter().find(|recording| recording.file_name() == file);
    let recording = recording.unwrap_or_else(|| panic!("{name} in {:?}", recordings.names()));
    recording.assert_complete();
    assert_eq!(recording.of_container()["origin"], origin, "{name}");
    recording
}

fn short(engine: &Engine, name: &str) -> Command {
    engine.container(name).option(&["--rm"]).command(image::SMALL, &["/bin/static"])
}

/// Those of others are left out, which is said, unless all are asked for. However short they live.
pub fn others_are_left_out(engine: &Engine, origin: &str) {
    for (options, purpose) in [(&[] as &[&str], "own"), (&["--all"], "all")] {
        let name = format!("{}-origin-{purpose}", engine.name());
        let other = of_others(&name);
        let mut around = Around::start(options, &[short(engine, &name)]);
        output(&mut short(&Engine::docker(), &other));
        around.go();
        let (recordings, stderr) = around.finish();
        expect(&recordings, &name, origin);
        let said = stderr.contains("left out") && stderr.contains(&format!("`{other}`"));
        if options.is_empty() {
            // Nor is anything there of what other tests do.
            assert_eq!(recordings.names(), [format!("{name}.recording.json")]);
            assert!(said, "{stderr}");
        } else {
            expect(&recordings, &other, "time");
            assert!(!said, "{stderr}");
        }
        assert!(!stderr.contains("it is not known whether"), "{stderr}");
    }
}

/// By its name, as one that was created before; and podman's monitor, whose parent has ended.
pub fn what_is_started_again_and_what_is_detached() {
    let (docker, podman) = (Engine::docker(), Engine::podman());
    let again = docker.container("origin-again").start(image::SMALL, &["/bin/static"]);
    again.wait();
    let mut start = docker.command();
    start.args(["start", "--attach", "origin-again"]);
    let detached = podman.container("origin-detached").option(&["--detach"]);
    let detached = detached.command(image::SMALL, &["/bin/pause"]);
    let mut remove = podman.command();
    remove.args(["rm", "--force", "origin-detached"]);
    let mut around = Around::start(&[], &[start, detached]);
    around.go();
    output(&mut remove);
    let (recordings, stderr) = around.finish();
    assert_eq!(recordings.names().len(), 2, "{:?}\n{stderr}", recordings.names());
    expect(&recordings, "origin-again", "engine");
    expect(&recordings, "origin-detached", "descent");
}

/// Made by the command's own runtime.
pub fn of_a_runtime_by_itself() {
    let bundle = Bundle::new(&["/bin/static"]);
    let run = bundle.command(Runtime::Runc, &[], "origin-by-hand");
    let mut around = Around::start(&[], &[run]);
    let other = of_others("by-hand");
    output(&mut short(&Engine::docker(), &other));
    around.go();
    let (recordings, stderr) = around.finish();
    assert_eq!(recordings.names(), ["origin-by-hand.recording.json"], "{stderr}");
    expect(&recordings, "origin-by-hand", "descent");
    assert!(stderr.contains(&format!("`{other}`")), "{stderr}");
}

/// If the command starts none, as far as can be told, time is all there is, and that is said. A name that is asked for
/// is recorded whatever its origin.
pub fn where_nothing_tells() {
    let other = of_others("untold");
    let mut around = Around::start(&[], &[Command::new("true")]);
    output(&mut short(&Engine::docker(), &other));
    around.go();
    let (recordings, stderr) = around.finish();
    expect(&recordings, &other, "time");
    let said = stderr.contains("it is not known whether") && stderr.contains(&format!("`{other}`"));
    assert!(said && !stderr.contains("left out"), "{stderr}");

    let own = "docker-origin-beside";
    let mut around = Around::start(&["--only", &other], &[short(&Engine::docker(), own)]);
    output(&mut short(&Engine::docker(), &other));
    around.go();
    let (recordings, stderr) = around.finish();
    assert_eq!(recordings.names(), [format!("{other}.recording.json")]);
    expect(&recordings, &other, "time");
    assert!(!stderr.contains("it is not known whether"), "{stderr}");
}

/// containerd's own protocol is not HTTP/1.
pub fn of_containerd() {
    let scratch = lab().scratch();
    let archive = scratch.path().join("small.tar");
    output(Engine::docker().command().args(["save", image::SMALL, "--output"]).arg(&archive));
    let native = ["--snapshotter", "native"];
    output(engine::ctr().args(["image", "import"]).args(native).arg(&archive));
    let mut run = engine::ctr();
    let name = format!("docker.io/{}:latest", image::SMALL);
    run.args(["run", "--rm"]).args(native).args([&name, "origin-of-ctr", "/bin/static"]);
    let mut around = Around::start(&[], &[run]);
    around.go();
    let (recordings, stderr) = around.finish();
    expect(&recordings, "origin-of-ctr", "time");
    assert!(stderr.contains("it is not known whether"), "{stderr}");
}

/// What `verify` says is about the command's containers.
pub fn verdicts_are_about_the_commands_own() {
    let directory = lab().scratch();
    let profile = verifying::profile_of(&Engine::docker(), "origin-recorded", directory.path());
    let marker = ["/bin/marker".to_owned(), libc::SYS_getpgid.to_string(), "3".to_owned()];
    let own = Engine::docker().container("origin-verified").option(&["--rm"]).profile(&profile);
    let own = own.command(image::SMALL, &marker);
    let other = of_others("verified");
    for (options, status) in [(&[] as &[&str], 0), (&["--all"], 12)] {
        let strait = verifying::verify_with(&profile, options);
        let mut around = Around::start_as(strait, lab().scratch(), std::slice::from_ref(&own));
        // Refused by the same profile.
        let call = libc::SYS_socket.to_string();
        let run = Engine::docker().container(&other).option(&["--rm"]).profile(&profile);
        output(&mut run.command(image::SMALL, &["/bin/marker", &call, "1"]));
        around.go();
        let (code, stderr) = around.spawned.finish();
        assert_eq!(code, status, "{stderr}");
        let said = stderr.contains("left out") && stderr.contains(&format!("`{other}`"));
        assert_eq!(said, options.is_empty(), "{stderr}");
    }
}
