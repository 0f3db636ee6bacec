//! `docs/quality.md` and its picture: what is between the marks of the page is written here, the rest by hand.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::policy::Policy;
use super::results::Results;
use super::{plot, table};

const BEGIN: &str = "<!-- measured: written by `cargo xtask quality` -->\n";
const END: &str = "<!-- end -->\n";

/// Writes the measured part of the page, and the picture.
pub fn write(root: &Path, results: &Results) -> Result<()> {
    let page = root.join("docs/quality.md");
    let text = std::fs::read_to_string(&page)
        .with_context(|| format!("cannot read {}", page.display()))?;
    let text = with(&text, &measured(results)).with_context(|| page.display().to_string())?;
    std::fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))?;
    let picture = root.join("docs/quality.svg");
    std::fs::write(&picture, plot::svg(results))
        .with_context(|| format!("cannot write {}", picture.display()))
}

/// The page with this between its marks.
fn with(page: &str, measured: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n{measured}\n{END}{after}"))
}

fn measured(results: &Results) -> String {
    let mut text = format!(
        "Measured on {} with {} on Linux {}, {}: {} applications.\n\n",
        results.date,
        results.strait,
        results.kernel,
        results.machine,
        results.apps.len()
    );
    text.push_str(&table::summary(results));
    text.push_str(
        "\n![Two diagrams: calls allowed, and calls of risk, against broken checks](quality.svg)\n\n\
         Each application: calls allowed, how many of them are of risk medium or high; broken events and\n\
         configurations, each of all.\n\n",
    );
    text.push_str(&table::details(results));
    for policy in [Policy::Reach, Policy::Docker] {
        let broken = table::broken(results, policy);
        if results.policies().contains(&policy) && !broken.is_empty() {
            let _ = write!(text, "\n### Broken under {}\n\n{broken}", policy.title());
        }
    }
    text.push_str("\n### Applications\n\n");
    for app in &results.apps {
        let packages: Vec<String> =
            app.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let _ = writeln!(text, "- **{}**: {} ({})", app.name, app.title, packages.join(", "));
        if !app.not_counted.is_empty() {
            let _ = writeln!(
                text,
                "  - fails without a filter too, not counted: {}",
                app.not_counted.join("; ")
            );
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::example;
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let page = format!("# Title\n{BEGIN}old\n{END}more\n");
        let once = with(&page, "new").unwrap();
        assert_eq!(once, format!("# Title\n{BEGIN}\nnew\n{END}more\n"));
        assert_eq!(with(&once, "new").unwrap(), once);
        assert!(with("# Title\n", "new").is_err());
    }

    #[test]
    fn the_page_says_when_and_with_what_it_was_measured() {
        let text = measured(&example());
        assert!(text.starts_with(
            "Measured on 2026-11-28 with strait 0.1.0 on Linux 6.12, x86_64: 2 applications."
        ));
        assert!(text.contains("- **two**: the application two (two 1.0)"));
        assert!(
            text.contains("### Broken under Strait, reach")
                && !text.contains("### Broken under Docker")
        );
    }

    #[test]
    fn the_projects_page_has_the_marks() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/quality.md");
        assert!(with(&std::fs::read_to_string(page).unwrap(), "").is_ok());
    }
}
