//! An audit as people read it.

use std::fmt;

use super::{Audit, Finding, Level, standard};

/// An audit as text.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What to show.
    pub audit: &'a Audit,
    /// Only what says that a profile is missing or has no effect, and the levels.
    pub brief: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audit = self.audit;
        for finding in &audit.findings {
            if !self.brief || finding.rule.is_about_seccomp() {
                let severity = finding.rule.severity();
                let id = finding.rule.id();
                let who = who(finding);
                writeln!(
                    f,
                    "{}:{}: {severity}: {who}: {} [{id}]",
                    audit.file, finding.at, finding.message
                )?;
            }
        }
        for container in &audit.levels {
            let (who, level) =
                (format!("{}, {}", container.owner, container.container), container.level);
            write!(f, "{}:{}: {who}: ", audit.file, container.at)?;
            match container.after {
                Some(after) if after != level => write!(f, "{level} → {after}")?,
                _ => write!(f, "{level}")?,
            }
            let next = match container.reached() {
                Level::Restricted => {
                    writeln!(f, " (Pod Security Standards {})", standard::version())?;
                    continue;
                }
                Level::Baseline => Level::Restricted,
                Level::Privileged => Level::Baseline,
            };
            let mut asked: Vec<String> = Vec::new();
            for obstacle in &container.obstacles {
                let asks = format!("{}: {}", obstacle.field, obstacle.asks);
                if !asked.contains(&asks) {
                    asked.push(asks);
                }
            }
            writeln!(f, "; {next} asks for {}", asked.join(", "))?;
        }
        Ok(())
    }
}

fn who(finding: &Finding) -> String {
    match &finding.container {
        Some(container) => format!("{}, {container}", finding.owner),
        None => finding.owner.clone(),
    }
}
