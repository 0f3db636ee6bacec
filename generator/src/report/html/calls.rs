//! The calls: the risky ones first, then each of them.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{NAMES, bar, id, more, number, plural, times, untrusted};
use crate::abi::Abi;
use crate::decode;
use crate::diff::{Level, Risk, who};
use crate::evidence::Seen;
use crate::report::Report;
use crate::report::calls::{Called, Danger};
use crate::untrusted::short;

/// Most calls of an ABI, values of arguments of a call, and programs of a call or value that are shown.
const CALLS: usize = 1000;
const VALUES: usize = 20;
const PROGRAMS: usize = 10;
const PROGRAMS_OF_VALUE: usize = 3;

/// What is known against calls that were made.
pub(super) fn dangers(report: &Report<'_>) -> Markup {
    html! {
        @if !report.dangers.is_empty() {
            section #risks {
                h2 { "Risky calls first" }
                p.lead {
                    "What a compromised process could do with them, by published flaws and manual pages. This is "
                    "advice, not proof: what is not listed here is not thereby harmless."
                }
                @for danger in &report.dangers { (self::danger(danger)) }
            }
        }
    }
}

fn danger(danger: &Danger<'_>) -> Markup {
    let Risk { class, level, reason, source } = danger.risk;
    html! {
        article.danger.(level.name()) {
            p.head { (level_tag(level)) b { (class) } }
            p.why { (reason) @if !source.is_empty() { " " small { "(" (source) ")" } } }
            ul.plain {
                @for call in danger.calls.iter().take(NAMES) {
                    li {
                        a.call href={ "#" (id(call.abi, call.number)) } { (call.name()) } " "
                        small { (call.abi) ", " bdi { (who(call.seen, short)) } }
                    }
                }
            }
            (more(danger.calls.len(), NAMES, "more"))
        }
    }
}

fn level_tag(level: Level) -> Markup {
    html! { span.tag.(level.name()) { (level.name()) } }
}

/// Every call, by ABI.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let abis = Abi::ALL.into_iter().filter(|abi| report.recording.calls.contains_key(abi));
    html! {
        section #calls {
            h2 { "All calls" }
            p.lead {
                "The most frequent ones first; each opens. Bars are logarithmic: twice the length is the square "
                "of the count."
            }
            @for abi in abis {
                @let calls: Vec<_> = report.calls.iter().filter(|call| call.abi == abi).collect();
                @if !calls.is_empty() {
                    h3 { (abi) " " small { (plural(calls.len(), "different call")) } }
                    div.calls {
                        @let most = calls.first().map_or(0, |call| call.seen.count);
                        @for call in calls.iter().take(CALLS) { (self::call(report, call, most)) }
                    }
                    (more(calls.len(), CALLS, "more"))
                }
            }
        }
    }
}

fn call(report: &Report<'_>, call: &Called<'_>, most: u64) -> Markup {
    let Called { abi, number: of_call, seen, risk, overflow, .. } = call;
    let left_out =
        report.summary.left_out.iter().find(|left| (left.abi, left.number) == (*abi, *of_call));
    html! {
        details #(id(*abi, *of_call)) {
            summary {
                code.name { (call.name()) }
                span.count { (number(seen.count)) }
                (bar(length(most), &[("made", length(seen.count))]))
                span.tags {
                    @if risk.level > Level::Low { (level_tag(risk.level)) }
                    @if left_out.is_some() { span.tag.bad { "outside" } }
                    @if *overflow > 0 { span.tag.warn { "overflow" } }
                }
            }
            dl.facts {
                dt { "When" } dd { (when(call)) }
                @if call.kept.is_some() { dt { "Arguments" } dd { (arguments(call)) } }
                dt { "Programs" } dd { (programs(seen)) }
                @if !seen.phases.is_empty() {
                    dt { "Phases" }
                    dd {
                        @for (nth, (phase, count)) in seen.phases.iter().enumerate() {
                            @if nth > 0 { ", " }
                            (phase.when()) ": " (number(*count))
                        }
                    }
                }
                @if !seen.samples.is_empty() { dt { "Samples" } dd { (samples(seen)) } }
                @if let Some(left_out) = left_out {
                    dt { "Outside" } dd { (left_out.because(&report.summary.baseline)) }
                }
                dt { "Risk" }
                dd {
                    (risk.level.name()) ", " (risk.class) ": " (risk.reason)
                    @if !risk.source.is_empty() { " " small { "(" (risk.source) ")" } }
                }
            }
        }
    }
}

/// The length of a bar for a count: 64 times its binary logarithm. In whole numbers, so that it is the same
/// on every machine.
fn length(count: u64) -> usize {
    let Some(log) = count.checked_ilog2() else { return 0 };
    let fraction = (u128::from(count) << 6 >> log) - 64;
    let log = usize::try_from(log).unwrap_or(0);
    // From 1 on, so that what was called once has a bar too.
    (log + 1) * 64 + usize::try_from(fraction).unwrap_or(0)
}

fn when(call: &Called<'_>) -> Markup {
    let Called { seen, last, .. } = call;
    html! {
        (times(seen.count)) ", first " (format!("{:.3}", seen.first_seen.as_secs_f64()))
        " s after the recording began"
        @if let Some(first) = &seen.first { "; first in sample " (untrusted(&first.sample)) }
        @if let Some(last) = last { ", last in " (untrusted(last)) }
    }
}

fn programs(seen: &Seen) -> Markup {
    let mut programs: Vec<_> = seen.programs.iter().collect();
    programs.sort_by_key(|(path, count)| (Reverse(**count), *path));
    html! {
        ul.plain {
            @for (path, count) in programs.iter().take(PROGRAMS) {
                li { code { (untrusted(path)) } " " small { (times(**count)) } }
            }
        }
        (more(programs.len(), PROGRAMS, "more"))
    }
}

fn samples(seen: &Seen) -> Markup {
    html! {
        ul.plain { @for name in &seen.samples { li { (untrusted(name)) } } }
        @if seen.more_samples > 0 { span.more { "and " (number(seen.more_samples)) " more" } }
    }
}

fn arguments(call: &Called<'_>) -> Markup {
    let Called { abi, number: of_call, seen, kept, overflow, .. } = call;
    let kept = kept.clone().unwrap_or_default();
    let mut values: Vec<_> = seen.values.iter().collect();
    values.sort_by_key(|value| (Reverse(value.count), value.args));
    html! {
        ul.plain {
            @for value in values.iter().take(VALUES) {
                li {
                    code { (decode::abridged(*abi, *of_call, &value.args, &kept)) }
                    " " small {
                        (times(value.count)) ", by "
                        @for (nth, path) in value.programs.keys().take(PROGRAMS_OF_VALUE).enumerate() {
                            @if nth > 0 { ", " }
                            (untrusted(path.rsplit('/').next().unwrap_or(path)))
                        }
                        " " (more(value.programs.len(), PROGRAMS_OF_VALUE, "more"))
                    }
                }
            }
        }
        (more(values.len(), VALUES, "other ways"))
        @if *overflow > 0 {
            p.bad { "and " (times(*overflow)) " with arguments for which there was no room" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_with_the_logarithm() {
        assert_eq!(length(0), 0);
        assert_eq!(length(1), 64);
        assert_eq!(length(3), 64 * 2 + 32);
        assert_eq!(length(1024), 64 * 11);
        assert!(length(u64::MAX) < 64 * 65);
        assert!((1..5000).all(|count| length(count) <= length(count + 1)));
    }
}
