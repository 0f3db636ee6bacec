//! A report as text.

use std::fmt;

use super::{Accepted, Conclusion, Fallback, Refused, Report};
use crate::outcome::Answer;
use crate::policy::Errno;
use crate::untrusted::Text;

/// Most lines about what does not count.
const MOST: usize = 20;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.syscall())?;
        if self.number.is_some() {
            write!(f, "({})", self.args.join(", "))?;
        }
        match self.answer {
            Answer::Errno(number) => match Errno::new(number) {
                Some(errno) => write!(f, " = {errno}")?,
                None => write!(f, " = {number}")?,
            },
            Answer::Success => f.write_str(" = 0, without being made")?,
            Answer::Returned => f.write_str(" = answered, without being made")?,
            Answer::Sigsys => f.write_str(" = SIGSYS, handled")?,
            Answer::Killed => f.write_str(" = killed")?,
        }
        write!(f, "  by {}", self.program)?;
        if let Some(container) = &self.container {
            write!(f, " in {container}")?;
        }
        if !self.abi.is_native() {
            write!(f, " ({})", self.abi)?;
        }
        match (self.others, self.count) {
            (_, 0 | 1) => {}
            (true, count) => write!(f, ", and {} more with other arguments", count - 1)?,
            (false, count) => write!(f, ", {count} times")?,
        }
        Ok(())
    }
}

impl Report {
    /// What people read: a line for each refusal and each fallback, and one that sums up.
    pub fn text(&self) -> Text {
        let mut text = Text::new();
        let profile = &self.profile;
        for refused in &self.refused {
            let doubt = if refused.sure { "" } else { "; whether the profile did so is not known" };
            text.line(format_args!("refused   {refused}{doubt}"));
        }
        for Fallback { refused, falls_back_to } in &self.fallbacks {
            text.line(format_args!("fallback  {refused}; {} is allowed", falls_back_to.join(", ")));
        }
        for Accepted { refused, reason } in &self.accepted {
            text.line(format_args!("accepted  {refused}; {reason}"));
        }
        let aside: [(&str, &[Refused], String); 3] = [
            (
                "runtime   ",
                &self.runtime,
                "the container runtime goes on without it, and Docker's default refuses it too"
                    .into(),
            ),
            (
                "other     ",
                &self.elsewhere,
                format!(
                    "answered by another filter, a supervisor or a tracer; {profile} allows it"
                ),
            ),
            ("no call   ", &self.no_such_call, "Linux has no such call".into()),
        ];
        for (label, refused, why) in aside {
            for refused in refused.iter().take(MOST) {
                text.line(format_args!("{label}{refused}; {why}"));
            }
            if let Some(more @ 1..) = refused.len().checked_sub(MOST) {
                text.line(format_args!("{label}and {more} more, all of them with --format json"));
            }
        }
        if self.lost > 0 {
            text.line(format_args!("refused   {} more, for which there was no room", self.lost));
        }
        for container in &self.unknown {
            text.line(format_args!(
                "unknown   {container}: it is not known under which filter it ran"
            ));
        }
        for line in &self.missed {
            text.line(format_args!("missed    {line}"));
        }
        match self.still_running {
            0 => {}
            1 => text.line("running   1 task ran on at the end; what it called later was not seen"),
            tasks => text.line(format_args!(
                "running   {tasks} tasks ran on at the end; what they called later was not seen"
            )),
        }
        text.line(self.summary());
        text
    }

    fn summary(&self) -> String {
        let command = self.command.first().map_or("nothing", String::as_str);
        let ended = self.status;
        let known = self.containers.iter().filter(|name| !self.unknown.contains(name));
        let known: String = known.map(|name| format!(", {name}")).collect();
        let profile = &self.profile;
        let under = match (self.containers.len(), known.as_str()) {
            (1.., "") => String::new(),
            _ => format!("{known} under {profile}"),
        };
        let aside = self.runtime.len() + self.elsewhere.len() + self.no_such_call.len();
        let refused = match (self.refused.len(), self.accepted.len()) {
            (0, _) if self.lost > 0 => "calls were refused".to_owned(),
            (0, 0) if aside == 0 => "nothing was refused".to_owned(),
            (0, 0) => "nothing was refused by the profile".to_owned(),
            (0, _) => "nothing was refused but what is accepted".to_owned(),
            (1, _) => "1 call was refused".to_owned(),
            (count, _) => format!("{count} calls were refused"),
        };
        let incomplete = match self.conclusion() {
            Conclusion::Incomplete => ", as far as is known",
            Conclusion::Clean | Conclusion::Refused => "",
        };
        format!("{command} {ended}{under}; {refused}{incomplete}")
    }
}
