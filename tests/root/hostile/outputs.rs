//! Where recordings are written, whatever is put in the place of the output meanwhile.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use super::{PATIENCE, UNTIL_TOLD, with_sudo};
use crate::runtimes::{Bundle, Runtime, Way};
use crate::support::attacker::Attacker;
use crate::support::calls::read_recording;
use crate::support::{kernel, scratch, strait};

/// Files of root's that have to stay as they are.
struct Victim {
    folder: TempDir,
    before: BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)>,
}

impl Victim {
    fn new() -> Self {
        kernel::require_root();
        let folder = scratch();
        let write = |name: &str, mode| {
            let file = folder.path().join(name);
            std::fs::write(&file, "secret").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("shadow", 0o600);
        // One that any user may make a hard link to (fs.protected_hardlinks).
        write("shared", 0o666);
        let mut victim = Self { folder, before: BTreeMap::new() };
        victim.before = victim.state();
        victim
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn state(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
        let mut state = BTreeMap::new();
        let mut note = |path: &Path, content: Vec<u8>| {
            let data = path.metadata().unwrap();
            state.insert(path.to_owned(), (data.mode(), data.uid(), data.gid(), content));
        };
        note(self.path(), Vec::new());
        for entry in std::fs::read_dir(self.path()).unwrap() {
            let path = entry.unwrap().path();
            note(&path, std::fs::read(&path).unwrap());
        }
        state
    }

    fn assert_untouched(&self) {
        let text = |state: &BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)>| {
            let line =
                |(path, (mode, uid, gid, content)): (&PathBuf, &(u32, u32, u32, Vec<u8>))| {
                    let content = String::from_utf8_lossy(&content[..content.len().min(40)]);
                    format!("{} {mode:o} {uid}:{gid} {content:?}", path.display())
                };
            state.iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(text(&self.state()), text(&self.before), "root's files were changed");
    }
}

/// What came of `sudo strait record --user USER -o out/r.json -- SCRIPT` by a user in a folder of its own.
struct Run {
    attacker: Attacker,
    status: i32,
    stderr: String,
    /// Where `TMPDIR` is.
    temporary: TempDir,
}

/// In `script`, `$VICTIM` is root's folder; it runs in the folder above that of the output.
fn run(victim: &Victim, prepare: impl FnOnce(&Path, &Attacker), script: &str) -> Run {
    let attacker = Attacker::new();
    attacker.make_folder("out");
    let temporary = scratch();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(temporary.path(), open).unwrap();
    prepare(temporary.path(), &attacker);
    let run = strait()
        .args(["record", "--user", &attacker.uid().to_string(), "-o", "out/r.json"])
        .args(["--", "/bin/sh", "-ec", script])
        .env("VICTIM", victim.path())
        .env("FORGE_BINARY", attacker.path("forge"))
        .env("TMPDIR", temporary.path())
        .in_dir(attacker.folder());
    let mut spawned = with_sudo(run, &attacker).spawn();
    spawned.close();
    let (status, stderr) = spawned.end_within(PATIENCE);
    Run { attacker, status, stderr, temporary }
}

impl Run {
    /// Whether there is a recording, under its own name, in the folder that was opened when the run began.
    fn is_in(&self, folder: &str) -> bool {
        let path = self.attacker.path(folder).join("r.json");
        let is_file = path.symlink_metadata().is_ok_and(|data| data.is_file());
        if is_file {
            read_recording(&path);
            assert_eq!(path.metadata().unwrap().uid(), self.attacker.uid(), "whose it is");
        }
        is_file
    }

    /// That the recording is where it was to be.
    fn assert_in(&self, folder: &str) {
        assert!(
            self.is_in(folder),
            "no recording in {folder}; exit {}\n{}",
            self.status,
            self.stderr
        );
        assert_eq!(self.status, 0, "{}", self.stderr);
    }

    /// That it is in the folder that was opened, or was saved.
    fn assert_in_or_rescued(&self, folder: &str) {
        if !self.is_in(folder) {
            self.assert_rescued();
        }
    }

    /// That it was saved elsewhere, and that this is said.
    fn assert_rescued(&self) {
        assert_eq!(self.status, 1, "{}", self.stderr);
        let quotes = |c: char| c.is_whitespace() || matches!(c, '`' | '"' | '\'');
        let paths =
            self.stderr.split(quotes).map(|word| word.trim_end_matches(['.', ',', ':', ';']));
        let saved = paths
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .flat_map(|path| match std::fs::read_dir(&path) {
                Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
                Err(_) => vec![path],
            })
            .find(|path| {
                let is_file = path.symlink_metadata().is_ok_and(|data| data.is_file());
                is_file && std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"abis\""))
            });
        let saved = saved.unwrap_or_else(|| panic!("stderr names no recording:\n{}", self.stderr));
        read_recording(&saved);
        let folder = saved.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.mode() & 0o7777, 0o700, "of the folder of {}", saved.display());
        assert_eq!(folder.uid(), self.attacker.uid(), "of the folder of {}", saved.display());
        assert!(!saved.starts_with(self.attacker.path("out")));
        if !saved.starts_with(self.temporary.path()) {
            std::fs::remove_dir_all(saved.parent().unwrap()).unwrap();
        }
    }
}

fn nothing(_: &Path, _: &Attacker) {}

#[test]
fn a_link_in_place_of_the_output_is_replaced_and_not_followed() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "ln -s \"$VICTIM/shadow\" out/r.json");
    victim.assert_untouched();
    run.assert_in("out");
}

#[test]
fn a_link_to_what_is_not_there_is_replaced_and_not_followed() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "ln -s \"$VICTIM/new\" out/r.json");
    victim.assert_untouched();
    run.assert_in("out");
}

#[test]
fn a_hard_link_in_place_of_the_output_is_replaced() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "ln \"$VICTIM/shared\" out/r.json");
    victim.assert_untouched();
    run.assert_in("out");
}

#[test]
fn a_link_in_place_of_the_folder_is_not_followed() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "mv out old; ln -s \"$VICTIM\" out");
    victim.assert_untouched();
    run.assert_in_or_rescued("old");
}

/// What an earlier run may have left for the next one: a link of the user's, of which root's rights must not be taken.
#[test]
fn a_link_that_was_there_before_does_not_lead_to_what_only_root_may_write() {
    let links = [("out/r.json", "shadow"), ("out/r.json", "new"), ("out", ""), ("out", ".")];
    // With sudo, and root without it.
    for (with_sudo, (of, to)) in
        [true, false].into_iter().flat_map(|sudo| links.map(|link| (sudo, link)))
    {
        for command in [&["record"][..], &["record", "--containers"], &["generate"]] {
            let victim = Victim::new();
            let attacker = Attacker::new();
            attacker.make_folder("out");
            let input = record_something(&attacker);
            let link = attacker.path(of);
            let _ = std::fs::remove_file(&link).or_else(|_| std::fs::remove_dir(&link));
            std::os::unix::fs::symlink(victim.path().join(to), &link).unwrap();
            attacker.own(&link);
            let run = strait().args(command.iter().copied());
            let run = match command {
                ["generate"] => run.arg(&input).args(["-o", "out/r.json"]),
                ["record"] => run.args(["-o", "out/r.json", "--", "true"]),
                _ => run.args(["-o", "out", "--", "true"]),
            };
            let run = run.in_dir(attacker.folder());
            let run = if with_sudo { super::with_sudo(run, &attacker) } else { run };
            let mut spawned = run.spawn();
            spawned.close();
            let (status, stderr) = spawned.end_within(PATIENCE);
            victim.assert_untouched();
            // A folder in which a link lies, and not the one that it leads to, can be written.
            let is_written = of == "out/r.json" && command.contains(&"--containers");
            assert_eq!(status == 0, is_written, "{command:?} {with_sudo} {of} {to}: {stderr}");
        }
    }
}

/// Looked at before, it leads elsewhere; looked at again, it does not.
#[test]
fn a_link_that_comes_and_goes_is_not_followed_with_roots_rights() {
    let victim = Victim::new();
    let attacker = Attacker::new();
    let input = record_something(&attacker);
    let victims = victim.path().display();
    let script = format!(
        "mkdir real; set +e; echo ready; while :; do ln -s {victims} out; rm out; mv real out; mv out real; \
         ln -s real out; ln -s {victims}/shadow real/link; rm real/link; ln -s {victims}/new real/link; \
         rm out real/link; done"
    );
    let mut command = attacker.shell(&script);
    command.current_dir(attacker.folder()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut racer = command.spawn().unwrap();
    let mut ready = [0; 6];
    racer.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    for name in ["out/r.json", "real/link", "out/link"].into_iter().cycle().take(60) {
        let run = strait().arg("generate").arg(&input).args(["-o", name]);
        run.in_dir(attacker.folder()).command().output().unwrap();
    }
    racer.kill().unwrap();
    racer.wait().unwrap();
    victim.assert_untouched();
}

/// A recording of the user's.
fn record_something(attacker: &Attacker) -> PathBuf {
    let path = attacker.path("input.json");
    let run = strait().args(["record", "-o"]).arg(&path).args(["--", "true"]);
    with_sudo(run, attacker).in_dir(attacker.folder()).run();
    path
}

#[test]
fn a_link_in_place_of_a_folder_above_is_not_followed() {
    let victim = Victim::new();
    std::fs::create_dir(victim.path().join("out")).unwrap();
    let attacker = Attacker::new();
    attacker.make_folder("above/out");
    let run = strait()
        .args(["record", "--user", &attacker.uid().to_string(), "-o", "above/out/r.json"])
        .args(["--", "/bin/sh", "-ec", "mv above old; ln -s \"$VICTIM\" above"])
        .env("VICTIM", victim.path())
        .in_dir(attacker.folder());
    let mut spawned = with_sudo(run, &attacker).spawn();
    spawned.close();
    let (_, stderr) = spawned.end_within(PATIENCE);
    let written: Vec<_> = std::fs::read_dir(victim.path().join("out")).unwrap().collect();
    assert!(written.is_empty(), "root's folder has {written:?}\n{stderr}");
    assert!(attacker.path("old/out/r.json").is_file(), "{stderr}");
}

#[test]
fn a_folder_that_is_renamed_keeps_the_recording_or_it_is_saved() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "mv out elsewhere");
    run.assert_in_or_rescued("elsewhere");
}

#[test]
fn a_folder_that_is_another_ones_now_gets_nothing() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "mv out elsewhere; mkdir out");
    assert!(!run.attacker.path("out/r.json").exists(), "not the folder that was opened");
    run.assert_in_or_rescued("elsewhere");
}

#[test]
fn what_was_to_be_in_a_folder_that_is_gone_is_saved() {
    let victim = Victim::new();
    run(&victim, nothing, "rm -r out").assert_rescued();
}

#[test]
fn what_was_to_be_in_a_folder_that_is_read_only_now_is_saved() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "chmod 555 out");
    assert!(!run.is_in("out"), "the user may not write there");
    run.assert_rescued();
}

#[test]
fn a_folder_in_place_of_the_output_is_left_alone() {
    let victim = Victim::new();
    let run = run(&victim, nothing, "mkdir out/r.json");
    run.assert_rescued();
    assert!(run.attacker.path("out/r.json").is_dir());
}

#[test]
fn a_fifo_in_place_of_the_output_is_replaced_and_not_waited_for() {
    let victim = Victim::new();
    run(&victim, nothing, "mkfifo out/r.json").assert_in_or_rescued("out");
}

#[test]
fn a_socket_in_place_of_the_output_is_replaced() {
    let victim = Victim::new();
    let script = "FORGE=socket FORGE_AT=out/r.json \"$FORGE_BINARY\" </dev/null";
    run(&victim, nothing, script).assert_in_or_rescued("out");
}

/// As for a user who is over quota: what is written is not lost for that.
#[test]
fn what_has_no_room_in_its_folder_is_saved() {
    let victim = Victim::new();
    let mount = |_: &Path, attacker: &Attacker| {
        let out = attacker.path("out");
        let options = format!("size=64k,mode=755,uid={0},gid={0}", attacker.uid());
        nix::mount::mount(
            Some("tmpfs"),
            &out,
            Some("tmpfs"),
            nix::mount::MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
    };
    let run = run(&victim, mount, "dd if=/dev/zero of=out/full bs=4k 2>/dev/null || true");
    let out = run.attacker.path("out");
    let is_there = run.is_in("out");
    nix::mount::umount(&out).unwrap();
    assert!(!is_there, "there is no room for it");
    run.assert_rescued();
}

#[test]
fn a_link_in_place_of_a_report_is_replaced_and_not_followed() {
    let victim = Victim::new();
    let attacker = Attacker::new();
    let profile = crate::support::profiles::base().to_string();
    std::fs::write(attacker.path("p.json"), profile).unwrap();
    let run = strait()
        .args(["verify", "p.json", "--user", &attacker.uid().to_string()])
        .args(["--format", "json", "-o", "report.json"])
        .args(["--", "/bin/sh", "-ec", "ln -s \"$VICTIM/shadow\" report.json"])
        .env("VICTIM", victim.path())
        .in_dir(attacker.folder());
    with_sudo(run, &attacker).run();
    victim.assert_untouched();
    let report = attacker.path("report.json").symlink_metadata().unwrap();
    assert!(report.is_file());
    assert_eq!(report.uid(), attacker.uid());
}

#[test]
fn a_link_in_place_of_the_folder_of_recordings_is_not_followed() {
    let victim = Victim::new();
    let attacker = Attacker::new();
    attacker.make_folder("out");
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "echo"]);
    let run = strait().args(["record", "--containers", "-o", "out", "--"]).args(UNTIL_TOLD);
    let mut recorder = with_sudo(run, &attacker).in_dir(attacker.folder()).spawn();
    assert_eq!(recorder.line(), "recording");
    assert!(bundle.run().status.success());
    let script = format!("mv out old; ln -s {} out", victim.path().display());
    assert!(attacker.shell(&script).status().unwrap().success());
    recorder.close();
    let (status, stderr) = recorder.end_within(PATIENCE);
    victim.assert_untouched();
    let name = format!("{}.recording.json", bundle.id());
    let in_place = attacker.path("old").join(name).is_file();
    assert!(in_place || status == 1, "exit {status}\n{stderr}");
}

/// A name that can be guessed is one that another user can take first.
#[test]
fn what_lies_ready_in_the_temporary_folder_is_not_written_to() {
    let victim = Victim::new();
    let plant = |temporary: &Path, attacker: &Attacker| {
        for name in ["sh.recording.json", "r.json"] {
            let link = temporary.join(name);
            std::os::unix::fs::symlink(victim.path().join("shadow"), &link).unwrap();
            attacker.own(&link);
        }
    };
    let run = run(&victim, plant, "rm -r out");
    victim.assert_untouched();
    run.assert_rescued();
}

#[test]
fn links_where_recordings_of_containers_will_be_are_replaced_and_not_followed() {
    let victim = Victim::new();
    let attacker = Attacker::new();
    let out = attacker.make_folder("out");
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "echo"]);
    let name = format!("{}.recording.json", bundle.id());
    let run = strait().args(["record", "--containers", "-o", "out", "--"]).args(UNTIL_TOLD);
    let mut recorder = with_sudo(run, &attacker).in_dir(attacker.folder()).spawn();
    assert_eq!(recorder.line(), "recording");
    assert!(bundle.run().status.success());
    let script = format!("ln -s {}/shadow out/{name}", victim.path().display());
    assert!(attacker.shell(&script).status().unwrap().success());
    recorder.close();
    let (status, stderr) = recorder.end_within(PATIENCE);
    victim.assert_untouched();
    assert_eq!(status, 0, "{stderr}");
    let written = out.join(name).symlink_metadata().unwrap();
    assert!(written.is_file());
    assert_eq!(written.uid(), attacker.uid());
}
