//! A diff for a terminal.

use anstyle::{AnsiColor, Style};

use super::{Change, Diff, Level, who};
use crate::policy::decide::ChangeKind;
use crate::untrusted::{Line, Text};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WIDER: Style = AnsiColor::Red.on_default().bold();
const NARROWER: Style = AnsiColor::Green.on_default();
const OTHER: Style = AnsiColor::Yellow.on_default();

/// How many changes of one kind are listed one by one.
const LISTED: usize = 40;

impl Diff {
    /// The diff as people read it, in colour.
    pub fn text(&self) -> Text {
        let mut text = Text::new();
        let (old, new) = (&self.old.0, &self.new.0);
        let title = format!("{old} → {new}: {}", self.sentence());
        text.push(&Line::default().styled(BOLD, title));
        for side in self.incomplete_sides() {
            text.line(format_args!("  {side} is incomplete: calls are missing from it"));
        }
        for setting in &self.settings {
            let (before, after) = (&setting.before, &setting.after);
            text.line(format_args!("  {}: {before} → {after}", setting.what));
        }
        let of = |wanted: fn(&Change) -> bool| {
            let of_call = |change: &&Change| !self.whole_abis.contains(&change.abi);
            self.changes.iter().filter(of_call).filter(|change| wanted(change)).collect::<Vec<_>>()
        };
        let widened = of(Change::widens);
        let narrowed = of(|change| change.direction == ChangeKind::Narrowed);
        let otherwise = of(|change| change.direction == ChangeKind::Refusal);
        section(&mut text, "newly allowed", &widened, |text, change| {
            wider(text, change, &self.place(change), self.has_evidence);
        });
        section(&mut text, "no longer allowed", &narrowed, |text, change| {
            narrower(text, change, &self.place(change));
        });
        section(&mut text, "refused in another way", &otherwise, |text, change| {
            let rest = format!(" {}{}: {}", change.call(), self.place(change), change.summary());
            text.push(&Line::new("  ").styled(OTHER, "~").plain(rest));
        });
        for whole in &self.whole_abis {
            let all = self.changes.iter().filter(|change| change.abi == *whole);
            let (mut wider, mut narrower) = (0, 0);
            for change in all {
                wider += usize::from(change.widens());
                narrower += usize::from(change.narrows());
            }
            let calls = if wider == 1 { "call" } else { "calls" };
            text.blank();
            text.line(format_args!(
                "all of {}: {wider} {calls} newly allowed, {narrower} no longer",
                whole.place()
            ));
        }
        text
    }

    /// Where a call changes so, unless that is everywhere, and how many more do.
    fn place(&self, change: &Change) -> String {
        let place = self.places(change).map(|places| format!(" ({places})")).unwrap_or_default();
        match change.more {
            0 => place,
            more => format!("{place} and {more} more numbers without a name"),
        }
    }
}

fn section(text: &mut Text, title: &str, changes: &[&Change], add: impl Fn(&mut Text, &Change)) {
    if changes.is_empty() {
        return;
    }
    text.blank();
    text.line(format_args!("{title} ({}):", changes.len()));
    for change in changes.iter().take(LISTED) {
        add(text, change);
    }
    if let more @ 1.. = changes.len().saturating_sub(LISTED) {
        text.line(format_args!("  … and {more} more; --format json has them all"));
    }
}

fn wider(text: &mut Text, change: &Change, place: &str, evidence: bool) {
    let style = if change.risk.level == Level::High { WIDER } else { OTHER };
    let rest = format!("{place}: {}", change.summary());
    let call = change.call();
    text.push(&Line::new("  ").styled(style, "+").plain(" ").styled(BOLD, call).plain(rest));
    text.line(format_args!(
        "      for example {}: was {}, is {}",
        change.witness, change.of_witness.0, change.of_witness.1
    ));
    let risk = &change.risk;
    let rest = format!(", {}: {}", risk.class, risk.reason);
    text.push(&Line::new("      risk: ").styled(style, risk.level.name()).plain(rest));
    if !risk.source.is_empty() {
        text.push(&Line::new("      ").styled(DIM, risk.source));
    }
    match &change.seen {
        Some(seen) => text.line(format_args!("      made {}", who(seen, str::to_owned))),
        None if evidence => text.line(
            "      not seen in the recording: a runtime or a later C library needs it, or it was added by hand",
        ),
        None => {}
    }
    for exception in &change.excepted {
        let until = exception.expires.map(|day| format!(" until {day}")).unwrap_or_default();
        text.line(format_args!("      reviewed{until}: {}", exception.reason));
    }
}

fn narrower(text: &mut Text, change: &Change, place: &str) {
    let mut rest = format!(" {}{place}: {}", change.call(), change.summary());
    if !change.instead.is_empty() {
        rest.push_str(&format!("; {} is allowed instead", change.instead.join(", ")));
    }
    let mut line = Line::new("  ").styled(NARROWER, "-").plain(rest);
    if let Some(seen) = &change.seen {
        let before = format!("(before, made {})", who(seen, str::to_owned));
        line = line.plain(" ").styled(DIM, before);
    }
    text.push(&line);
}
