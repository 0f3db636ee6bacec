//! Pages of `docs/` that a measurement writes a part of: what is between the marks; the rest is written by hand.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::Tool;

const END: &str = "<!-- end -->\n";

/// Today, as `2026-11-28`.
pub fn today() -> Result<String> {
    let date = Tool::new("date").args(["-u", "+%F"]).stdout("asking for the day")?;
    Ok(date.trim().to_owned())
}

/// The version of the running kernel, without what whoever built it has added: `6.18.44`.
pub fn kernel() -> Result<String> {
    let names = nix::sys::utsname::uname().context("cannot ask for the kernel's release")?;
    Ok(version(&names.release().to_string_lossy()).to_owned())
}

fn version(release: &str) -> &str {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.');
    release[..end.unwrap_or(release.len())].trim_end_matches('.')
}

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
    fn of_a_kernel_its_version_is_told() {
        assert_eq!(version("6.18.44-cloud-7"), "6.18.44");
        assert_eq!(version("6.1.0-41-amd64"), "6.1.0");
        assert_eq!(version("6.12"), "6.12");
    }

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
