//! What this process may do, for people and for tests: a line in the log for each stage.

use std::fs;
use std::path::Path;

use caps::CapSet;

/// Logs, for `-v`, what this thread may do in the stage of this name.
pub fn report(stage: &str) {
    if log::log_enabled!(log::Level::Debug) {
        log::debug!("stage {stage}: {}", describe());
    }
}

fn describe() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or("?").to_owned()
    };
    // Real, effective, saved and the one for files.
    let uids = field("Uid");
    let uid = |index| uids.split_whitespace().nth(index).unwrap_or("?");
    let caps = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let mut caps: Vec<_> = caps.iter().map(|cap| cap.to_string().to_lowercase()).collect();
    caps.sort_unstable();
    format!(
        "uid {} fsuid {} caps [{}] no_new_privs {} seccomp {} threads {} fds [{}]",
        uid(1),
        uid(3),
        caps.join(" "),
        field("NoNewPrivs"),
        field("Seccomp"),
        field("Threads"),
        descriptors().join(", "),
    )
}

/// What is open, in the order of the descriptors: `anon_inode:bpf-map`, `socket`, a path.
fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/thread-self/fd").into_iter().flatten().flatten();
    let mut open: Vec<(u32, String)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, kind(&entry.path().read_link().ok()?)))
        })
        .collect();
    open.sort_unstable();
    open.into_iter().map(|(_, kind)| kind).collect()
}

/// Without the numbers in `socket:[123]`.
fn kind(target: &Path) -> String {
    let text = target.to_string_lossy();
    match text.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None => text.into_owned(),
    }
}
