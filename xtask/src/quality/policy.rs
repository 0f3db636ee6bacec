//! The policies that are compared, as profiles made of the same recordings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::run::Tool;

/// A way to make a profile.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The recorded names and nothing else, refused with EPERM
    List,
    /// The same, and the names that runc calls under the filter
    ListAndRuntime,
    /// Docker's default
    Docker,
    /// strait generate --generalize exact
    Exact,
    /// strait generate --generalize reach
    Reach,
    /// strait generate --generalize imports
    Imports,
}

impl Policy {
    pub const ALL: [Self; 6] =
        [Self::List, Self::ListAndRuntime, Self::Docker, Self::Exact, Self::Reach, Self::Imports];

    /// What tables and plots call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::List => "recorded names",
            Self::ListAndRuntime => "recorded names and runc's",
            Self::Docker => "Docker default",
            Self::Exact => "Strait, exact",
            Self::Reach => "Strait, reach",
            Self::Imports => "Strait, imports",
        }
    }

    /// The name of its files.
    pub fn key(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::ListAndRuntime => "list-and-runtime",
            Self::Docker => "docker",
            Self::Exact => "exact",
            Self::Reach => "reach",
            Self::Imports => "imports",
        }
    }

    /// Writes the profile of these recordings.
    pub fn make(self, strait: &Path, recordings: &Path, profile: &Path) -> Result<()> {
        let profile_of = |names| write(profile, &names_alone(&names));
        match self {
            Self::List => profile_of(recorded_names(recordings)?),
            Self::ListAndRuntime => {
                let mut names = recorded_names(recordings)?;
                names.extend(runtime_names(strait_profiles::runtimes::RUNC)?);
                profile_of(names)
            }
            Self::Docker => write(profile, &docker(strait_profiles::baselines::DOCKER_DEFAULT)?),
            Self::Exact | Self::Reach | Self::Imports => Tool::new(strait)
                .args(["--quiet", "generate", "--generalize", self.key()])
                .arg(recordings)
                .arg("-o")
                .arg(profile)
                .quiet("generating a profile"),
        }
    }
}

/// The values of `generate --generalize` that this binary has.
pub fn known_to(strait: &Path) -> Result<Vec<Policy>> {
    let help = Tool::new(strait).args(["generate", "--help"]).stdout("asking for help")?;
    let has = |policy: &Policy| {
        let ours = matches!(policy, Policy::Exact | Policy::Reach | Policy::Imports);
        !ours || help.lines().any(|line| line.trim().starts_with(&format!("- {}:", policy.key())))
    };
    Ok(Policy::ALL.into_iter().filter(has).collect())
}

fn write(path: &Path, profile: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(profile)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The names of all recorded calls of the machine's own ABI.
pub fn recorded_names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in recordings(folder)? {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let recording: Value = serde_json::from_str(&text).context("a recording is not JSON")?;
        let calls = &recording["abis"][std::env::consts::ARCH]["syscalls"];
        names.extend(calls.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    }
    // libseccomp 2.5 has no name for it, and the kernel answers it before any filter (Linux 6.12).
    names.remove("uretprobe");
    // A thread that ends makes it last, when its recorder may already be gone.
    names.insert("exit".to_owned());
    Ok(names)
}

/// The recordings in a folder.
pub fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".recording.json"));
    paths.sort();
    Ok(paths)
}

/// What a runtime calls before the workload starts, by name (`profiles/runtimes`).
fn runtime_names(text: &str) -> Result<BTreeSet<String>> {
    let runtime: Value = serde_json::from_str(text)?;
    let sets = runtime["sets"].as_array().context("a runtime without sets")?;
    Ok(sets.iter().flat_map(|set| words(&set["calls"])).collect())
}

/// Docker's default for a container with Docker's own capabilities, as a profile without conditions.
pub fn docker(text: &str) -> Result<Value> {
    let baseline: Value = serde_json::from_str(text)?;
    let machine = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let mut names: BTreeSet<String> =
        baseline["always"].as_array().into_iter().flatten().flat_map(words).collect();
    names.extend(
        baseline["since_kernel"]
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(_, list)| words(list)),
    );
    names.extend(words(&baseline["on_machine"][machine]));
    // The one of Docker's default capabilities (moby, oci/caps/defaults.go) that the table knows.
    names.extend(words(&baseline["with_capability"]["CAP_SYS_CHROOT"]));
    let known: BTreeSet<String> =
        words(&serde_json::from_str::<Value>(strait_profiles::CALL_NAMES)?["names"]).collect();
    names.retain(|name| known.contains(name));
    let mut profile = names_alone(&names);
    let rules = profile["syscalls"].as_array_mut().context("no rules")?;
    for entry in baseline["by_argument"].as_array().into_iter().flatten() {
        for condition in entry["allow"].as_array().into_iter().flatten() {
            rules.push(json!({
                "names": [entry["call"]],
                "action": "SCMP_ACT_ALLOW",
                "args": [comparison(&entry["argument"], condition)],
            }));
        }
    }
    for entry in baseline["refuse_by_name"].as_array().into_iter().flatten() {
        // Each of them is refused with ENOSYS.
        rules.push(json!({"names": [entry["call"]], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}));
    }
    Ok(profile)
}

fn comparison(index: &Value, condition: &Value) -> Value {
    if !condition["mask"].is_null() {
        return json!({
            "index": index, "op": "SCMP_CMP_MASKED_EQ",
            "value": condition["mask"], "valueTwo": condition["equal"],
        });
    }
    let (op, value) = if condition["less"].is_null() && condition["greater"].is_null() {
        ("SCMP_CMP_EQ", &condition["equal"])
    } else if condition["greater"].is_null() {
        ("SCMP_CMP_LT", &condition["less"])
    } else {
        ("SCMP_CMP_GT", &condition["greater"])
    };
    json!({"index": index, "op": op, "value": value})
}

pub fn words(list: &Value) -> impl Iterator<Item = String> + '_ {
    list.as_str().unwrap_or_default().split_whitespace().map(str::to_owned)
}

/// A profile that allows these calls and refuses all others with EPERM, as plain recorders write it.
fn names_alone(names: &BTreeSet<String>) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": [format!("SCMP_ARCH_{}", std::env::consts::ARCH.to_uppercase())],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(profile: &Value) -> BTreeSet<&str> {
        let rules = profile["syscalls"].as_array().unwrap().iter();
        rules
            .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
            .flat_map(|rule| rule["names"].as_array().unwrap())
            .filter_map(Value::as_str)
            .collect()
    }

    #[test]
    fn dockers_default_has_its_conditions() {
        let profile = docker(strait_profiles::baselines::DOCKER_DEFAULT).unwrap();
        let names = allowed(&profile);
        assert!(names.len() > 280, "{}", names.len());
        assert!(names.contains("chroot") && names.contains("clone") && names.contains("ptrace"));
        assert!(!names.contains("mount") && !names.contains("clone3"));
        let rules = profile["syscalls"].as_array().unwrap();
        let conditions = |call| {
            let named = rules.iter().filter(|rule| rule["names"][0] == call);
            named.map(|rule| rule["args"][0]["op"].as_str().unwrap_or("")).collect::<Vec<_>>()
        };
        assert_eq!(conditions("socket"), ["SCMP_CMP_LT", "SCMP_CMP_EQ", "SCMP_CMP_GT"]);
        assert_eq!(conditions("clone"), ["SCMP_CMP_MASKED_EQ"]);
    }

    #[test]
    fn a_list_has_what_was_recorded_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let recording =
            json!({"abis": {(std::env::consts::ARCH): {"syscalls": {"read": {}, "write": {}}}}});
        std::fs::write(folder.path().join("a.recording.json"), recording.to_string()).unwrap();
        std::fs::write(folder.path().join("a.verify.json"), "no recording").unwrap();
        let profile = folder.path().join("list.json");
        Policy::List.make(Path::new("unused"), folder.path(), &profile).unwrap();
        let read =
            |path: &Path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(allowed(&read(&profile)), ["exit", "read", "write"].into());
        Policy::ListAndRuntime.make(Path::new("unused"), folder.path(), &profile).unwrap();
        assert!(allowed(&read(&profile)).contains("execve"));
    }
}
