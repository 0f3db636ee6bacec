//! Programs and samples, and what would not be called without them.

use maud::{Markup, html};

use super::{links, more, number, plural, untrusted};
use crate::report::Report;
use crate::report::callers::Caller;

/// Most programs, or samples, that are shown.
const CALLERS: usize = 100;

pub(super) fn programs(report: &Report<'_>) -> Markup {
    html! {
        section #programs {
            h2 { "Programs" }
            p.lead {
                "What only one program calls, nothing else here does. If it moves to a container of its own, or "
                "out of the image, a profile need no longer allow that, but for what every program or a "
                "container runtime needs."
            }
            (callers(report, &report.programs, "program"))
        }
    }
}

pub(super) fn samples(report: &Report<'_>) -> Markup {
    html! {
        @if !report.samples.is_empty() {
            section #samples {
                h2 { "Samples" }
                p.lead {
                    "Parts of the run that were marked, such as tests. What is called in one of them and nowhere "
                    "else was recorded for its sake alone."
                }
                (callers(report, &report.samples, "sample"))
            }
        }
    }
}

fn callers(report: &Report<'_>, callers: &[Caller<'_>], noun: &str) -> Markup {
    html! {
        div.callers {
            @for caller in callers.iter().take(CALLERS) {
                div.caller {
                    p.head {
                        code { (untrusted(caller.name)) }
                        small { (plural(caller.calls, "different call")) ", " (number(caller.count)) " in all" }
                    }
                    @if !caller.only.is_empty() {
                        p { span.only { (number(caller.only.len())) " by it alone" } " " (links(report, &caller.only)) }
                    }
                }
            }
        }
        (more(callers.len(), CALLERS, &format!("more {noun}s, with fewer calls of their own")))
    }
}
