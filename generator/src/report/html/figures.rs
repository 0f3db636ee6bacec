//! The key figures: what was called, and how much less that is than what Docker allows.

use maud::{Markup, html};

use super::facts::capabilities;
use super::{bar, number, plural, times};
use crate::generate::{AbiCounts, Summary};
use crate::recording::TargetKind;
use crate::report::Report;

pub(super) fn section(report: &Report<'_>) -> Markup {
    let Report { recording, summary, programs, samples, .. } = report;
    let noun = |count, one: &'static str, many| if count == 1 { one } else { many };
    html! {
        section.figures aria-label="Key figures" {
            div.cards {
                (card(report.calls.len(), "different calls", &format!("made {}", times(recording.total()))))
                (unneeded(summary))
                (card(
                    summary.left_out.len(),
                    "calls outside of the default",
                    &format!("seen, though {} refuses them", summary.baseline),
                ))
                (card(programs.len(), noun(programs.len(), "program", "programs"), "made these calls"))
                @if !samples.is_empty() {
                    (card(samples.len(), noun(samples.len(), "sample", "samples"), "were marked, such as tests"))
                }
            }
            @for counts in &summary.abis { (self::counts(counts, &summary.baseline)) }
            p.note { "What " (summary.baseline) " allows is taken for " (for_what(&recording.target.kind)) "." }
        }
    }
}

/// The capabilities for which `generate` resolves the baseline.
fn for_what(kind: &TargetKind) -> String {
    match kind {
        TargetKind::Container(container) if container.bounding_set.is_some() => {
            format!("what the container had: {}", capabilities(container))
        }
        TargetKind::Container(_) | TargetKind::Command | TargetKind::Processes => {
            "a container with Docker's default capabilities".to_owned()
        }
    }
}

fn card(figure: usize, what: &str, more: &str) -> Markup {
    html! { div.card { p.figure { (number(figure)) } p.what { (what) } p.note { (more) } } }
}

/// Of what the baseline allows, how much is not needed: on the ABI on which that is most.
fn unneeded(summary: &Summary) -> Markup {
    let unneeded = |counts: &AbiCounts| counts.baseline.saturating_sub(counts.allowed);
    let most = summary.abis.iter().max_by_key(|counts| unneeded(counts));
    html! {
        @if let Some(counts) = most {
            (card(
                unneeded(counts),
                "calls not needed",
                &format!("of {} that {} allows on {}", counts.baseline, summary.baseline, counts.abi),
            ))
        }
    }
}

fn counts(counts: &AbiCounts, baseline: &str) -> Markup {
    let AbiCounts { abi, seen, allowed, baseline: default, kernel } = *counts;
    let unneeded = default.saturating_sub(allowed);
    html! {
        div.counts {
            h3 { (abi) }
            (bar(kernel, &[("allowed", allowed), ("unneeded", unneeded)]))
            ul.legend {
                li.allowed { b { (number(allowed)) } " a profile allows (" (plural(seen, "call")) " seen)" }
                li.unneeded { b { (number(unneeded)) } " more " (baseline) " allows, and nothing here needs" }
                li.rest { b { (number(kernel.saturating_sub(default.max(allowed)))) } " more the kernel has" }
            }
        }
    }
}
