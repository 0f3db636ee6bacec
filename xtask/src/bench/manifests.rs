//! How long `strait apply` takes for a thousand manifests.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::Lab;
use super::report::{Bound, Limit, Line};
use super::stats::Spread;
use crate::run::Tool;
use crate::ui;

const MANIFESTS: usize = 1000;
const LINES: usize = 200;

const PROFILE: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO",
  "syscalls": [{"names": ["exit", "exit_group", "execve"], "action": "SCMP_ACT_ALLOW"}]
}"#;

pub fn measure(lab: &Lab, rounds: u32) -> Result<Vec<Line>> {
    ui::step("manifests");
    let folder = lab.scratch.path().join("manifests");
    write_all(&folder)?;
    let profile = lab.scratch.path().join("web.json");
    std::fs::write(&profile, PROFILE).context("cannot write the profile")?;
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let before = Instant::now();
        let diff = Tool::new(&lab.strait)
            .args(["apply", "--quiet"])
            .args([&profile, &folder])
            .stdout("applying a profile to manifests")?;
        figures.push(before.elapsed().as_secs_f64());
        let edited = diff.matches("+        localhostProfile: web.json\n").count();
        anyhow::ensure!(edited == MANIFESTS, "{edited} of {MANIFESTS} manifests were edited");
    }
    let figure = Spread::from_figures(&figures);
    Ok(vec![Line {
        name: format!("{MANIFESTS} manifests of {LINES} lines: strait apply, with a diff"),
        unit: "s",
        figure: Some(figure),
        ratio: None,
        remark: String::new(),
        bound: Some(Bound { what: "s:", value: figure.median, limit: Limit::Below(2.0) }),
    }])
}

fn write_all(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).context("cannot make a folder")?;
    for nth in 0..MANIFESTS {
        let path = folder.join(format!("web-{nth}.yaml"));
        std::fs::write(&path, manifest(nth))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A pod with the given number of lines.
fn manifest(nth: usize) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-{nth}   # one of many\nspec:\n  containers:\n  - name: \
         web\n    image: example.org/web:{nth}\n    env:\n"
    );
    let mut lines = text.lines().count();
    while lines + 3 <= LINES {
        let _ = write!(
            text,
            "    # variable {lines}\n    - name: VARIABLE_{lines}\n      value: \"of web {nth}\"\n"
        );
        lines += 3;
    }
    text.push_str(&"    # the end\n".repeat(LINES - lines));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_its_lines() {
        assert_eq!(manifest(7).lines().count(), LINES);
    }
}
