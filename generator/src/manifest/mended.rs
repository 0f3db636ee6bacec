//! Places of a file that were replaced so that the parser accepts it.

use std::collections::BTreeSet;

/// What a byte order mark is replaced by: as many line breaks as it has bytes.
pub(super) const BREAKS: usize = '\u{feff}'.len_utf8();

/// The places that are written in another way.
#[derive(Clone, Debug, Default)]
pub(super) struct Mended {
    /// A dash by itself between commas and brackets, which is a string to libyaml: `[cat, -]`.
    pub dashes: BTreeSet<usize>,
    /// Byte order marks behind `---`, where files were put together.
    pub marks: BTreeSet<usize>,
}

impl Mended {
    /// Whether the scalar at a byte is a dash.
    pub fn is_dash(&self, at: usize) -> bool {
        self.dashes.contains(&at)
    }

    /// How many line breaks there are before a byte that the file does not have.
    pub fn lines_before(&self, at: usize) -> usize {
        self.marks.range(..at).count() * BREAKS
    }
}
