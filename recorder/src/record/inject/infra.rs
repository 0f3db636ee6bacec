//! podman's infra containers, which hold a pod's namespaces and are not part of a workload.
//!
//! podman gives the profile of its settings to them, too, and under that of a workload they die: their
//! program, catatonit, makes calls of its own. No setting tells them apart. But podman runs hooks on the
//! configuration of each container before its runtime sees that (oci-hooks(5), stage `precreate`), so that
//! one of ours puts back what an infra container would have had.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::files;
use crate::host;
use strait_generator::policy::baseline::{self, Baseline};
use strait_generator::policy::{Capability, Conflict};
use strait_generator::profile::{self, ParseError};

/// Why an infra container could not be left alone.
#[derive(Debug, Error)]
pub enum InfraError {
    /// podman gave something else.
    #[error("what podman gave is not the configuration of a container: {0}")]
    NoConfig(#[source] serde_json::Error),
    /// The default profile is gone, or a secret.
    #[error("cannot read podman's default profile {path}: {source}")]
    Unreadable {
        /// The profile.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The default profile cannot be used.
    #[error("podman's default profile {path} cannot be used for a pod's infra container: {source}")]
    Profile {
        /// The profile.
        path: PathBuf,
        /// Why not.
        source: ParseError,
    },
    /// Our own default.
    #[error("cannot make podman's default profile: {0}")]
    Default(String),
}

impl From<Conflict> for InfraError {
    fn from(conflict: Conflict) -> Self {
        Self::Default(conflict.to_string())
    }
}

/// The file that tells podman of a hook: that `program`, with these arguments after its name, is to see each
/// container before it is created (oci-hooks(5)).
pub fn hook(program: &Path, arguments: &[&str]) -> String {
    let name = std::iter::once("strait").chain(arguments.iter().copied());
    json!({
        "version": "1.0.0",
        "hook": { "path": program, "args": name.collect::<Vec<_>>() },
        "when": { "always": true },
        "stages": ["precreate"],
    })
    .to_string()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    annotations: std::collections::BTreeMap<String, String>,
    process: Process,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    args: Vec<String>,
    capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    bounding: Vec<String>,
}

impl Config {
    /// podman tells the runtime of a container's sandbox, and an infra container is one (podman
    /// `pkg/annotations`, `pkg/specgen/generate/container.go`). What an infra container runs: podman
    /// `pkg/specgen/generate/pause_image.go`, before version 4 an image of Kubernetes', and
    /// `infra_command` of the settings.
    fn is_infra(&self, infra_command: Option<&str>) -> bool {
        let words: Vec<_> = self.process.args.iter().map(String::as_str).collect();
        let is_known = match words.as_slice() {
            ["/catatonit", "-P"] | ["/pause"] => true,
            [program, ..] => infra_command == Some(*program),
            [] => false,
        };
        is_known
            && self.annotations.get("io.container.manager").is_some_and(|it| it == "libpod")
            && !self.annotations.contains_key("io.kubernetes.cri-o.SandboxID")
    }
}

/// A container's configuration, in which an infra container has the filter that podman's own `default` makes of it;
/// without one, podman's built-in default.
///
/// # Errors
///
/// [`InfraError`]; then podman does not create the container.
pub fn leave_alone(
    config: &str,
    default: Option<&Path>,
    infra_command: Option<&str>,
) -> Result<String, InfraError> {
    let read: Config = serde_json::from_str(config).map_err(InfraError::NoConfig)?;
    if !read.is_infra(infra_command) {
        return Ok(config.to_owned());
    }
    let names = read.process.capabilities.bounding.iter();
    let capabilities = names.filter_map(|name| name.parse().ok()).collect();
    let filter = filter(default, capabilities)?;
    let mut config: Value = serde_json::from_str(config).map_err(InfraError::NoConfig)?;
    if let Some(linux) = config.get_mut("linux").and_then(Value::as_object_mut) {
        match filter {
            Some(filter) => drop(linux.insert("seccomp".to_owned(), filter)),
            None => drop(linux.remove("seccomp")),
        }
    }
    Ok(config.to_string())
}

fn filter(
    default: Option<&Path>,
    capabilities: BTreeSet<Capability>,
) -> Result<Option<Value>, InfraError> {
    let machine = host::MACHINE;
    let profile = match default {
        Some(path) if path == Path::new("unconfined") => return Ok(None),
        Some(path) => {
            let unreadable = |source| InfraError::Unreadable { path: path.to_owned(), source };
            let text = files::read(path).map_err(unreadable)?;
            let text =
                String::from_utf8(text).map_err(|error| unreadable(io::Error::other(error)))?;
            let context = profile::Context { machine, capabilities, kernel: None };
            profile::parse_for(&text, &context)
                .map_err(|source| InfraError::Profile { path: path.to_owned(), source })?
        }
        None => {
            // catatonit is of the machine's own ABI.
            let abis = [machine.native()].into();
            let context = baseline::Context { abis, capabilities, kernel: None };
            let meaning = Baseline::podman_default().resolve(&context).meaning()?;
            let made = profile::from_meaning(&meaning, machine);
            made.map_err(|error| InfraError::Default(error.to_string()))?.0
        }
    };
    let text = profile::print(&profile).map_err(InfraError::NoConfig)?;
    serde_json::from_str(&text).map(Some).map_err(InfraError::NoConfig)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn config(args: &[&str], sandbox: bool) -> String {
        let mut annotations = json!({"io.container.manager": "libpod"});
        if sandbox {
            annotations["io.kubernetes.cri-o.SandboxID"] = "1f".into();
        }
        json!({
            "ociVersion": "1.0.2",
            "process": {"args": args, "capabilities": {"bounding": ["CAP_CHOWN", "CAP_NEW"]}},
            "annotations": annotations,
            "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, "maskedPaths": ["/proc/kcore"]},
        })
        .to_string()
    }

    fn left(config: &str, default: Option<&Path>) -> Value {
        serde_json::from_str(&leave_alone(config, default, Some("/hold")).unwrap()).unwrap()
    }

    #[test]
    fn an_infra_container_gets_what_it_would_have_had() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seccomp.json");
        let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [], "syscalls": [
            {"names": ["signalfd4"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"names": ["chown"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_CHOWN"]}}]}"#;
        fs::write(&file, text).unwrap();
        for args in [&["/catatonit", "-P"][..], &["/pause"], &["/hold", "on"]] {
            let of = config(args, false);
            let after = left(&of, Some(&file));
            let calls = after["linux"]["seccomp"]["syscalls"].to_string();
            assert!(calls.contains("signalfd4") && calls.contains("chown"), "{calls}");
            assert!(!calls.contains("chroot"), "{calls}");
            assert_eq!(after["linux"]["maskedPaths"], json!(["/proc/kcore"]));
            let built_in = left(&of, None)["linux"]["seccomp"]["syscalls"].to_string();
            assert!(built_in.contains("signalfd4"), "{built_in}");
            let none = left(&of, Some(Path::new("unconfined")));
            assert!(none["linux"].get("seccomp").is_none(), "{none}");
        }
    }

    #[test]
    fn a_workload_keeps_what_it_has() {
        for of in [
            config(&["/bin/nginx"], false),
            config(&["/bin/nginx"], true),
            config(&["/pause"], true),
            config(&[], false),
            config(&["/catatonit", "--", "nginx"], false),
            config(&["/pause"], false).replace("libpod", "cri-o"),
        ] {
            assert_eq!(leave_alone(&of, None, Some("/hold")).unwrap(), of);
        }
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let of = config(&["/pause"], false);
        let missing = leave_alone(&of, Some(Path::new("/no/such.json")), None).unwrap_err();
        assert!(missing.to_string().contains("/no/such.json"), "{missing}");
        assert!(matches!(leave_alone("1", None, None), Err(InfraError::NoConfig(_))));
    }

    #[test]
    fn the_hook_is_run_for_each_container() {
        let file: Value = serde_json::from_str(&hook(Path::new("/s"), &["a", "b"])).unwrap();
        assert_eq!(file["hook"], json!({"path": "/s", "args": ["strait", "a", "b"]}));
        assert_eq!(file["stages"], json!(["precreate"]));
    }
}
