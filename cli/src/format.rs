//! `--format`: formats of reports. Each command has some of these; text is what is left when it has matched the
//! others.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For a comment on a pull request.
    Markdown,
    /// JSON of a schema of Strait's.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// A seccomp profile.
    Profile,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Profile => "profile",
        }
    }
}

/// Reads one of these, each with what it is for this command.
pub fn formats<const N: usize>(
    of_command: [(Format, &'static str); N],
) -> impl TypedValueParser<Value = Format> {
    let values = of_command.map(|(format, help)| PossibleValue::new(format.name()).help(help));
    PossibleValuesParser::new(values).try_map(move |name| {
        let found = of_command.iter().find(|(format, _)| format.name() == name);
        found.map(|(format, _)| *format).ok_or("clap has let another name through")
    })
}
