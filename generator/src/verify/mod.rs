//! What came of running a command under a profile.
//!
//! [`Report`] is the model; [`json`] is its file format, and [`Report::text`] is for people.

pub mod json;
mod under;

use std::fmt;

use crate::abi::Abi;
use crate::decode;
use crate::policy::fallback::{self, Judgement};
use crate::policy::{Errno, Policy};
use crate::record::{ContainersOutcome, Outcome, Refusal, Status};
use crate::untrusted::Text;

pub use under::{Under, under};

/// A run under a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Path of the profile, as given.
    pub profile: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// How the command ended.
    pub status: Status,
    /// The containers in which refusals were looked for; empty for a command that itself was under the
    /// profile.
    pub containers: Vec<String>,
    /// Calls that the workload was kept from, in the order of the first time.
    pub refused: Vec<Refused>,
    /// Calls that are refused by design, with what software makes instead.
    pub fallbacks: Vec<Fallback>,
    /// Refusals for which there was no room, so that nothing is known of them but their number.
    pub lost: u64,
}

/// A call that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// ABI of the call.
    pub abi: Abi,
    /// Its number; `None` if the task was killed and no more is known.
    pub number: Option<u32>,
    /// The arguments of the first one, decoded.
    pub args: Vec<String>,
    /// What it was answered with; `None` if the task was killed or got SIGSYS.
    pub errno: Option<Errno>,
    /// Path of the executable that made it.
    pub program: String,
    /// The container in which it was made, if it was in one.
    pub container: Option<String>,
    /// How often.
    pub count: u64,
}

/// A call that is refused so that software makes another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The call.
    pub refused: Refused,
    /// What is made instead, the likeliest first; the profile allows it.
    pub falls_back_to: Vec<&'static str>,
}

impl Report {
    /// About a command that was run under the profile.
    pub fn new(profile: &str, policy: &Policy, outcome: &Outcome) -> Self {
        let mut report = Self {
            profile: profile.to_owned(),
            command: outcome.recording.target.command.clone(),
            status: outcome.status,
            containers: Vec::new(),
            refused: Vec::new(),
            fallbacks: Vec::new(),
            lost: outcome.refusals_lost,
        };
        report.add(policy, &outcome.refusals, None);
        report
    }

    /// About containers that a command started under the profile.
    pub fn of_containers(
        profile: &str,
        policy: &Policy,
        command: Vec<String>,
        outcome: &ContainersOutcome,
    ) -> Self {
        let mut report = Self {
            profile: profile.to_owned(),
            command,
            status: outcome.status.unwrap_or(Status::Exited(0)),
            containers: Vec::new(),
            refused: Vec::new(),
            fallbacks: Vec::new(),
            lost: outcome.refusals_lost,
        };
        for container in &outcome.recordings {
            let name = &container.recording.target.name;
            report.containers.push(name.clone());
            report.add(policy, &container.refusals, Some(name));
        }
        report
    }

    /// Tells refusals from fallbacks.
    fn add(&mut self, policy: &Policy, refusals: &[Refusal], container: Option<&String>) {
        for refusal in refusals {
            let refused = Refused::new(refusal, container);
            match judge(policy, refusal) {
                Judgement::Refused => self.refused.push(refused),
                Judgement::Fallback(falls_back_to) => {
                    self.fallbacks.push(Fallback { refused, falls_back_to });
                }
            }
        }
    }

    /// Whether the workload got all that it asked for.
    pub fn is_clean(&self) -> bool {
        self.refused.is_empty() && self.lost == 0
    }
}

fn judge(policy: &Policy, refusal: &Refusal) -> Judgement {
    let Some(number) = refusal.number else { return Judgement::Refused };
    let errno = errno(refusal);
    let args = refusal.args;
    fallback::judge(policy, &fallback::Refusal { abi: refusal.abi, number, args, errno })
}

fn errno(refusal: &Refusal) -> Option<Errno> {
    Errno::new(u16::try_from(refusal.errno?).ok()?)
}

impl Refused {
    fn new(refusal: &Refusal, container: Option<&String>) -> Self {
        Self {
            abi: refusal.abi,
            number: refusal.number,
            args: refusal.number.map_or_else(Vec::new, |number| {
                decode::arguments(refusal.abi, number, &refusal.args)
            }),
            errno: errno(refusal),
            program: refusal.program.clone(),
            container: container.cloned(),
            count: refusal.count,
        }
    }

    /// Name of the call, or its number if it has no name.
    pub fn syscall(&self) -> String {
        let Some(number) = self.number else { return "a call that is not known".to_owned() };
        self.abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.syscall())?;
        if self.number.is_some() {
            write!(f, "({})", self.args.join(", "))?;
        }
        match self.errno {
            Some(errno) => write!(f, " = {errno}")?,
            None => f.write_str(" = killed")?,
        }
        write!(f, "  by {}", self.program)?;
        if let Some(container) = &self.container {
            write!(f, " in {container}")?;
        }
        if !self.abi.is_native() {
            write!(f, " ({})", self.abi)?;
        }
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        Ok(())
    }
}

impl Report {
    /// What people read: a line for each refusal and each fallback, and one that sums up.
    pub fn text(&self) -> Text {
        let mut text = Text::new();
        for refused in &self.refused {
            text.line(format_args!("refused   {refused}"));
        }
        for Fallback { refused, falls_back_to } in &self.fallbacks {
            text.line(format_args!("fallback  {refused}; {} is allowed", falls_back_to.join(", ")));
        }
        if self.lost > 0 {
            text.line(format_args!("refused   {} more, for which there was no room", self.lost));
        }
        let command = self.command.first().map_or("nothing", String::as_str);
        let ended = match self.status {
            Status::Exited(code) => format!("exited with {code}"),
            Status::Signaled(signal) => format!("was ended by {signal}"),
        };
        let containers = match self.containers.as_slice() {
            [] => String::new(),
            containers => format!(", {}", containers.join(", ")),
        };
        let refused = match self.refused.len() {
            0 if self.lost == 0 => "nothing was refused".to_owned(),
            0 => "calls were refused".to_owned(),
            1 => "1 call was refused".to_owned(),
            count => format!("{count} calls were refused"),
        };
        let profile = &self.profile;
        text.line(format_args!("{command} {ended}{containers} under {profile}; {refused}"));
        text
    }
}
