//! A diff for a terminal.

use std::fmt;

use anstyle::{AnsiColor, Style};

use super::{Change, Diff, Level, who};
use crate::foreign::one_line;
use crate::policy::decide::ChangeKind;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WIDER: Style = AnsiColor::Red.on_default().bold();
const NARROWER: Style = AnsiColor::Green.on_default();
const OTHER: Style = AnsiColor::Yellow.on_default();

/// How many changes of one kind are listed one by one.
const LISTED: usize = 40;

impl fmt::Display for Diff {
    /// Coloured; whoever prints it strips that where it is not wanted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, new) = (one_line(&self.old.0), one_line(&self.new.0));
        writeln!(f, "{BOLD}{old} → {new}: {}{BOLD:#}", self.verdict.name())?;
        for side in self.incomplete_sides() {
            writeln!(f, "  {} is incomplete: calls are missing from it", one_line(side))?;
        }
        for setting in &self.settings {
            let (before, after) = (one_line(&setting.before), one_line(&setting.after));
            writeln!(f, "  {}: {before} → {after}", setting.what)?;
        }
        let of = |wanted: fn(&Change) -> bool| {
            let of_call = |change: &&Change| !self.whole_abis.contains(&change.abi);
            self.changes.iter().filter(of_call).filter(|change| wanted(change)).collect::<Vec<_>>()
        };
        let widened = of(Change::widens);
        let narrowed = of(|change| change.direction == ChangeKind::Narrowed);
        let otherwise = of(|change| change.direction == ChangeKind::Refusal);
        section(f, "newly allowed", &widened, |f, change| wider(f, change, self.has_evidence))?;
        section(f, "no longer allowed", &narrowed, narrower)?;
        section(f, "refused in another way", &otherwise, |f, change| {
            let name = change.call();
            writeln!(f, "  {OTHER}~{OTHER:#} {name}{}: {}", abi(change), change.summary())
        })?;
        for whole in &self.whole_abis {
            let all = self.changes.iter().filter(|change| change.abi == *whole);
            let (mut wider, mut narrower) = (0, 0);
            for change in all {
                wider += usize::from(change.widens());
                narrower += usize::from(change.narrows());
            }
            let calls = if wider == 1 { "call" } else { "calls" };
            writeln!(f, "\nall of {whole}: {wider} {calls} newly allowed, {narrower} no longer")?;
        }
        Ok(())
    }
}

fn section(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    changes: &[&Change],
    line: impl Fn(&mut fmt::Formatter<'_>, &Change) -> fmt::Result,
) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title} ({}):", changes.len())?;
    changes.iter().take(LISTED).try_for_each(|change| line(f, change))?;
    match changes.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => writeln!(f, "  … and {more} more; --format json has them all"),
    }
}

/// The ABI, where it is not the machine's own.
fn abi(change: &Change) -> String {
    let more = match change.more {
        0 => String::new(),
        more => format!(" and {more} more numbers without a name"),
    };
    if change.abi == crate::abi::Abi::NATIVE { more } else { format!(" ({}){more}", change.abi) }
}

fn wider(f: &mut fmt::Formatter<'_>, change: &Change, evidence: bool) -> fmt::Result {
    let style = if change.risk.level == Level::High { WIDER } else { OTHER };
    writeln!(
        f,
        "  {style}+{style:#} {BOLD}{}{BOLD:#}{}: {}",
        change.call(),
        abi(change),
        change.summary()
    )?;
    writeln!(
        f,
        "      for example {}: was {}, is {}",
        change.witness, change.of_witness.0, change.of_witness.1
    )?;
    let risk = &change.risk;
    writeln!(
        f,
        "      risk: {style}{}{style:#}, {}: {}",
        risk.level.name(),
        risk.class,
        risk.reason
    )?;
    if !risk.source.is_empty() {
        writeln!(f, "      {DIM}{}{DIM:#}", risk.source)?;
    }
    match &change.seen {
        Some(seen) => writeln!(f, "      made {}", who(seen, one_line))?,
        None if evidence => writeln!(
            f,
            "      made by nobody while recording: a runtime or a later C library needs it, or it was added by hand"
        )?,
        None => {}
    }
    for exception in &change.excepted {
        let until = exception.expires.map(|day| format!(" until {day}")).unwrap_or_default();
        writeln!(f, "      reviewed{until}: {}", one_line(&exception.reason))?;
    }
    Ok(())
}

fn narrower(f: &mut fmt::Formatter<'_>, change: &Change) -> fmt::Result {
    write!(f, "  {NARROWER}-{NARROWER:#} {}{}: {}", change.call(), abi(change), change.summary())?;
    if !change.instead.is_empty() {
        write!(f, "; {} is allowed instead", change.instead.join(", "))?;
    }
    match &change.seen {
        Some(seen) => writeln!(f, " {DIM}(before, made {}){DIM:#}", who(seen, one_line)),
        None => writeln!(f),
    }
}
