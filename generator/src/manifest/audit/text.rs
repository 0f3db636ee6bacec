//! An audit as people read it.

use super::{Audit, ContainerLevel, Finding, Level, standard};
use crate::untrusted::Text;

impl Audit {
    /// The audit as people read it. `brief` is only what says that a profile is missing or has no effect, and the
    /// levels.
    pub fn text(&self, brief: bool) -> Text {
        let mut text = Text::new();
        for finding in &self.findings {
            if !brief || finding.rule.is_about_seccomp() {
                let severity = finding.rule.severity();
                let id = finding.rule.id();
                let who = who(finding);
                let place = format!("{}:{}", self.file, finding.at);
                text.line(format_args!("{place}: {severity}: {who}: {} [{id}]", finding.message));
            }
        }
        for container in &self.levels {
            text.line(format_args!("{}:{}: {}", self.file, container.at, level(container)));
        }
        text
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

/// The pod, and the container if it is about one.
pub(super) fn who(finding: &Finding) -> String {
    match &finding.container {
        Some(container) => format!("{}, {container}", finding.owner),
        None => finding.owner.clone(),
    }
}
