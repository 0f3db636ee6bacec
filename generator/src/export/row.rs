//! The row of a target in the list of targets.

use super::{ExportError, Exported, Named, Options};
use crate::profile::Profile;

/// Writes several profiles into one file.
pub(super) type Together = fn(&[(&Options, Named)]) -> Exported;

/// What there is to know about a target.
pub(super) struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it gets, in a line.
    pub help: &'static str,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Writes one profile for it.
    pub export: fn(&Profile, &Options, &Named) -> Result<Exported, ExportError>,
    /// Writes several into one file; `None` if each application has a folder of its own.
    pub together: Option<Together>,
    /// Whether it is given names of calls that a machine has, and not the profile as it is.
    pub depends_on_machine: bool,
    /// Whether it can bind an init container.
    pub has_init: bool,
}

impl Row {
    /// A target that gets some text beside the profile, as most do.
    pub const PLAIN: Self = Self {
        name: "",
        help: "",
        kind: Kind::Text,
        export: |_, _, _| Ok(Exported::default()),
        together: None,
        depends_on_machine: false,
        has_init: false,
    };
}

/// What a target's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of its own.
    Text,
    /// Objects of Kubernetes: documents of YAML, which may be one stream.
    Manifest,
    /// An OCI layout: a folder, and nothing without it.
    Layout,
}
