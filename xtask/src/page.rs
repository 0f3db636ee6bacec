//! Pages of `docs/` that a measurement writes a part of: what is between the marks; the rest is written by hand.

use std::path::Path;

use anyhow::{Context, Result};

const END: &str = "<!-- end -->\n";

/// Writes the part of the page that this command measures.
pub fn write(page: &Path, command: &str, measured: &str) -> Result<()> {
    let text =
        std::fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let text = with(&text, command, measured).with_context(|| page.display().to_string())?;
    std::fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
}

/// The page with this between its marks.
fn with(page: &str, command: &str, measured: &str) -> Result<String> {
    let begin = format!("<!-- measured: written by `cargo xtask {command}` -->\n");
    let (before, rest) = page.split_once(&begin).with_context(|| format!("no line {begin:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
    Ok(format!("{before}{begin}\n{measured}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let begin = "<!-- measured: written by `cargo xtask x` -->\n";
        let page = format!("# Title\n{begin}old\n{END}more\n");
        let once = with(&page, "x", "new").unwrap();
        assert_eq!(once, format!("# Title\n{begin}\nnew\n{END}more\n"));
        assert_eq!(with(&once, "x", "new").unwrap(), once);
        assert!(with("# Title\n", "x", "new").is_err());
        assert!(with(&page, "y", "new").is_err());
    }

    #[test]
    fn the_projects_pages_have_the_marks() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        for (page, command) in
            [("quality.md", "quality"), ("cost.md", "bench"), ("refusals.md", "quality --errno")]
        {
            let text = std::fs::read_to_string(docs.join(page)).unwrap();
            assert!(with(&text, command, "").is_ok(), "{page}");
        }
    }
}
