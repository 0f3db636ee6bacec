//! An audit as text.

use super::{Audit, ContainerLevel, Finding, Level, Version};
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
                let about = about(finding);
                let place = format!("{}:{}", self.file, finding.at);
                text.line(format_args!("{place}: {severity}: {about} [{id}]"));
            }
        }
        for container in &self.levels {
            text.line(format_args!(
                "{}:{}: {}",
                self.file,
                container.at,
                level(container, self.version)
            ));
        }
        text
    }
}

/// Which level a container reaches, and what the next one asks for.
fn level(container: &ContainerLevel, version: Version) -> String {
    let changed = container.after.filter(|after| *after != container.level);
    let changed = changed.map(|after| format!(" → {after}")).unwrap_or_default();
    let reached =
        format!("{}, {}: {}{changed}", container.owner, container.container, container.level);
    let next = match container.reached() {
        Level::Restricted => {
            return format!("{reached} (Pod Security Standards {version})");
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

/// What a finding says, with the pod and the container that it is about.
pub(super) fn about(finding: &Finding) -> String {
    let Finding { owner, message, .. } = finding;
    match &finding.container {
        Some(container) => format!("{owner}, {container}: {message}"),
        None if owner.is_empty() => message.clone(),
        None => format!("{owner}: {message}"),
    }
}
