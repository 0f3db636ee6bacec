//! What is read about containers is no file that can be read, or is endless: nothing waits for it.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::{AT_ONCE, Recorder, each};
use crate::runtimes::{Bundle, Runtime, Way};
use crate::support::attacker::{Attacker, Lineage, recordings};
use crate::support::run::Strait;
use crate::support::spawned::Spawned;
use crate::support::{scrub, strait, wait};

/// What is in place of a file.
#[derive(Clone, Copy, Debug)]
enum InPlace {
    Fifo,
    Socket,
    Folder,
    Endless,
    /// With holes only, so that it takes no room on the disk.
    Huge,
    /// A link to a FIFO that is elsewhere.
    LinkToFifo,
}

impl InPlace {
    const ALL: [Self; 6] =
        [Self::Fifo, Self::Socket, Self::Folder, Self::Endless, Self::Huge, Self::LinkToFifo];

    fn put(self, path: &Path, attacker: &Attacker) {
        let _ = fs::remove_file(path);
        match self {
            Self::Fifo => mkfifo(path, Mode::S_IRWXU).unwrap(),
            Self::Socket => drop(UnixListener::bind(path).unwrap()),
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Endless => symlink("/dev/zero", path).unwrap(),
            Self::Huge => fs::File::create(path).unwrap().set_len(100 << 20).unwrap(),
            Self::LinkToFifo => {
                let fifo = attacker.path("fifo");
                mkfifo(&fifo, Mode::S_IRWXU).unwrap();
                attacker.own(&fifo);
                symlink(fifo, path).unwrap();
            }
        }
        attacker.own(path);
    }
}

/// A recorder that cannot take all of the machine's memory.
fn bounded() -> Strait {
    strait().through(["prlimit", "--as=4294967296"])
}

/// A folder of the user's, in a place where all of them are.
fn home_of(attacker: &Attacker, place: &str, name: &str) -> TempDir {
    fs::create_dir_all(place).unwrap();
    let home = tempfile::Builder::new().prefix(name).tempdir_in(place).unwrap();
    attacker.own(home.path());
    home
}

fn make_folders(path: &Path, home: &Path, attacker: &Attacker) {
    fs::create_dir_all(path).unwrap();
    path.ancestors().take_while(|part| *part != home).for_each(|part| attacker.own(part));
}

/// A user's folder with podman's storage in it, and the list of containers.
fn storage_of(attacker: &Attacker) -> (TempDir, PathBuf) {
    let home = home_of(attacker, "/home", "strait-test-");
    let storage = home.path().join(".local/share/containers/storage/overlay-containers");
    make_folders(&storage, home.path(), attacker);
    let list = storage.join("containers.json");
    (home, list)
}

const SLEEP: [&str; 3] = ["/bin/busybox", "sleep", "600"];

/// A container of root's.
fn container() -> Bundle {
    Bundle::new(Runtime::Runc, Way::ALL[0], None, &SLEEP)
}

fn assert_recorded(folder: &Path, bundle: &Bundle, stderr: &str) {
    let name = format!("{}.recording.json", bundle.id());
    let all = recordings(folder);
    let found = all.iter().find(|(file, _)| *file == name);
    let (_, recording) = found.unwrap_or_else(|| {
        panic!("no {name} in {:?}\n{stderr}", all.iter().map(|one| &one.0).collect::<Vec<_>>())
    });
    assert_eq!(recording["complete"], true);
}

#[test]
fn the_storage_of_a_user_is_not_waited_for() {
    each(InPlace::ALL, |in_place| {
        let attacker = Attacker::new();
        let (_home, list) = storage_of(&attacker);
        in_place.put(&list, &attacker);
        let bundle = container();
        let recorder = Recorder::start(bounded());
        bundle.start();
        let (folder, stderr) = recorder.finish();
        assert_recorded(folder.path(), &bundle, &stderr);
    });
}

/// What a file without an end would take of the machine's memory.
#[test]
fn what_has_no_end_is_not_read() {
    each([InPlace::Endless, InPlace::Huge], |in_place| {
        let attacker = Attacker::new();
        let (_home, list) = storage_of(&attacker);
        in_place.put(&list, &attacker);
        let bundle = container();
        let recorder = Recorder::start(bounded());
        bundle.start();
        let name = format!("{}.recording.json", bundle.id());
        let written = recorder.folder.path().join(name);
        let mut asked = Instant::now();
        recorder.spawned.signal(Signal::SIGUSR1);
        wait::until("what there is is written", || {
            // At the first time, the container may not be known yet.
            if asked.elapsed() > Duration::from_millis(500) {
                recorder.spawned.signal(Signal::SIGUSR1);
                asked = Instant::now();
            }
            written.exists()
        });
        let status =
            fs::read_to_string(format!("/proc/{}/status", recorder.spawned.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
        assert!(kilobytes < 512 << 10, "the recorder has used{peak}");
        recorder.finish();
    });
}

/// A bundle may be a user's, who can change it when the runtime has read it.
#[test]
fn a_bundle_is_not_waited_for() {
    each(InPlace::ALL, |in_place| {
        let attacker = Attacker::new();
        // With no_new_privs the filter, if there were one, would come last: the container begins when it is
        // started, and not when it is made.
        let bundle = Bundle::new(Runtime::Runc, Way::ALL[2], None, &SLEEP);
        attacker.own(bundle.path());
        let recorder = Recorder::start(bounded());
        let runc = |args: &[&str]| {
            let mut command = Runtime::Runc.command();
            let status = command
                .args(args)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{args:?}");
        };
        let (path, pid) = (bundle.path().to_str().unwrap(), bundle.path().join("pid"));
        runc(&["create", "--pid-file", pid.to_str().unwrap(), "--bundle", path, bundle.id()]);
        in_place.put(&bundle.path().join("config.json"), &attacker);
        runc(&["start", bundle.id()]);
        bundle.until_executed();
        let (folder, stderr) = recorder.finish();
        assert_recorded(folder.path(), &bundle, &stderr);
    });
}

/// The folder of runtimes without root, where the user keeps the state of a container that has the id of a
/// real one.
#[test]
fn the_state_of_a_users_own_runtime_is_not_waited_for() {
    each(InPlace::ALL, |in_place| {
        let attacker = Attacker::new();
        let home = home_of(&attacker, "/run/user", "strait-test-");
        let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &SLEEP[..1]);
        let state = home.path().join("runc").join(bundle.id());
        make_folders(&state, home.path(), &attacker);
        in_place.put(&state.join("state.json"), &attacker);
        let elsewhere = crate::support::scratch();
        // Not called as a runtime, which would tell where its bundle is.
        let runtime = elsewhere.path().join("oci-runtime");
        symlink("/usr/sbin/runc", &runtime).unwrap();
        let recorder = Recorder::start(bounded());
        let mut run = Command::new(&runtime);
        scrub(&mut run, Path::new("/"));
        run.arg("--root").arg(elsewhere.path().join("state"));
        let output = run.args(["run", "--bundle"]).arg(bundle.path()).arg(bundle.id()).output();
        // busybox without a word shows its help.
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        recorder.finish();
    });
}

/// Processes with the command line of a monitor, of all kinds.
fn look_alikes(attacker: &Attacker, id: &str) -> Vec<Spawned> {
    // Each argument may have 128 KiB, and all of them together a quarter of the stack: 2 MiB.
    let long = "x".repeat(128 * 1024 - 1);
    let mut endless = vec!["conmon", "-c", id, "-n"];
    endless.extend(std::iter::repeat_n(long.as_str(), 15));
    let mut all = vec![attacker.start(&endless, "monitor", &[])];
    let names = ["", "conmon"].map(|name| attacker.start(&[name], "monitor", &[]));
    all.extend(names);
    all.push(start_with_bytes(attacker, id));
    all
}

/// With arguments that are not UTF-8.
fn start_with_bytes(attacker: &Attacker, id: &str) -> Spawned {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::process::CommandExt;
    let mut command = attacker.command(&attacker.path("forge"));
    command.arg0("conmon").args(["-c", id, "-n"]).arg(std::ffi::OsStr::from_bytes(b"\xff\xfe\x80"));
    command.env("FORGE", "monitor");
    let mut spawned = Spawned::start(command);
    assert_eq!(spawned.line(), "ready");
    spawned
}

#[test]
fn command_lines_of_all_kinds_are_read_or_left() {
    let attacker = Attacker::new();
    let bundle = container();
    let _alikes = look_alikes(&attacker, bundle.id());
    let recorder = Recorder::start(bounded());
    bundle.start();
    let _forged = attacker.forge(Lineage::Runc, bundle.id(), 1);
    let (folder, stderr) = recorder.finish();
    assert_recorded(folder.path(), &bundle, &stderr);
}

#[test]
fn a_signal_ends_the_recorder_whatever_is_in_place_of_a_file() {
    each([Signal::SIGTERM, Signal::SIGINT], |signal| {
        let attacker = Attacker::new();
        let (_home, list) = storage_of(&attacker);
        InPlace::Fifo.put(&list, &attacker);
        let bundle = container();
        let mut recorder = Recorder::start(strait());
        bundle.start();
        recorder.spawned.signal(signal);
        let (status, stderr) = recorder.spawned.end_within(AT_ONCE);
        assert_eq!(status, 128 + signal as i32, "{stderr}");
        assert_recorded(recorder.folder.path(), &bundle, &stderr);
    });
}

/// A user's own engine is asked when that user calls sudo. This one takes each question, and answers none.
#[test]
fn a_signal_ends_the_recorder_when_an_engine_does_not_answer() {
    each([Signal::SIGTERM, Signal::SIGINT], |signal| {
        let attacker = Attacker::new();
        let home = PathBuf::from("/run/user").join(attacker.uid().to_string());
        fs::create_dir_all(home.join("podman")).unwrap();
        let _home = Removed(home.clone());
        let sockets = [home.join("docker.sock"), home.join("podman/podman.sock")];
        let _listening = sockets.map(|socket| {
            let listener = UnixListener::bind(&socket).unwrap();
            attacker.own(&socket);
            listener
        });
        // Engines are only asked for ids of the kind that they give.
        let id = format!("{:064x}", attacker.uid());
        let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "echo"]);
        let mut recorder = Recorder::start_by(&attacker);
        let mut run = Runtime::Runc.command();
        let output = run.args(["run", "--bundle"]).arg(bundle.path()).arg(&id).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        recorder.spawned.signal(signal);
        let (status, stderr) = recorder.spawned.end_within(AT_ONCE);
        assert_eq!(status, 128 + signal as i32, "{stderr}");
        let all = recordings(recorder.folder.path());
        let is_it = |one: &&(String, serde_json::Value)| one.1["target"]["container"]["id"] == *id;
        assert_eq!(all.iter().filter(is_it).count(), 1, "{stderr}");
    });
}

/// A folder that goes with the value.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
