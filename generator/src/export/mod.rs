//! A profile for other targets: what an operator, an orchestrator or a service manager reads
//! in place of an OCI file, each the way its users write it.
//!
//! Pure. A target that cannot say all that the profile says gets what is narrower, and a
//! [warning](Exported::warnings) says what was left out. The one exception is systemd, which cannot compare
//! arguments: see [`systemd`].

mod compose;
mod configmap;
mod crio;
mod engines;
mod helm;
mod kustomize;
mod many;
mod name;
mod nomad;
mod oci_artifact;
mod row;
mod seccompiler;
pub mod spo;
pub mod systemd;
mod target;
pub mod yaml;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::machine::Machines;
use crate::manifest;
use crate::profile::{self, Profile};

pub use many::export_all;
pub use name::{InvalidName, Label, Reference, Release, WorkloadRef};
pub use row::Kind;
pub use target::Target;

/// The name of the profile, and what it is bound to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The application.
    pub name: Label,
    /// Its release, which becomes part of file names: nodes read a profile only when a container starts,
    /// so that another content needs another name.
    pub release: Option<Release>,
    /// The namespace of what is bound.
    pub namespace: Option<Label>,
    /// The image that runs under the profile.
    pub image: Option<Reference>,
    /// The container in a pod; without it the whole pod is bound.
    pub container: Option<Label>,
    /// Whether it is one of the pod's init containers, which sidecars are too.
    pub is_init: bool,
    /// The workload that is patched; without it a Deployment that is called like the application.
    pub workload: Option<WorkloadRef>,
    /// Where the profile will be in a registry.
    pub artifact: Option<Reference>,
    /// The machines that it is for, where a target holds something else on each ([`Target::depends_on_machine`]).
    pub machines: Machines,
}

impl Options {
    /// Those that only say how the application is called.
    #[must_use]
    pub const fn named(name: Label) -> Self {
        Self {
            name,
            release: None,
            namespace: None,
            image: None,
            container: None,
            is_init: false,
            workload: None,
            artifact: None,
            machines: Machines::ALL,
        }
    }

    fn workload(&self) -> WorkloadRef {
        self.workload.clone().unwrap_or_else(|| WorkloadRef::deployment(&self.name))
    }

    /// A strategic merge patch of the workload's pod template.
    fn patch(&self, template: &Value) -> Value {
        let workload = self.workload();
        let mut metadata = json!({"name": workload.name.as_str()});
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace.as_str());
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": workload.kind,
            "metadata": metadata,
            "spec": {"template": template},
        })
    }
}

/// Something to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, relative to the output folder; its parts are plain names.
    pub path: PathBuf,
    /// What.
    pub bytes: Vec<u8>,
    /// Whether it is the profile itself (or part of a layout), which does not belong into a stream of text.
    pub is_data: bool,
}

impl File {
    fn text(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), bytes: text.into_bytes(), is_data: false }
    }

    fn data(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes, is_data: true }
    }
}

/// What a target gets, and what its users have to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Exported {
    /// The files, the most important one first.
    pub files: Vec<File>,
    /// Where it is not what the profile says.
    pub warnings: Vec<String>,
    /// What is left to do, and to know.
    pub notes: Vec<String>,
}

/// Why a profile cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An option is missing.
    #[error("{target} needs {what}: give {option}")]
    Missing {
        /// Who needs it.
        target: &'static str,
        /// What is missing.
        what: &'static str,
        /// How to give it.
        option: &'static str,
    },
    /// Neither a narrower profile nor this one can be written down.
    #[error("{target} cannot hold this profile: {reason}")]
    Unsuitable {
        /// Whose limit it is.
        target: &'static str,
        /// Which limit, and what to do.
        reason: String,
    },
    /// The profile contradicts itself.
    #[error(transparent)]
    NoPolicy(#[from] crate::policy::NoPolicy),
    /// Two profiles would be the same object or file.
    #[error(
        "two profiles are for `{0}`, and only one of them would have an effect: rename one, or make one profile of \
         their recordings"
    )]
    SameName(String),
    /// Not in practice: every profile can be written as JSON.
    #[error("cannot write the profile as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes a profile for a target. The same profile and options give the same bytes.
///
/// # Errors
///
/// [`ExportError`], if the target cannot hold it or an option is missing.
pub fn export(
    profile: &Profile,
    target: Target,
    options: &Options,
) -> Result<Exported, ExportError> {
    (target.row().export)(profile, options, &Named::new(profile, options)?)
}

/// The profile as a file, and what that file is called.
struct Named {
    /// The profile as JSON.
    json: String,
    /// The release, if there is one, and the beginning of the content's hash: `1.27-3f9a2c41d08e`.
    version: String,
    application: String,
}

impl Named {
    fn new(profile: &Profile, options: &Options) -> Result<Self, serde_json::Error> {
        let json = profile::print(profile)?;
        let hash = manifest::name::hash(json.as_bytes());
        let version = match &options.release {
            Some(release) => format!("{release}-{hash}"),
            None => hash,
        };
        Ok(Self { json, version, application: options.name.to_string() })
    }

    /// Its name in a folder of the application's own: `1.27-3f9a2c41d08e.json`.
    fn file_name(&self) -> String {
        format!("{}.json", self.version)
    }

    /// Below a folder for all profiles: `nginx/1.27-3f9a2c41d08e.json`.
    fn path(&self) -> String {
        format!("{}/{}", self.application, self.file_name())
    }

    /// The name of an object: `nginx-1.27-3f9a2c41d08e`.
    fn object(&self) -> String {
        format!("{}-{}", self.application, self.version)
    }

    fn file(&self) -> File {
        File::data(self.path(), self.json.clone().into_bytes())
    }
}

/// The last note of targets that name a file which has to be on every node.
fn on_every_node(path: &str) -> String {
    format!(
        "the profile has to be on every node as /var/lib/kubelet/seccomp/{path} before a pod starts: \
         `--to configmap` writes what brings it there"
    )
}
