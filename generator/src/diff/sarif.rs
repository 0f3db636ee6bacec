//! A diff as SARIF 2.1.0, for code scanning: a result for each call that is newly allowed, and for what is newly
//! allowed and not known.

use super::{Change, Diff, Level, Setting, who};
use crate::abi::Abi;
use crate::sarif::{self, Message};

const RULES: [(&str, Level, &str); 3] = [
    ("strait/widened-high", Level::High, "A profile newly allows a call that exposes much"),
    ("strait/widened-medium", Level::Medium, "A profile newly allows a call that is worth a look"),
    ("strait/widened-low", Level::Low, "A profile newly allows a call"),
];

const UNKNOWN: &str = "strait/widened-unknown";

/// What to do about any of them.
const HELP: &str = "Find out why the workload makes it (`strait explain`). If it has to, commit the new profile, \
                    or note the exception with a reason and an expiry date in the file of --allow-file.";

/// Writes a diff as SARIF. `text` is the new file, in which the places of the calls are looked for.
///
/// # Errors
///
/// None in practice: every field can be written as JSON.
pub fn print(diff: &Diff, text: &str) -> Result<String, serde_json::Error> {
    let rules = RULES.iter().map(|(id, of, summary)| sarif::Rule {
        id: (*id).to_owned(),
        summary: (*summary).to_owned(),
        help: HELP.to_owned(),
        level: level(*of),
    });
    let unknown = sarif::Rule {
        id: UNKNOWN.to_owned(),
        summary: "A profile newly allows what this release of Strait does not know".to_owned(),
        help: HELP.to_owned(),
        level: sarif::Level::Warning,
    };
    let open = diff.widened().filter(|change| change.excepted.is_empty());
    let results = open.map(|change| sarif::Result {
        rule: rule(change.risk.level).to_owned(),
        level: level(change.risk.level),
        message: message(change),
        detail: change
            .seen
            .as_ref()
            .map(|seen| Message::new(format_args!("Made {}.", who(seen, str::to_owned)))),
        file: diff.new.0.clone(),
        line: Some(line_of(text, &change.call())),
        column: None,
        logical: Some(format!("{}.{}", change.abi, change.call())),
    });
    let settings = diff.settings.iter().filter(|setting| setting.widens());
    let results = results.chain(settings.map(|setting| of_setting(setting, diff, text)));
    sarif::Log::new(rules.chain([unknown]).collect(), results.collect()).print()
}

fn of_setting(setting: &Setting, diff: &Diff, text: &str) -> sarif::Result {
    let Setting { what, before, after, .. } = setting;
    let words = |text: &str| text.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>();
    let old = words(before);
    let first = words(after).into_iter().find(|word| !old.contains(word)).unwrap_or_default();
    sarif::Result {
        rule: UNKNOWN.to_owned(),
        level: sarif::Level::Warning,
        message: Message::new(format_args!(
            "{what}: {before} before, now {after}; Strait does not know what that lets through."
        )),
        detail: None,
        file: diff.new.0.clone(),
        line: Some(line_of(text, &first)),
        column: None,
        logical: Some((*what).to_owned()),
    }
}

fn level(of: Level) -> sarif::Level {
    match of {
        Level::High => sarif::Level::Error,
        Level::Medium => sarif::Level::Warning,
        Level::Low => sarif::Level::Note,
    }
}

fn rule(of: Level) -> &'static str {
    RULES.iter().find(|(_, level, _)| *level == of).map_or("", |(id, ..)| *id)
}

fn message(change: &Change) -> Message {
    Message::new(format_args!(
        "{} is newly allowed on {} ({}): {} was {}, is {}. {}: {}.",
        change.call(),
        change.abis().map(Abi::place).collect::<Vec<_>>().join(", "),
        change.summary(),
        change.witness,
        change.of_witness.0,
        change.of_witness.1,
        change.risk.class,
        change.risk.reason,
    ))
}

/// The line on which a call is first named; the first line if it is not.
fn line_of(text: &str, call: &str) -> usize {
    let quoted = format!("\"{call}\"");
    text.lines().position(|line| line.contains(&quoted)).map_or(1, |at| at + 1)
}
