//! A diff as a comment on a pull request: what matters on one screen, the rest folded.

use super::{Change, Diff, Exception, FailOn, Part, Verdict, made};
use crate::untrusted::{Markdown, markdown};

/// How many newly allowed calls stand in the table; the others are folded.
const ROWS: usize = 8;
/// How many bytes a folded list has. There are four, and GitHub takes no comment of more than 65 536
/// characters.
const FOLDED: usize = 13_000;

/// Writes a diff as GitHub Markdown.
pub fn print(diff: &Diff, fail_on: FailOn) -> Markdown {
    let mut text = markdown!(
        "### Seccomp profile: {}\n\n{}\n\n",
        Markdown::plain(&diff.sentence()),
        sentence(diff)
    );
    for side in diff.incomplete_sides() {
        let side = Markdown::code(side);
        text.push(&markdown!("**{} is incomplete**: calls are missing from it.\n\n", side));
    }
    for setting in &diff.settings {
        let (before, after) = (Markdown::code(&setting.before), Markdown::code(&setting.after));
        text.push(&markdown!("- {}: {} → {}\n", setting.what, before, after));
    }
    if !diff.settings.is_empty() {
        text.push(&markdown!("\n"));
    }
    let widened: Vec<&Change> = diff.widened().collect();
    if !widened.is_empty() {
        text.push(&markdown!("| Newly allowed | Change | Risk | Made |\n|---|---|---|---|\n"));
        for change in widened.iter().take(ROWS) {
            text.push(&row(diff, change));
        }
        if widened.len() > ROWS {
            text.push(&markdown!("| … and {} more | | | |\n", widened.len() - ROWS));
        }
        text.push(&markdown!("\n"));
    }
    if diff.fails(fail_on) {
        text.push(&markdown!("**This fails** (`--fail-on {}`).\n\n", fail_on.name()));
    }
    text.push(&folded("Examples and reasons", &widened, |change| example(change)));
    let narrowed: Vec<&Change> = diff.narrowed().collect();
    text.push(&folded("No longer allowed", &narrowed, |change| {
        let instead = match change.instead.as_slice() {
            [] => Markdown::new(),
            calls => markdown!("; {} is allowed instead", Markdown::plain(&calls.join(", "))),
        };
        markdown!("{}: {}{}", name(diff, change), Markdown::plain(&change.summary()), instead)
    }));
    let otherwise: Vec<&Change> = diff.refused_otherwise().collect();
    text.push(&folded("Refused in another way", &otherwise, |change| {
        markdown!("{}: {}", name(diff, change), Markdown::plain(&change.summary()))
    }));
    text.push(&folded("Exceptions to look at", &exceptions(diff), Markdown::clone));
    text
}

/// What is wrong with exceptions.
fn exceptions(diff: &Diff) -> Vec<Markdown> {
    let kinds = [
        (&diff.expired, "has expired"),
        (&diff.partial, "covers only a part of what is newly allowed"),
        (&diff.unused, "is no longer needed"),
    ];
    let line = |exception: &Exception, what: &'static str| {
        let (call, reason) = (Markdown::code(&exception.call), Markdown::code(&exception.reason));
        markdown!("the one for {} {}: {}", call, what, reason)
    };
    let lines = |(exceptions, what): (&'_ Vec<Exception>, &'static str)| {
        exceptions.iter().map(|exception| line(exception, what)).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(lines).collect()
}

fn sentence(diff: &Diff) -> Markdown {
    let (old, new) = (Markdown::code(&diff.old.0), Markdown::code(&diff.new.0));
    match diff.verdict {
        Verdict::Equal => markdown!("{} means the same as {}.", new, old),
        _ => markdown!(
            "From {} to {}: {} newly allowed, {} no longer, {} refused in another way.",
            old,
            new,
            diff.widened().count(),
            diff.narrowed().count(),
            diff.refused_otherwise().count()
        ),
    }
}

fn name(diff: &Diff, change: &Change) -> Markdown {
    let more = match change.more {
        0 => Markdown::new(),
        more => markdown!(" and {} more numbers", more),
    };
    let call = Markdown::code(&change.call());
    match diff.places(change) {
        None => markdown!("{}{}", call, more),
        Some(places) => markdown!("{} ({}){}", call, Markdown::plain(&places), more),
    }
}

fn row(diff: &Diff, change: &Change) -> Markdown {
    let made = match &change.seen {
        Some(seen) => {
            let parts = made(seen).into_iter().map(|part| match part {
                Part::Ours(text) => Markdown::plain(&text),
                Part::Name(name) => Markdown::code(name),
            });
            Markdown::join(parts, "")
        }
        None if diff.has_evidence => markdown!("not seen in the recording"),
        None => Markdown::new(),
    };
    let reviewed = if change.excepted.is_empty() { "" } else { " (reviewed)" };
    Markdown::row(&[
        markdown!("{}{}", name(diff, change), reviewed),
        Markdown::plain(&change.summary()),
        markdown!("{}: {}", change.risk.level.name(), change.risk.class),
        made,
    ])
}

fn example(change: &Change) -> Markdown {
    let reviewed = change.excepted.iter().map(|exception| {
        let until = match exception.expires {
            Some(day) => markdown!(" until {}", day),
            None => Markdown::new(),
        };
        markdown!(" Reviewed{}: {}.", until, Markdown::code(&exception.reason))
    });
    let source = match change.risk.source {
        "" => Markdown::new(),
        source => markdown!(" ({})", source),
    };
    markdown!(
        "{}: was {}, is {}. Risk {}, {}: {}{}.{}",
        Markdown::code(&change.witness.to_string()),
        Markdown::plain(&change.of_witness.0),
        Markdown::plain(&change.of_witness.1),
        change.risk.level.name(),
        change.risk.class,
        change.risk.reason,
        source,
        Markdown::join(reviewed, "")
    )
}

fn folded<T>(title: &'static str, items: &[T], line: impl Fn(&T) -> Markdown) -> Markdown {
    let mut text = Markdown::new();
    if items.is_empty() {
        return text;
    }
    text.push(&markdown!("<details><summary>{} ({})</summary>\n\n", title, items.len()));
    let end = text.len() + FOLDED;
    for (nth, item) in items.iter().enumerate() {
        let line = line(item);
        if text.len() + line.len() > end {
            text.push(&markdown!("- … and {} more\n", items.len() - nth));
            break;
        }
        text.push(&markdown!("- {}\n", line));
    }
    text.push(&markdown!("\n</details>\n\n"));
    text
}
