//! What the containers of a run say about a profile: those that were not under it say nothing.

use super::Under;
use crate::outcome::{ContainerRecording, Remark};
use crate::policy::decide::Witness;
use crate::recording::{Recording, TargetKind};

/// podman's name among engines: it does not tell a default of its settings from its own.
const PODMAN: &str = "podman";

/// What a container's run says about a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// It ran under the profile.
    Under,
    /// It ran under a filter that lets the same through, and answers this call differently.
    OtherAnswers(Witness),
    /// Its filter is not known.
    Unknown,
    /// Nothing: it only looks like a container.
    Unconfirmed,
    /// Nothing: it ran without a filter.
    NoFilter,
    /// Nothing: it ran under its engine's default profile.
    EngineDefault,
    /// Nothing: it ran under another profile, which treats this call differently.
    OtherProfile(Witness),
}

impl Standing {
    /// Whether what was refused in the container counts.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Under | Self::OtherAnswers(_) | Self::Unknown)
    }
}

/// Finds out what a container's run says about a profile from the filter that it ran under, if that is known.
/// `is_injected` says whether the profile was given to the containers that have none of their own.
pub fn standing(recording: &Recording, under: Option<Under>, is_injected: bool) -> Standing {
    if recording.is_unconfirmed() {
        return Standing::Unconfirmed;
    }
    let TargetKind::Container(container) = &recording.target.kind else { return Standing::Under };
    if !container.filtered {
        return Standing::NoFilter;
    }
    let is_known = container.engine != PODMAN || !is_injected;
    let is_default = container.profile == "default" && is_known;
    match under {
        Some(Under::Profile) => Standing::Under,
        Some(Under::OtherAnswers(witness)) => Standing::OtherAnswers(witness),
        Some(Under::Other(_)) | None if is_default => Standing::EngineDefault,
        Some(Under::Other(witness)) => Standing::OtherProfile(witness),
        None => Standing::Unknown,
    }
}

/// The containers that count, and what there is to say about them and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Looked {
    /// In the order of the containers. Names in them come from outside.
    pub remarks: Vec<Remark>,
    /// Names of the containers of which the filter is not known.
    pub unknown: Vec<String>,
}

/// Keeps the recordings of containers that say something about the profile of this name.
pub fn keep_verified(
    recordings: &mut Vec<ContainerRecording>,
    profile: &str,
    is_injected: bool,
    under: impl Fn(&ContainerRecording) -> Option<Under>,
) -> Looked {
    let mut looked = Looked::default();
    let mut other_answers = false;
    recordings.retain(|one| {
        let container = &one.recording.target.name;
        let standing = match one.recording.is_unconfirmed() {
            true => Standing::Unconfirmed,
            false => standing(&one.recording, under(one), is_injected),
        };
        match standing {
            // It is the engine's doing, and so the same in the next container.
            Standing::OtherAnswers(witness) if !other_answers => {
                other_answers = true;
                looked.remarks.push(Remark::Note(format!(
                    "the filter of {container} answers refused calls differently than {profile}: {}",
                    both(&witness)
                )));
            }
            Standing::Under | Standing::OtherAnswers(_) => {}
            Standing::Unknown => looked.unknown.push(container.clone()),
            Standing::Unconfirmed
            | Standing::NoFilter
            | Standing::EngineDefault
            | Standing::OtherProfile(_) => {
                let why = why_not(standing, profile, is_injected);
                looked.remarks.push(Remark::Warning(format!("{container} {why}")));
                return false;
            }
        }
        if one.recording.is_before_start() {
            looked.remarks.push(Remark::Warning(format!(
                "{container} did not start: its runtime ended before it executed the program"
            )));
        }
        true
    });
    looked
}

/// Why a container does not count.
fn why_not(standing: Standing, profile: &str, is_injected: bool) -> String {
    let advice = if is_injected { "it was created before" } else { "--inject would give it" };
    match standing {
        Standing::Unconfirmed => format!(
            "is unconfirmed: it only looks like a container, and does not count as run under {profile}"
        ),
        Standing::NoFilter => "ran without a filter, so nothing was refused in it".to_owned(),
        Standing::EngineDefault => format!(
            "ran under the default profile of its engine and not under {profile} ({advice})"
        ),
        Standing::OtherProfile(witness) => {
            format!("ran under another profile than {profile}: {}", both(&witness))
        }
        Standing::Under | Standing::OtherAnswers(_) | Standing::Unknown => String::new(),
    }
}

fn both(witness: &Witness) -> String {
    format!("{witness} gets \"{}\" there, and \"{}\" here", witness.after, witness.before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::policy::{Action, Errno};
    use crate::recording::{Container, example};

    const WITNESS: Witness = Witness {
        abi: Abi::X86_64,
        number: 39,
        args: [0; 6],
        before: Action::Errno(Errno::ENOSYS),
        after: Action::Allow,
    };

    fn of(change: impl Fn(&mut Container)) -> ContainerRecording {
        let mut container = Container { filtered: true, ..Container::default() };
        change(&mut container);
        let mut recording = example::recording(&[(Abi::X86_64, 1)]);
        recording.target.kind = TargetKind::Container(Box::new(container));
        recording.target.name = "web".to_owned();
        ContainerRecording {
            file: None,
            recording,
            seccomp: None,
            filter: None,
            refusals: Vec::new(),
        }
    }

    fn with_profile(engine: &'static str, profile: &'static str) -> ContainerRecording {
        of(|container| {
            container.engine = engine.to_owned();
            container.profile = profile.to_owned();
        })
    }

    #[test]
    fn a_container_counts_if_its_filter_lets_the_same_through() {
        let own = with_profile("docker", "/p.json").recording;
        assert_eq!(standing(&own, Some(Under::Profile), false), Standing::Under);
        let answers = standing(&own, Some(Under::OtherAnswers(WITNESS)), false);
        assert_eq!(answers, Standing::OtherAnswers(WITNESS));
        assert!(answers.counts() && Standing::Unknown.counts());
        let other = standing(&own, Some(Under::Other(WITNESS)), false);
        assert_eq!(other, Standing::OtherProfile(WITNESS));
        assert!(!other.counts());
        let none = of(|container| container.filtered = false).recording;
        assert_eq!(standing(&none, Some(Under::Profile), false), Standing::NoFilter);
    }

    #[test]
    fn podmans_word_for_its_default_is_not_taken_where_strait_gives_the_profile() {
        for (engine, is_injected, expected) in [
            ("docker", false, Standing::EngineDefault),
            ("docker", true, Standing::EngineDefault),
            ("podman", false, Standing::EngineDefault),
            ("podman", true, Standing::Unknown),
        ] {
            let recording = with_profile(engine, "default").recording;
            assert_eq!(standing(&recording, None, is_injected), expected, "{engine} {is_injected}");
        }
    }

    #[test]
    fn what_does_not_count_is_left_out_and_said() {
        let mut recordings = vec![
            of(|container| container.unconfirmed = true),
            of(|container| container.filtered = false),
            with_profile("docker", "default"),
            with_profile("docker", "/p.json"),
        ];
        let looked = keep_verified(&mut recordings, "app.json", false, |_| None);
        assert_eq!((recordings.len(), looked.unknown), (1, vec!["web".to_owned()]));
        let said: Vec<String> = looked.remarks.iter().map(|remark| format!("{remark:?}")).collect();
        assert!(
            said[0].contains("unconfirmed") && said[1].contains("without a filter"),
            "{said:?}"
        );
        assert!(said[2].contains("--inject would give it"), "{said:?}");
    }

    #[test]
    fn other_answers_are_said_once() {
        let mut recordings = vec![with_profile("docker", ""), with_profile("docker", "")];
        let under = |_: &ContainerRecording| Some(Under::OtherAnswers(WITNESS));
        let looked = keep_verified(&mut recordings, "app.json", false, under);
        assert_eq!(recordings.len(), 2);
        assert!(
            matches!(looked.remarks.as_slice(), [Remark::Note(note)] if note.contains("getpid"))
        );
    }
}
