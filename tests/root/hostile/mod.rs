//! What a user without any privilege tries while root records: to be executed as root, to have root write,
//! to make the recorder wait, to be taken for a container, to speak to the recorder.

mod forgery;
mod outputs;
mod process;
mod signals;
mod stages;
mod unconfirmed;
mod waiting;

use std::time::Duration;

use tempfile::TempDir;

use crate::support::run::Strait;
use crate::support::scratch;
use crate::support::spawned::Spawned;

/// Against hanging, not a measure of speed: how long a recorder may take to end when nothing is left to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a signal may take to end a recorder, in any state: two seconds, and one for a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A command that goes on until its standard input ends.
const UNTIL_TOLD: [&str; 3] = ["sh", "-c", "echo recording; cat >/dev/null"];

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
        let folder = scratch();
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
