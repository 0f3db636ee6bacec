//! A diff as a comment on a pull request: what matters on one screen, the rest folded.

use std::fmt::Write;

use super::{Change, Diff, FailOn, Verdict, past, who};
use crate::foreign::code;

/// How many newly allowed calls stand in the table; the others are folded.
const ROWS: usize = 8;
/// How many changes stand in a folded list.
const FOLDED: usize = 100;

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
    for setting in &diff.settings {
        writeln!(text, "- {}: {} → {}", setting.what, cell(&setting.before), cell(&setting.after))?;
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
    folded(text, "Examples and reasons", &widened, example)?;
    folded(text, "No longer allowed", &diff.narrowed().collect::<Vec<_>>(), |change| {
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
        |change| format!("{}: {}", name(change), cell(&change.summary())),
    )?;
    for (exceptions, what) in
        [(&diff.expired, "has expired"), (&diff.unused, "is no longer needed")]
    {
        for exception in exceptions {
            writeln!(
                text,
                "- The exception for {} {what}: {}",
                code(&exception.call),
                code(&exception.reason)
            )?;
        }
    }
    Ok(())
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
        past(change.witness.before),
        past(change.witness.after),
        change.risk.level.name(),
        change.risk.class,
        cell(change.risk.reason),
        reviewed.collect::<String>()
    )
}

fn folded(
    text: &mut String,
    title: &str,
    changes: &[&Change],
    line: impl Fn(&Change) -> String,
) -> std::fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(text, "<details><summary>{title} ({})</summary>\n", changes.len())?;
    for change in changes.iter().take(FOLDED) {
        writeln!(text, "- {}", line(change))?;
    }
    if changes.len() > FOLDED {
        writeln!(text, "- … and {} more", changes.len() - FOLDED)?;
    }
    writeln!(text, "\n</details>\n")
}
