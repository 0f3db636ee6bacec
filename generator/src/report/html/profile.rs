//! What a profile of this recording would be, in the words of `generate`.

use maud::{Markup, html};

use super::{id, more, number, times};
use crate::generate::{Body, LeftOut, Refused, Section, Summary};
use crate::report::Report;
use crate::untrusted::one_line;

/// Most calls that were seen, or refused, and are not allowed.
const LISTED: usize = 100;

/// Whether there is anything that the default refuses.
pub(super) fn has_outside(summary: &Summary) -> bool {
    !(summary.left_out.is_empty()
        && summary.refused_values.is_empty()
        && summary.refused.is_empty())
}

/// What was called and the baseline refuses, and what was refused while recording.
pub(super) fn outside(report: &Report<'_>) -> Markup {
    let summary = &report.summary;
    html! {
        @if has_outside(summary) {
            section #outside {
                h2 { "Outside of " (summary.baseline) }
                @if !summary.left_out.is_empty() {
                    p.lead { "Calls that were made, and that a container under " (summary.baseline) " may not make. A profile leaves them out." }
                    (left_out(summary))
                }
                @if !summary.refused_values.is_empty() {
                    p.lead { "Arguments that were seen, and that " (summary.baseline) " refuses:" }
                    ul.plain { @for call in summary.refused_values() { li { code { (call) } } } }
                }
                @if !summary.refused.is_empty() {
                    p.lead { "Refused while recording, by the filter that was active then:" }
                    (refused(&summary.refused))
                }
            }
        }
    }
}

fn left_out(summary: &Summary) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "Call" } th { "ABI" } th.number { "Made" } th { "Why not" } } }
                tbody {
                    @for call in summary.left_out.iter().take(LISTED) {
                        @let LeftOut { abi, number: of_call, count, .. } = call;
                        tr {
                            td { a.call href={ "#" (id(*abi, *of_call)) } { (call.call()) } }
                            td { (abi) }
                            td.number { (number(*count)) }
                            td { (call.because(&summary.baseline)) }
                        }
                    }
                }
            }
        }
        (more(summary.left_out.len(), LISTED, "more"))
    }
}

fn refused(refused: &[Refused]) -> Markup {
    html! {
        ul.plain {
            @for call in refused.iter().take(LISTED) {
                li {
                    code { (call.call()) } " "
                    small {
                        (call.abi) ", " (times(call.count)) ", "
                        @match call.errno { Some(errno) => { "with " (errno) }, None => "killed" }
                    }
                }
            }
        }
        (more(refused.len(), LISTED, "more"))
    }
}

/// What `strait generate` says of the recording.
pub(super) fn section(report: &Report<'_>) -> Markup {
    html! {
        section #profile {
            h2 { "The profile of it" }
            p.lead {
                "What " code { "strait generate" } " makes of this recording without further options, in its own words."
            }
            @for section in report.summary.sections() { (self::part(&section)) }
        }
    }
}

fn part(section: &Section) -> Markup {
    html! {
        div.part {
            h3 { (section.heading.trim()) }
            @match &section.body {
                Body::Text(text) => p { bdi { (one_line(text)) } },
                Body::Items(items) => dl.facts {
                    @for item in items {
                        dt { code { (item.label.join(" ")) } }
                        dd { (one_line(&item.text)) }
                    }
                },
            }
        }
    }
}
