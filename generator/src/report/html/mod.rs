//! The page. Names that others chose go through [`untrusted`], maud escapes its input, and what cannot be seen is
//! escaped in the page as a whole.

mod callers;
mod calls;
mod facts;
mod figures;
mod profile;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use crate::abi::Abi;
use crate::digest::sha256_base64;
use crate::recording::Tool;
use crate::untrusted::{one_line, short};

const STYLE: &str = include_str!("style.css");

/// Most names in a list within a line.
const NAMES: usize = 60;

/// The whole page.
pub(super) fn page(report: &Report<'_>) -> String {
    let recording = report.recording;
    // The page loads nothing and runs nothing, whatever a name should bring about in it after all.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sha256_base64(STYLE.as_bytes())
    );
    let Tool { name, version } = Tool::this();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (short(&recording.target.name)) " – system calls" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "Strait · recorded system calls" }
                    (facts::title(recording))
                    (contents(report))
                }
                main {
                    (facts::losses(recording))
                    (figures::section(report))
                    (facts::section(recording))
                    (calls::dangers(report))
                    (profile::outside(report))
                    (callers::programs(report))
                    (callers::samples(report))
                    (profile::section(report))
                    (calls::section(report))
                }
                footer {
                    p {
                        "Made by " (name) " " (version) " of what was recorded, and of nothing else: what "
                        "no test did is not here. A risk is advice for the reviewer, not proof."
                    }
                }
            }
        }
    };
    let page = page.into_string();
    // Line breaks are white space in HTML, also untrusted ones.
    page.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

fn contents(report: &Report<'_>) -> Markup {
    let there = |wanted: bool, id: &'static str, name: &'static str| wanted.then_some((id, name));
    let parts = [
        there(true, "recording", "Recording"),
        there(!report.dangers.is_empty(), "risks", "Risks"),
        there(profile::has_outside(&report.summary), "outside", "Outside of the default"),
        there(true, "programs", "Programs"),
        there(!report.samples.is_empty(), "samples", "Samples"),
        there(true, "profile", "Profile"),
        there(true, "calls", "All calls"),
    ];
    html! {
        nav aria-label="Contents" {
            @for (id, name) in parts.into_iter().flatten() { a href={ "#" (id) } { (name) } }
        }
    }
}

/// An untrusted name: on one line, as data, and without an effect on the direction of the
/// text around it.
fn untrusted(name: &str) -> Markup {
    html! { bdi { (short(name)) } }
}

/// A number with commas.
fn number(value: impl TryInto<u64>) -> String {
    let digits = value.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 call", "1,200 calls".
fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// "once", "1,200 times".
fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

/// The id of a call on the page.
fn id(abi: Abi, number: u32) -> String {
    let name = abi.syscall_name(number);
    name.map_or_else(|| format!("{abi}-{number}"), |name| format!("{abi}-{name}"))
}

/// Names of calls that lead to where they are listed, the first few of them. Their ABI is said if it is not
/// that of the first one of the page.
fn links(report: &Report<'_>, calls: &[(Abi, u32)]) -> Markup {
    let usual = report.calls.first().map(|call| call.abi);
    html! {
        span.names {
            @for (abi, number) in calls.iter().take(NAMES) {
                a.call href={ "#" (id(*abi, *number)) } {
                    (super::calls::name(*abi, *number))
                    @if Some(*abi) != usual { " " small { (abi) } }
                }
                " "
            }
            (more(calls.len(), NAMES, "more"))
        }
    }
}

/// How many of `count` are not among the `shown` ones, if any.
fn more(count: usize, shown: usize, what: &str) -> Markup {
    let hidden = count.saturating_sub(shown);
    html! { @if hidden > 0 { span.more { "and " (number(hidden)) " " (what) } } }
}

/// A bar of parts of `whole`, each with its class. It shows nothing that the text
/// beside it does not.
fn bar(whole: usize, parts: &[(&str, usize)]) -> Markup {
    let starts = parts.iter().scan(0, |left, (_, part)| {
        let start = *left;
        *left += part;
        Some(start)
    });
    let percent = |part: usize| {
        let mille = part.saturating_mul(1000).checked_div(whole).unwrap_or(0).min(1000);
        format!("{}.{}%", mille / 10, mille % 10)
    };
    html! {
        svg.bar aria-hidden="true" {
            @for ((class, part), start) in parts.iter().zip(starts) {
                rect class=(class) x=(percent(start)) width=(percent(*part)) height="100%" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (value, text) in [(0_u64, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!(plural(1_u64, "call"), "1 call");
        assert_eq!(plural(2000_u64, "call"), "2,000 calls");
        assert_eq!((times(1), times(2)), ("once".to_owned(), "2 times".to_owned()));
    }

    #[test]
    fn parts_of_a_bar_follow_each_other() {
        let bar = bar(400, &[("a", 100), ("b", 50)]).into_string();
        assert!(bar.contains(r#"class="a" x="0.0%" width="25.0%""#), "{bar}");
        assert!(bar.contains(r#"class="b" x="25.0%" width="12.5%""#), "{bar}");
    }
}
