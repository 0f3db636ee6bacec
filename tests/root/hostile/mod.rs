//! What a user without any privilege tries while root records: to be executed as root, to have root write,
//! to make the recorder wait, to be taken for a container, to speak to the recorder.

mod forgery;
mod outputs;
mod owners;
mod process;
mod signals;
mod stages;
mod unconfirmed;
mod waiting;

use std::time::Duration;

use tempfile::TempDir;

use crate::support::attacker::Attacker;
use crate::support::run::Strait;
use crate::support::spawned::Spawned;
use crate::support::{scratch, strait};

/// Against hanging, not a measure of speed: how long a recorder may take to end when nothing is left to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a signal may take to end a recorder, in any state: two seconds, and four for a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(6);

/// A command that goes on until its standard input ends.
const UNTIL_TOLD: [&str; 3] = ["sh", "-c", "echo recording; cat >/dev/null"];

/// As the user would call it with sudo.
fn with_sudo(strait: Strait, attacker: &Attacker) -> Strait {
    attacker.sudo().into_iter().fold(strait, |run, (name, value)| run.env(name, value))
}

/// Tries each of them, and says of all together which of them fail.
fn each<T: Copy + std::fmt::Debug>(these: impl IntoIterator<Item = T>, test: impl Fn(T)) {
    let fails =
        |this: &T| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(*this))).is_err();
    let failed: Vec<_> = these.into_iter().filter(fails).collect();
    assert!(failed.is_empty(), "{failed:?}: see above");
}

/// `strait record --containers` around what a test does.
struct Recorder {
    spawned: Spawned,
    folder: TempDir,
}

impl Recorder {
    fn start(strait: Strait) -> Self {
        Self::start_into(scratch(), strait)
    }

    /// As this user would start it with sudo, into a folder of the user's.
    fn start_by(attacker: &Attacker) -> Self {
        let folder = scratch();
        attacker.own(folder.path());
        Self::start_into(folder, with_sudo(strait(), attacker))
    }

    fn start_into(folder: TempDir, strait: Strait) -> Self {
        let mut spawned = strait
            .args(["record", "--containers", "-o"])
            .arg(folder.path())
            .arg("--")
            .args(UNTIL_TOLD)
            .spawn();
        assert_eq!(spawned.line(), "recording");
        Self { spawned, folder }
    }

    /// Ends the recorder; returns where the recordings are, and what it said.
    fn finish(mut self) -> (TempDir, String) {
        self.spawned.close();
        let (status, stderr) = self.spawned.end_within(PATIENCE);
        assert_eq!(status, 0, "{stderr}");
        (self.folder, stderr)
    }
}
