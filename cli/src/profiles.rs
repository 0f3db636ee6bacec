//! The profiles that `apply` and `bundle` are given: read, refused if they confine nothing, and named.

use std::path::{Path, PathBuf};

use super::Ui;
use super::given::{self, Given};
use super::manifests;
use strait_generator::export::Release;
use strait_generator::machine::Machines;
use strait_generator::manifest::name::{Named, check_place, versioned};
use strait_generator::profile::Workload;

/// A profile from a file.
#[derive(Clone, Debug)]
pub struct ProfileFile {
    /// Where it is.
    pub path: PathBuf,
    /// What nodes can be given: what is in it, or that in plain OCI.
    pub text: String,
    /// Whether that is the file itself.
    pub is_plain: bool,
    /// What its name says.
    pub named: Named,
}

impl ProfileFile {
    /// Reads a profile that container runtimes can use.
    pub fn read(path: &Path, ui: &Ui) -> anyhow::Result<Self> {
        Self::new(path, manifests::read_file(path)?, ui)
    }

    /// The same, of a file that was read.
    pub fn new(path: &Path, text: String, ui: &Ui) -> anyhow::Result<Self> {
        let given = given::parse(path, text, &Workload::default(), Machines::ALL, ui)?;
        given.require_usable(path, ui)?;
        let Given { text, is_plain, .. } = given;
        let named = Named::new(path, text.as_bytes());
        Ok(Self { path: path.to_owned(), text, is_plain, named })
    }

    /// `app/release-hash.json`.
    pub fn versioned(&self, release: &Release) -> anyhow::Result<String> {
        Ok(versioned(&self.named.app, release.as_str(), self.text.as_bytes())?)
    }

    /// The value of `localhostProfile`: versioned with a release; as in the bundle if the file is in one;
    /// else the file's name.
    pub fn localhost(
        &self,
        release: Option<&Release>,
        prefix: Option<&str>,
    ) -> anyhow::Result<String> {
        let name = match (release, &self.named.bundled) {
            (Some(release), _) => self.versioned(release)?,
            (None, Some(bundled)) => bundled.clone(),
            (None, None) => format!("{}.json", self.named.stem),
        };
        let name = match prefix {
            Some(prefix) => format!("{}/{name}", prefix.trim_end_matches('/')),
            None => name,
        };
        check_place(&name)?;
        Ok(name)
    }

    /// Whether `name` on the command line stands for this.
    pub fn is_called(&self, name: &str) -> bool {
        self.path.as_os_str() == name
            || self.path.file_name().is_some_and(|file| file == name)
            || self.named.stem == name
            || self.named.app == name
    }
}

/// Whether a file is a seccomp profile and not a manifest.
pub fn is_profile(text: &str) -> bool {
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        return false;
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.get("kind").is_none() && value.get("apiVersion").is_none(),
        Err(_) => text.contains("\"defaultAction\"") && !text.contains("\"apiVersion\""),
    }
}
