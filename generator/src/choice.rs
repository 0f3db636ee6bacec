//! Enumerations whose values are chosen by name.

/// A closed list of things with names, such as the targets of an export: a command line, its help and its completion
/// are made from it.
pub trait Choice: Copy + Send + Sync + 'static {
    /// All of them, in the order in which they are listed.
    fn all() -> Vec<Self>;
    /// Its name, in lower case, words joined by `-`.
    fn name(self) -> &'static str;
    /// What it is, in a line.
    fn help(self) -> &'static str;
    /// The one with this name.
    #[must_use]
    fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|one| one.name() == name)
    }
}

/// Names the values of an enum and says what they are. One that is forgotten does not compile.
macro_rules! choices {
    ($type:ty { $($variant:ident $(($inner:path))? => $name:literal, $help:literal;)+ }) => {
        impl $crate::choice::Choice for $type {
            fn all() -> Vec<Self> {
                vec![$(Self::$variant $(($inner))?),+]
            }

            fn name(self) -> &'static str {
                match self { $(Self::$variant $(($inner))? => $name,)+ }
            }

            fn help(self) -> &'static str {
                match self { $(Self::$variant $(($inner))? => $help,)+ }
            }
        }
    };
}

pub(crate) use choices;
