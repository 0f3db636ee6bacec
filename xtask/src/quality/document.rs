//! `docs/quality.md` and its picture: what a measurement writes into the page.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::policy::Policy;
use super::results::Results;
use super::{plot, table};
use crate::page;

/// Writes the measured part of the page, and the picture.
pub fn write(root: &Path, results: &Results) -> Result<()> {
    page::write(&root.join("docs/quality.md"), "quality", &measured(results))?;
    let picture = root.join("docs/quality.svg");
    std::fs::write(&picture, plot::svg(results))
        .with_context(|| format!("cannot write {}", picture.display()))
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
}
