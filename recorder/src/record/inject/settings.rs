//! podman's settings, with the profile as the default of all containers.
//!
//! `CONTAINERS_CONF_OVERRIDE` would do without reading them, but podman knows it from 4.5 on only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::InjectError;

/// podman's settings.
#[derive(Debug)]
pub struct Settings(Table);

impl Settings {
    /// What podman would read, in one.
    pub fn read() -> Result<Self, InjectError> {
        let mut settings = Table::new();
        for path in files() {
            let text = match crate::files::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(InjectError::System { what: "read", path, source }),
            };
            let text = String::from_utf8_lossy(&text);
            let more = text.parse::<Table>().map_err(|error| InjectError::Settings {
                path,
                reason: error.message().to_owned(),
            })?;
            merge(&mut settings, more);
        }
        Ok(Self(settings))
    }

    fn text(&self, table: &str, key: &str) -> Option<&str> {
        self.0.get(table)?.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The profile that containers get of podman: that of the settings, or else a file of the system's
    /// (containers/common `pkg/config`, `SeccompOverridePath` and `SeccompDefaultPath`). Without any of them podman
    /// has one built in.
    pub fn default_profile(&self) -> Option<PathBuf> {
        let usual = ["/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"];
        let usual = usual.map(PathBuf::from).into_iter().find(|path| path.exists());
        self.text("containers", "seccomp_profile").map(PathBuf::from).or(usual)
    }

    /// What infra containers run, if it is not podman's own.
    pub fn infra_command(&self) -> Option<&str> {
        self.text("engine", "infra_command")
    }

    /// The same with `profile` as `seccomp_profile`, and the hooks in `hooks` besides those that there are.
    pub fn with(mut self, profile: &Path, hooks: &Path) -> String {
        let text = |path: &Path| Value::String(path.to_string_lossy().into_owned());
        // Without a word about it podman has these, if they are there (podman `pkg/hooks`).
        let usual = ["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"];
        let usual = usual.iter().map(Path::new).filter(|path| path.exists()).map(text);
        let there = self.0.get("engine").and_then(|engine| engine.get("hooks_dir"));
        let there = there.and_then(Value::as_array).cloned();
        let mut all = there.unwrap_or_else(|| usual.collect());
        all.insert(0, text(hooks));
        let table = |key: &str, value| Value::Table(Table::from_iter([(key.to_owned(), value)]));
        let own = [
            ("containers".to_owned(), table("seccomp_profile", text(profile))),
            ("engine".to_owned(), table("hooks_dir", Value::Array(all))),
        ];
        merge_anew(&mut self.0, own);
        self.0.to_string()
    }
}

/// As [`merge`], but for arrays, which take the place of what was there.
fn merge_anew(settings: &mut Table, own: [(String, Value); 2]) {
    for (name, table) in own {
        let Value::Table(table) = table else { continue };
        match settings.get_mut(&name) {
            Some(Value::Table(there)) => there.extend(table),
            _ => drop(settings.insert(name, Value::Table(table))),
        }
    }
}

/// containers.conf(5), and containers/common `pkg/config`, `systemConfigs`: those of the system, then, for
/// users other than root, the user's own; or else the one that a variable names.
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
        let settings = Settings("[engine]\nhooks_dir = [\"/h\"]\nx = 1".parse().unwrap());
        assert_eq!(settings.infra_command(), None);
        let text = settings.with(Path::new("/a \"b\".json"), Path::new("/hooks"));
        let settings: Table = text.parse().unwrap();
        assert_eq!(settings["containers"]["seccomp_profile"].as_str(), Some("/a \"b\".json"));
        assert_eq!(settings["engine"]["hooks_dir"].to_string(), r#"["/hooks", "/h"]"#);
        assert_eq!(settings["engine"]["x"].as_integer(), Some(1));
    }

    #[test]
    fn what_containers_have_without_us_is_known() {
        let text =
            "[containers]\nseccomp_profile = \"/own.json\"\n[engine]\ninfra_command = \"/hold\"";
        let settings = Settings(text.parse().unwrap());
        assert_eq!(settings.default_profile().as_deref(), Some(Path::new("/own.json")));
        assert_eq!(settings.infra_command(), Some("/hold"));
    }
}
