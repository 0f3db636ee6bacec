//! What came of recording containers, and what there is to say about it.

use std::collections::BTreeSet;

use super::{ContainerRecording, Status};
use crate::recording::{ContainerOrigin, Losses, TargetKind};

/// What came of recording containers.
pub struct ContainersOutcome {
    /// One for each container, in the order in which they began.
    pub recordings: Vec<ContainerRecording>,
    /// Refusals for which there was no room.
    pub refusals_lost: u64,
    /// What should be known: engines that could not be asked, and containers that were left with a
    /// profile of their own.
    pub notes: Vec<String>,
    /// How the command ended, if there was one.
    pub status: Option<Status>,
    /// What was lost of any container, or before it was known of which.
    pub losses: Losses,
    /// Tasks that still ran when the recording ended.
    pub still_running: u64,
    /// Containers that were started and that `only` does not choose, by their names.
    pub others: BTreeSet<String>,
    /// Containers that were left out, by their names, since others than the command have started them.
    pub left_out: BTreeSet<String>,
}

/// Something to tell the user about the containers of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// What keeps a container from counting, or from having run at all.
    Warning(String),
    /// What changes nothing.
    Note(String),
}

impl Remark {
    /// What is to be told. Names in it come from outside.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Warning(text) | Self::Note(text) => text,
        }
    }
}

/// Why there is no recording of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// There was none that could have been recorded.
    NoneStarted,
    /// Those that there were are others than were asked for.
    NotThese,
    /// There was no room for what was recorded.
    Lost,
}

impl ContainersOutcome {
    /// What there is to say about who started the containers. With `wants_others`, those of others than the command
    /// were asked for.
    #[must_use]
    pub fn about_origins(&self, wants_others: bool) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if !self.left_out.is_empty() {
            remarks.push(Remark::Warning(format!(
                "left out, because the command does not seem to have started them: {}. Use --all to include them, \
                 or --only NAME to choose some",
                list(&self.left_out)
            )));
        }
        let by_time: BTreeSet<String> = self
            .recordings
            .iter()
            .map(|one| &one.recording.target)
            .filter(|target| {
                matches!(&target.kind, TargetKind::Container(container)
                    if container.origin == Some(ContainerOrigin::Time))
            })
            .map(|target| target.name.clone())
            .collect();
        if !by_time.is_empty() && !wants_others {
            remarks.push(Remark::Warning(format!(
                "it is not known whether the command started these containers, only that they were started while \
                 it ran: {}. Use --only NAME to choose among them",
                list(&by_time)
            )));
        }
        remarks
    }

    /// Why no recording could be written, and what there is to say about it. `asked` are the options that chose
    /// containers.
    #[must_use]
    pub fn about_nothing(&self, asked: &[String]) -> (Nothing, Vec<Remark>) {
        let mut remarks = Vec::new();
        if self.recordings.is_empty() {
            remarks.push(Remark::Warning(match self.others.is_empty() {
                true => "no container was started".to_owned(),
                false => format!(
                    "{} matches none of the containers that were started: {}",
                    asked.join(" "),
                    list(&self.others)
                ),
            }));
        }
        let lost = self.losses.describe();
        let lost = lost.into_iter().map(|line| Remark::Warning(format!("incomplete: {line}")));
        remarks.extend(lost);
        let nothing = match (self.losses.is_zero(), asked.is_empty()) {
            (false, _) => Nothing::Lost,
            // Without a choice all was recorded that there was.
            (true, true) => Nothing::NoneStarted,
            (true, false) => Nothing::NotThese,
        };
        (nothing, remarks)
    }
}

/// Names, of which there may be many.
fn list(names: &BTreeSet<String>) -> String {
    const MOST: usize = 20;
    let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).take(MOST).collect();
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(others: &[&str], losses: Losses) -> ContainersOutcome {
        ContainersOutcome {
            recordings: Vec::new(),
            refusals_lost: 0,
            notes: Vec::new(),
            status: None,
            losses,
            still_running: 0,
            others: others.iter().map(|name| (*name).to_owned()).collect(),
            left_out: BTreeSet::new(),
        }
    }

    fn texts(remarks: &[Remark]) -> Vec<&str> {
        remarks.iter().map(Remark::text).collect()
    }

    #[test]
    fn why_there_is_nothing_is_said() {
        let only = ["--only web".to_owned()];
        let (why, remarks) = outcome(&[], Losses::default()).about_nothing(&[]);
        assert_eq!(
            (why, texts(&remarks)),
            (Nothing::NoneStarted, vec!["no container was started"])
        );
        let (why, remarks) = outcome(&["db"], Losses::default()).about_nothing(&only);
        assert_eq!(why, Nothing::NotThese);
        let expected = "--only web matches none of the containers that were started: `db`";
        assert_eq!(texts(&remarks), [expected]);
        let losses = Losses { tasks: 3, ..Losses::default() };
        let (why, remarks) = outcome(&[], losses).about_nothing(&only);
        assert_eq!((why, remarks.len()), (Nothing::Lost, 2));
        assert!(texts(&remarks)[1].starts_with("incomplete: "), "{remarks:?}");
    }

    #[test]
    fn of_many_containers_some_are_named() {
        let mut outcome = outcome(&[], Losses::default());
        outcome.left_out = (10..40).map(|nth| format!("c{nth}")).collect();
        let remarks = outcome.about_origins(true);
        let [text] = texts(&remarks)[..] else { panic!("{remarks:?}") };
        assert!(text.contains("`c10`, `c11`") && text.contains("and 10 more"), "{text}");
    }
}
