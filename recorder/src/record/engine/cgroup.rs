//! The cgroups of a process, as `/proc/PID/cgroup` has them.

use crate::files;

/// Names of directories from the leaf to the root, for each hierarchy that `/proc/PID/cgroup` lists.
///
/// Empty if the process is gone. On a host with cgroup v2 there is one hierarchy; with v1 and hybrid
/// there are many, and some of them may say nothing.
pub fn of_process(pid: u32) -> Vec<Vec<String>> {
    files::of_proc(&format!("/proc/{pid}/cgroup")).map(|text| parse(&text)).unwrap_or_default()
}

/// Parses `hierarchy-ID:controller-list:path` lines (`cgroups(7)`), and leaves out hierarchies in
/// whose root the process is.
pub(super) fn parse(text: &str) -> Vec<Vec<String>> {
    let mut hierarchies = Vec::new();
    for line in text.lines() {
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        // A cgroup that was removed while the process was in it.
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let names: Vec<_> =
            path.rsplit('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if !names.is_empty() && !hierarchies.contains(&names) {
            hierarchies.push(names);
        }
    }
    hierarchies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_has_one_line() {
        let text = "0::/system.slice/docker-ab.scope\n";
        assert_eq!(parse(text), [["docker-ab.scope", "system.slice"]]);
    }

    #[test]
    fn hierarchies_that_say_nothing_or_the_same_are_left_out() {
        let text = "9:name=systemd:/plain1\n8:pids:/plain1\n4:memory:/a/plain1\n\
                    3:cpu,cpuacct:/\n0::/\nrubbish\n";
        let want: [&[&str]; 2] = [&["plain1"], &["plain1", "a"]];
        assert_eq!(parse(text), want);
    }

    #[test]
    fn colons_and_removed_cgroups_are_understood() {
        assert_eq!(parse("0::/:youki:web\n"), [[":youki:web"]]);
        assert_eq!(parse("0::/gone (deleted)\n"), [["gone"]]);
    }

    #[test]
    fn a_process_that_is_gone_has_none() {
        assert!(of_process(u32::MAX).is_empty());
    }
}
