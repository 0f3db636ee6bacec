//! An audit as people read it.

use std::fmt;

use super::{Audit, ContainerLevel, Finding, Level, standard};
use crate::foreign::one_line;

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
                let place = format!("{}:{}", audit.file, finding.at);
                let line = format!("{place}: {severity}: {who}: {} [{id}]", finding.message);
                writeln!(f, "{}", one_line(&line))?;
            }
        }
        for container in &audit.levels {
            let line = format!("{}:{}: {}", audit.file, container.at, level(container));
            writeln!(f, "{}", one_line(&line))?;
        }
        Ok(())
    }
}

/// Which level a container reaches, and what the next one asks for.
fn level(container: &ContainerLevel) -> String {
    let changed = container.after.filter(|after| *after != container.level);
    let changed = changed.map(|after| format!(" → {after}")).unwrap_or_default();
    let reached =
        format!("{}, {}: {}{changed}", container.owner, container.container, container.level);
    let next = match container.reached() {
        Level::Restricted => {
            return format!("{reached} (Pod Security Standards {})", standard::version());
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
    format!("{reached}; {next} asks for {}", asked.join(", "))
}

fn who(finding: &Finding) -> String {
    match &finding.container {
        Some(container) => format!("{}, {container}", finding.owner),
        None => finding.owner.clone(),
    }
}
