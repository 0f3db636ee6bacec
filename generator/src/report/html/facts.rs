//! What was recorded, where and when, and what is missing from it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{more, number, plural, untrusted};
use crate::policy::Capability;
use crate::recording::{Completeness, Container, Recording, Source, Start, Target, TargetKind};

/// Most words of a command, labels of a container, and recordings that were merged.
const WORDS: usize = 60;
const LABELS: usize = 30;
const SOURCES: usize = 30;

/// The name of the target and what kind of recording this is.
pub(super) fn title(recording: &Recording) -> Markup {
    let kind = match recording.target.kind {
        TargetKind::Command => "command",
        TargetKind::Container(_) => "container",
        TargetKind::Processes => "running processes",
    };
    html! {
        h1 { (untrusted(&recording.target.name)) }
        p.tags {
            span.tag { (kind) }
            @match recording.completeness {
                Completeness::Complete => { span.tag.good { "complete" } }
                Completeness::Incomplete(_) => { span.tag.bad { "incomplete" } }
            }
            @if recording.target.start == Start::Attached { span.tag.warn { "start not recorded" } }
        }
    }
}

/// What is missing, in a box that is hard to overlook.
pub(super) fn losses(recording: &Recording) -> Markup {
    html! {
        @if let Completeness::Incomplete(losses) = recording.completeness {
            section.alarm {
                h2 { "This recording is incomplete" }
                p { "Calls are missing from it, and so from this page. A profile made of it may refuse what the workload needs." }
                ul { @for loss in losses.describe() { li { (loss) } } }
            }
        }
        @if !recording.caveats.is_empty() {
            section.caution {
                h2 { "What this recording does not show" }
                ul { @for caveat in &recording.caveats { li { (untrusted(&caveat.to_string())) } } }
            }
        }
        @if recording.target.start == Start::Attached {
            section.caution {
                p { "The target ran already when recording began: what it called to start is not here." }
            }
        }
    }
}

/// Where it comes from.
pub(super) fn section(recording: &Recording) -> Markup {
    let Recording { tool, host, target, .. } = recording;
    let sources = recording.sources();
    let of_many = sources.len() > 1;
    html! {
        section #recording {
            h2 { "What was recorded" }
            dl.facts {
                @if !target.command.is_empty() { dt { "Command" } dd { (command(target)) } }
                @if let TargetKind::Container(container) = &target.kind { (self::container(container)) }
                dt { "Machine" }
                dd {
                    (untrusted(&host.arch))
                    @if !host.kernel.is_empty() { ", Linux " (untrusted(&host.kernel)) }
                }
                dt { "Time" }
                dd {
                    (instant(recording.started)) " to " (instant(recording.finished))
                    @if !of_many { ", " (seconds(recording.started, recording.finished)) }
                }
                dt { "Began" }
                dd {
                    @match target.start {
                        Start::Filter => "when the runtime had installed the seccomp filter",
                        Start::Exec => "at the first exec",
                        Start::Attached => "later than the target",
                    }
                }
                dt { @if of_many { "Merged by" } @else { "Recorded by" } }
                dd { (untrusted(&tool.name)) " " (untrusted(&tool.version)) }
                @if of_many { dt { "Recordings" } dd { (self::sources(&sources)) } }
            }
        }
    }
}

fn command(target: &Target) -> Markup {
    html! {
        code {
            @for word in target.command.iter().take(WORDS) { (untrusted(word)) " " }
        }
        (more(target.command.len(), WORDS, "words"))
    }
}

fn container(container: &Container) -> Markup {
    let Container { engine, name, image, image_digest, runtime, runtime_version, .. } = container;
    html! {
        @for (term, text) in [("Container", name), ("Image", image), ("Digest", image_digest)] {
            @if !text.is_empty() { dt { (term) } dd { code { (untrusted(text)) } } }
        }
        @if !(engine.is_empty() && runtime.is_empty()) {
            dt { "Started by" }
            dd {
                (untrusted(engine))
                @if !engine.is_empty() && !runtime.is_empty() { ", " }
                (untrusted(runtime)) " " (untrusted(runtime_version))
            }
        }
        @if let Some(origin) = container.origin {
            dt { "Origin" }
            dd { (origin.to_string()) }
        }
        dt { "Privileges" }
        dd {
            (capabilities(container)) "; "
            @if container.no_new_privs { "no_new_privs" } @else { "without no_new_privs" }
        }
        dt { "Filter" }
        dd {
            @if container.filtered { "a seccomp filter was active" } @else { "none was active" }
            @if !container.profile.is_empty() { ": " (untrusted(&container.profile)) }
        }
        @if !container.labels.is_empty() {
            dt { "Labels" }
            dd {
                details {
                    summary { (plural(container.labels.len(), "label")) }
                    ul.plain {
                        @for (label, value) in container.labels.iter().take(LABELS) {
                            li { code { (untrusted(label)) } ": " (untrusted(value)) }
                        }
                    }
                    (more(container.labels.len(), LABELS, "more"))
                }
            }
        }
    }
}

/// The bounding set in words.
pub(super) fn capabilities(container: &Container) -> String {
    let Some(mask) = container.bounding_set else {
        return "capabilities that are not known".to_owned();
    };
    let had = Capability::from_mask(mask);
    if had.is_empty() {
        return "no capabilities".to_owned();
    }
    if had == Capability::all() {
        return "all capabilities".to_owned();
    }
    if had == Capability::docker_default() {
        return "Docker's default capabilities".to_owned();
    }
    had.iter().map(Capability::to_string).collect::<Vec<_>>().join(", ")
}

fn sources(sources: &[Source]) -> Markup {
    html! {
        details {
            summary { (plural(sources.len(), "recording")) " in one" }
            ul.plain {
                @for source in sources.iter().take(SOURCES) {
                    li {
                        (untrusted(&source.name)) ", " (instant(source.started)) ", "
                        (seconds(source.started, source.finished))
                    }
                }
            }
            (more(sources.len(), SOURCES, "more"))
        }
    }
}

/// As `2026-01-01 00:00:00 UTC`.
fn instant(time: Timestamp) -> Markup {
    html! { time { (time.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// As `0.3 s`, `1,200.0 s`.
fn seconds(from: Timestamp, to: Timestamp) -> String {
    let milliseconds = to.as_millisecond().saturating_sub(from.as_millisecond()).max(0);
    format!("{}.{} s", number(milliseconds / 1000), milliseconds / 100 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::ContainerOrigin;

    #[test]
    fn capabilities_are_abbreviated_where_possible() {
        let with = |bounding_set| Container { bounding_set, ..Container::default() };
        for (mask, words) in [
            (None, "not known"),
            (Some(0), "no capabilities"),
            (Some(u64::MAX), "all capabilities"),
            (Some(0xa804_25fb), "Docker's default"),
            (Some(0x0200_0000), "CAP_SYS_TIME"),
        ] {
            let text = capabilities(&with(mask));
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_known_origin_is_shown() {
        let of = |origin| container(&Container { origin, ..Container::default() }).into_string();
        assert!(of(Some(ContainerOrigin::Time)).contains("what started it is not known"));
        assert!(of(Some(ContainerOrigin::Engine)).contains("asked a container engine"));
        assert!(!of(None).contains("Origin"));
    }

    #[test]
    fn a_duration_is_never_negative() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:20:00.25Z");
        let (early, late): (Timestamp, Timestamp) = (early.parse().unwrap(), late.parse().unwrap());
        assert_eq!(seconds(early, late), "1,200.2 s");
        assert_eq!(seconds(late, early), "0.0 s");
    }
}
