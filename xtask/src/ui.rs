//! Output of xtask: progress and messages on stderr, data on stdout, color only where it is wanted.
//!
//! A reader who went away is no error, so failed writes are ignored.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold().underline();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Opens a part of the output, on stderr.
pub fn heading(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "\n{HEADING}{text}{HEADING:#}");
}

/// Says what is being done, on stderr.
pub fn step(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{FAINT}→{FAINT:#} {text}");
}

/// Says what turned out well, on stderr.
pub fn good(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{GOOD}✓{GOOD:#} {text}");
}

/// Says why xtask failed, with every cause, on stderr.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(anstream::stderr().lock(), "{BAD}error:{BAD:#} {error:#}");
}

/// Writes data to stdout.
pub fn data(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{}", text.trim_end());
}

/// A verdict's colour, for tables.
pub fn verdict(good: bool) -> String {
    let (style, word) = if good { (GOOD, "PASS") } else { (BAD, "MISS") };
    format!("{style}{word}{style:#}")
}
