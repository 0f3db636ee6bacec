//! podman's settings, with the profile as the default of all containers.
//!
//! `CONTAINERS_CONF_OVERRIDE` would do without reading them, but podman knows it from 4.5 on only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::InjectError;

/// What podman would read, in one, with `profile` as `seccomp_profile`.
pub fn with_profile(profile: &Path) -> Result<String, InjectError> {
    let mut settings = Table::new();
    for path in files() {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(InjectError::System { what: "read", path, source }),
        };
        let more = text
            .parse::<Table>()
            .map_err(|error| InjectError::Settings { path, reason: error.message().to_owned() })?;
        merge(&mut settings, more);
    }
    let path = profile.to_string_lossy().into_owned();
    let own = Table::from_iter([("seccomp_profile".to_owned(), Value::String(path))]);
    merge(&mut settings, Table::from_iter([("containers".to_owned(), Value::Table(own))]));
    Ok(settings.to_string())
}

/// containers.conf(5), and containers/common `pkg/config`, `systemConfigs`: those of the system, then, for
/// whoever is not root, the user's own; or else the one that a variable names.
fn files() -> Vec<PathBuf> {
    let get = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(only) = get("CONTAINERS_CONF") {
        return vec![only.into()];
    }
    let mut files = vec!["/usr/share/containers/containers.conf".into()];
    let mut add = |file: PathBuf| {
        let mut folder = file.clone().into_os_string();
        folder.push(".d");
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let parts = entries.map(|entry| entry.path());
        let mut parts: Vec<_> =
            parts.filter(|path| path.extension().is_some_and(|kind| kind == "conf")).collect();
        parts.sort();
        files.push(file);
        files.extend(parts);
    };
    add("/etc/containers/containers.conf".into());
    if !nix::unistd::geteuid().is_root() {
        let home = || get("HOME").map(|home| Path::new(&home).join(".config"));
        let folder = get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
        add(folder.unwrap_or_default().join("containers/containers.conf"));
    }
    files
}

/// What comes later takes the place of what was there, but for tables, which are put together, and for
/// arrays that say that they are to be (`{append=true}`).
fn merge(settings: &mut Table, more: Table) {
    for (key, value) in more {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) if appends(&new) => old.extend(new),
            (_, value) => {
                settings.insert(key, value);
            }
        }
    }
}

fn appends(array: &[Value]) -> bool {
    let says = |value: &Value| value.get("append").and_then(Value::as_bool) == Some(true);
    array.iter().any(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_go_first() {
        let mut settings: Table = "a = 1\n[t]\nx = 1\ny = [1]\nz = [1]".parse().unwrap();
        merge(&mut settings, "a = 2\n[t]\ny = [2]\nz = [2, {append = true}]".parse().unwrap());
        assert_eq!(settings["a"].as_integer(), Some(2));
        assert_eq!(settings["t"]["x"].as_integer(), Some(1));
        assert_eq!(settings["t"]["y"].as_array().map(Vec::len), Some(1));
        assert_eq!(settings["t"]["z"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn the_profile_is_the_default() {
        let text = with_profile(Path::new("/a \"b\".json")).unwrap();
        let settings: Table = text.parse().unwrap();
        assert_eq!(settings["containers"]["seccomp_profile"].as_str(), Some("/a \"b\".json"));
    }
}
