//! A diff as a comment on a pull request: what matters on one screen, the rest folded.

use std::fmt::Write;

use super::{Change, Diff, Exception, FailOn, Verdict, who};
use crate::foreign::code;

/// How many newly allowed calls stand in the table; the others are folded.
const ROWS: usize = 8;
/// How many bytes a folded list has. There are four, and GitHub takes no comment of more than 65 536
/// characters.
const FOLDED: usize = 13_000;

/// Writes a diff as GitHub Markdown.
pub fn print(diff: &Diff, fail_on: FailOn) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut text, diff, fail_on);
    text
}

fn write(text: &mut String, diff: &Diff, fail_on: FailOn) -> std::fmt::Result {
    writeln!(text, "### Seccomp profile: {}\n", diff.verdict.name())?;
    writeln!(text, "{}\n", sentence(diff))?;
    for side in diff.incomplete_sides() {
        writeln!(text, "**{} is incomplete**: calls are missing from it.\n", code(side))?;
    }
    for setting in &diff.settings {
        writeln!(text, "- {}: {} → {}", setting.what, code(&setting.before), code(&setting.after))?;
    }
    if !diff.settings.is_empty() {
        writeln!(text)?;
    }
    let widened: Vec<&Change> = diff.widened().collect();
    if !widened.is_empty() {
        writeln!(text, "| Newly allowed | Change | Risk | Made |")?;
        writeln!(text, "|---|---|---|---|")?;
        for change in widened.iter().take(ROWS) {
            row(text, change, diff.has_evidence)?;
        }
        if widened.len() > ROWS {
            writeln!(text, "| … and {} more | | | |", widened.len() - ROWS)?;
        }
        writeln!(text)?;
    }
    if diff.fails(fail_on) {
        writeln!(text, "**This fails** (`--fail-on {}`).\n", fail_on.name())?;
    }
    folded(text, "Examples and reasons", &widened, |change| example(change))?;
    folded(text, "No longer allowed", &diff.narrowed().collect::<Vec<_>>(), |change: &&Change| {
        let instead = match change.instead.as_slice() {
            [] => String::new(),
            calls => format!("; {} is allowed instead", calls.join(", ")),
        };
        format!("{}: {}{instead}", name(change), cell(&change.summary()))
    })?;
    folded(
        text,
        "Refused in another way",
        &diff.refused_otherwise().collect::<Vec<_>>(),
        |change: &&Change| format!("{}: {}", name(change), cell(&change.summary())),
    )?;
    folded(text, "Exceptions to look at", &exceptions(diff), String::clone)
}

/// What is wrong with exceptions.
fn exceptions(diff: &Diff) -> Vec<String> {
    let kinds = [
        (&diff.expired, "has expired"),
        (&diff.partial, "covers only a part of what is newly allowed"),
        (&diff.unused, "is no longer needed"),
    ];
    let line = |exception: &Exception, what: &str| {
        format!("the one for {} {what}: {}", code(&exception.call), code(&exception.reason))
    };
    let lines = |(exceptions, what): (&'_ Vec<Exception>, &'static str)| {
        exceptions.iter().map(|exception| line(exception, what)).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(lines).collect()
}

fn sentence(diff: &Diff) -> String {
    let (old, new) = (code(&diff.old.0), code(&diff.new.0));
    match diff.verdict {
        Verdict::Equal => format!("{new} means the same as {old}."),
        _ => format!(
            "From {old} to {new}: {} newly allowed, {} no longer, {} refused in another way.",
            diff.widened().count(),
            diff.narrowed().count(),
            diff.refused_otherwise().count()
        ),
    }
}

/// Text of ours that cannot end the cell of a table that it stands in. What others wrote is [`code`].
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn name(change: &Change) -> String {
    let more =
        if change.more > 0 { format!(" and {} more numbers", change.more) } else { String::new() };
    if change.abi == crate::abi::Abi::NATIVE {
        format!("`{}`{more}", change.call())
    } else {
        format!("`{}` ({}){more}", change.call(), change.abi)
    }
}

fn row(text: &mut String, change: &Change, evidence: bool) -> std::fmt::Result {
    let made = match &change.seen {
        Some(seen) => cell(&who(seen, code)),
        None if evidence => "by nobody while recording".to_owned(),
        None => String::new(),
    };
    let reviewed = if change.excepted.is_empty() { "" } else { " (reviewed)" };
    writeln!(
        text,
        "| {}{reviewed} | {} | {}: {} | {made} |",
        name(change),
        cell(&change.summary()),
        change.risk.level.name(),
        change.risk.class,
    )
}

fn example(change: &Change) -> String {
    let reviewed = change.excepted.iter().map(|exception| {
        let until = exception.expires.map(|day| format!(" until {day}")).unwrap_or_default();
        format!(" Reviewed{until}: {}.", code(&exception.reason))
    });
    let source = match change.risk.source {
        "" => String::new(),
        source => format!(" ({})", cell(source)),
    };
    format!(
        "`{}`: was {}, is {}. Risk {}, {}: {}{source}.{}",
        change.witness,
        change.of_witness.0,
        change.of_witness.1,
        change.risk.level.name(),
        change.risk.class,
        cell(change.risk.reason),
        reviewed.collect::<String>()
    )
}

fn folded<T>(
    text: &mut String,
    title: &str,
    items: &[T],
    line: impl Fn(&T) -> String,
) -> std::fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(text, "<details><summary>{title} ({})</summary>\n", items.len())?;
    let end = text.len() + FOLDED;
    for (nth, item) in items.iter().enumerate() {
        let line = line(item);
        if text.len() + line.len() > end {
            writeln!(text, "- … and {} more", items.len() - nth)?;
            break;
        }
        writeln!(text, "- {line}")?;
    }
    writeln!(text, "\n</details>\n")
}
