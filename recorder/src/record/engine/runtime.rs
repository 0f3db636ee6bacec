//! Versions of runtimes, without running any: from an engine, or from the package manager's data.
//! A program is never started to ask it, since its path comes from what observed processes say.

use std::path::Path;

use super::trusted;

/// Debian's list of installed packages, and the lists of their files (dpkg-query(1)).
const STATUS: &str = "var/lib/dpkg/status";
const LISTS: &str = "var/lib/dpkg/info";

/// The version of the runtime with this path, or this name, from package data under `root`; empty if no package
/// of the runtime's own name has such a file.
pub fn version(root: &Path, runtime: &Path) -> String {
    of_package(root, runtime).unwrap_or_default()
}

fn of_package(root: &Path, runtime: &Path) -> Option<String> {
    // Of another package, such as containerd.io, the version would be another program's.
    let name = runtime.file_name()?.to_str()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let list = trusted::read(&root.join(LISTS).join(format!("{name}.list")))?;
    let list = String::from_utf8_lossy(&list).into_owned();
    let is_it = |line: &str| match runtime.components().count() {
        1 => Path::new(line).file_name() == Some(runtime.as_os_str()),
        _ => without_usr(Path::new(line)) == without_usr(runtime),
    };
    if !list.lines().any(is_it) {
        return None;
    }
    let status = trusted::read_large(&root.join(STATUS))?;
    let status = String::from_utf8_lossy(&status).into_owned();
    let mut stanzas = status.split("\n\n");
    let stanza = stanzas.find(|stanza| field(stanza, "Package") == Some(name))?;
    upstream(field(stanza, "Version")?)
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// `/bin` is `/usr/bin` where it is a link to it.
fn without_usr(path: &Path) -> &Path {
    path.strip_prefix("/usr").or_else(|_| path.strip_prefix("/")).unwrap_or(path)
}

/// `1.1.5` of `1:1.1.5+ds1-1+deb12u1`, or as an engine tells it: without epoch and without what a distribution has
/// added.
pub fn upstream(version: &str) -> Option<String> {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let version = version.trim_start_matches('v').split(['+', '~']).next()?;
    let version = match version.rsplit_once('-') {
        // A release candidate's own dash.
        Some((_, rest)) if rest.starts_with("rc") => version,
        Some((version, _)) => version,
        None => version,
    };
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn versions_are_read_as_distributions_and_engines_write_them() {
        for (text, version) in [
            ("1.1.5+ds1-1+deb12u1", "1.1.5"),
            ("1.0.0~rc93+ds1-5", "1.0.0"),
            ("1.3.0-rc.2", "1.3.0-rc.2"),
            ("1.8.1-1+deb12u1", "1.8.1"),
            ("2:0.17-1", "0.17"),
            ("v1.3.6", "1.3.6"),
        ] {
            assert_eq!(upstream(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(upstream("unknown"), None);
        assert_eq!(upstream(""), None);
    }

    #[test]
    fn a_package_of_the_runtimes_name_tells_its_version() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("var/lib/dpkg/info/crun.list", "/.\n/usr\n/usr/bin\n/usr/bin/crun\n");
        write("var/lib/dpkg/info/containerd.io.list", "/usr/bin/runc\n");
        write(
            "var/lib/dpkg/status",
            "Package: containerd.io\nVersion: 1.7.2-1\n\nPackage: crun\nStatus: install ok installed\n\
             Version: 1.8.1-1+deb12u1\n",
        );
        let of = |path: &str| version(root.path(), Path::new(path));
        for path in ["crun", "/usr/bin/crun", "/bin/crun"] {
            assert_eq!(of(path), "1.8.1", "{path}");
        }
        for path in ["/home/u/crun", "runc", "/usr/bin/runc", "", "..", "/", "../crun.list/crun"] {
            assert_eq!(of(path), "", "{path}");
        }
    }
}
