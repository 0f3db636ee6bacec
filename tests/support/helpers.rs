//! The processes that help a recorder. They are not its children, and have its command line.

use std::path::Path;

/// The process of this name that helps the recorder `pid`, if there is one.
pub fn helper(pid: &str, name: &str) -> Option<String> {
    let read = |pid: &str, file: &str| std::fs::read(Path::new("/proc").join(pid).join(file)).ok();
    let of_recorder = read(pid, "cmdline")?;
    let all = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    pids.find(|other| {
        read(other, "comm").is_some_and(|comm| comm.trim_ascii() == name.as_bytes())
            && read(other, "cmdline").as_ref() == Some(&of_recorder)
    })
}
