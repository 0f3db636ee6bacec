//! Why a manifest is not edited. It is left as it was.

use std::fmt;

use thiserror::Error;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl Position {
    /// Of a byte.
    pub(crate) fn from_byte(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1;
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a manifest cannot be read or edited.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not YAML.
    #[error("{at}: this is not YAML: {reason}")]
    NotYaml {
        /// Where.
        at: Position,
        /// What the parser says.
        reason: String,
    },
    /// It has a character that ends a line for some readers only.
    #[error(
        "{at}: U+{code:04X} ends a line for Kubernetes and not for other readers, so this line has two meanings. \
         Remove it, or write it as an escape in double quotes"
    )]
    LineBreak {
        /// Where.
        at: Position,
        /// The character.
        code: u32,
    },
    /// It is a template and not yet a manifest.
    #[error(
        "{at}: this is a template ({{{{ }}}}) and not a manifest. Render it first (helm template, …), or put \
         the profile into the values that it takes"
    )]
    Templated {
        /// Where the first action is.
        at: Position,
    },
    /// Its containers have more to look at than is looked at.
    #[error(
        "{at}: the containers up to {pod}, with the lists that each of them has or shares, have more than \
         {limit} items: split the file"
    )]
    TooMuch {
        /// The pod at which the limit is passed.
        at: Position,
        /// The same by name.
        pod: String,
        /// The limit.
        limit: usize,
    },
    /// It is nested beyond reason.
    #[error("{at}: nested more than {limit} deep: no manifest is")]
    TooDeep {
        /// Where the limit is passed.
        at: Position,
        /// The limit.
        limit: usize,
    },
    /// A change here would change something else too, or cannot be made by changing a line.
    #[error("{at}: cannot edit {what}: {reason}. {way_out}")]
    Unsafe {
        /// Where.
        at: Position,
        /// What was to be changed, such as `container web`.
        what: String,
        /// Why it is not safe.
        reason: String,
        /// What to do instead.
        way_out: &'static str,
    },
    /// Two profiles claim one container.
    #[error(
        "{at}: container {container} matches several profiles: {profiles}. Choose with --map {container}=PROFILE"
    )]
    Ambiguous {
        /// Where the container is.
        at: Position,
        /// Its name.
        container: String,
        /// The profiles, separated by commas.
        profiles: String,
    },
    /// A profile matches by name what are different targets.
    #[error(
        "{at}: {profile} matches containers of different workloads and images: {here} here, and {before}. Choose with \
         --map WORKLOAD/CONTAINER={profile}"
    )]
    DifferentImages {
        /// Where the second container is.
        at: Position,
        /// The profile.
        profile: String,
        /// That container, with its image.
        here: String,
        /// The first one.
        before: String,
    },
    /// One profile for the pod was asked for, but its containers have several or none.
    #[error(
        "{at}: one profile does not serve all containers of {pod}: {reason}. Leave out --level pod, or name a \
         profile for each container with --map"
    )]
    NotOneProfile {
        /// Where the pod is.
        at: Position,
        /// What it is called.
        pod: String,
        /// Who has which profile.
        reason: String,
    },
    /// The edited file does not say what it should.
    #[error(
        "{at}: the edited file would differ from the original in more than was intended ({difference}). \
         Nothing is written; edit this file by hand, and please report it"
    )]
    Unintended {
        /// Where the first difference is, in the edited file.
        at: Position,
        /// What it is.
        difference: String,
    },
}

impl ManifestError {
    /// Whether the file is no manifest, or none yet: others can do without it.
    #[must_use]
    pub fn is_about_the_file(&self) -> bool {
        matches!(
            self,
            Self::NotYaml { .. }
                | Self::LineBreak { .. }
                | Self::Templated { .. }
                | Self::TooDeep { .. }
                | Self::TooMuch { .. }
        )
    }

    /// Where.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::NotYaml { at, .. }
            | Self::LineBreak { at, .. }
            | Self::Templated { at }
            | Self::TooMuch { at, .. }
            | Self::TooDeep { at, .. }
            | Self::Unsafe { at, .. }
            | Self::Ambiguous { at, .. }
            | Self::DifferentImages { at, .. }
            | Self::NotOneProfile { at, .. }
            | Self::Unintended { at, .. } => *at,
        }
    }
}
