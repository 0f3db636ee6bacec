//! What the tests did not show, as people read it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Advice, Coverage, CrossCheck, Estimate, FEWEST, Interval, Known, ProgramReach, Status, TooFew,
    Unit, Unseen,
};
use crate::diff::Level;
use crate::untrusted::{Text, one_line};

/// Columns of a line.
const WIDTH: usize = 100;
/// Most programs, reasons, events and calls of a kind that are named.
const MOST: usize = 12;
/// Most points of the curve.
const POINTS: usize = 8;

fn plural(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

/// Adds a text after its label.
fn paragraph(all: &mut Text, label: &str, text: &str) {
    all.paragraph(label, text, 8, WIDTH);
}

/// The first of some names, and how many there are besides.
fn some(names: impl IntoIterator<Item = String>, most: usize) -> String {
    let names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(most);
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// A share as a percentage, with as many digits as tell it from all.
fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn interval(value: &Interval, show: impl Fn(f64) -> String) -> String {
    format!("{} (95 %: {} to {})", show(value.estimate), show(value.low), show(value.high))
}

impl Coverage {
    /// The report as people read it. `all`: with every event and program.
    pub fn text(&self, all: bool) -> Text {
        let most = if all { usize::MAX } else { MOST };
        let mut text = Text::new();
        text.line(format_args!(
            "{}: {}, {} seen",
            self.target,
            plural(self.recordings, "recording"),
            plural(self.seen, "call")
        ));
        for loss in &self.losses {
            paragraph(&mut text, "  incomplete:", loss);
        }
        self.knowledge(&mut text, most);
        self.refusals(&mut text, most);
        self.next(&mut text, most, all);
        match &self.estimate {
            Ok(estimate) => estimate.describe(&mut text),
            Err(few) => few.describe(&mut text),
        }
        if let Some(check) = &self.cross_check {
            check.describe(&mut text, most);
        }
        text
    }

    fn knowledge(&self, text: &mut Text, most: usize) {
        text.line("What its programs can call:");
        let (scanned, others): (Vec<_>, Vec<_>) =
            self.programs.iter().partition(|program| program.known != Known::Nothing);
        for program in scanned.iter().take(most) {
            let calls = plural(program.calls, "call");
            let known = match &program.known {
                Known::All | Known::Nothing => format!("{calls}, which is all"),
                Known::Some(reasons) => {
                    let reasons = some(reasons.iter().map(|one| one_line(one)), 2);
                    format!("{calls}, and there may be more: {reasons}")
                }
            };
            paragraph(text, &format!("  {}:", one_line(&program.path)), &known);
        }
        if scanned.len() > most {
            text.line(format_args!("  and {} more programs", scanned.len() - most));
        }
        let paths = |programs: &[&ProgramReach]| {
            some(programs.iter().map(|program| one_line(&program.path)), most)
        };
        if !others.is_empty() {
            paragraph(text, "  not known, since they were not scanned:", &paths(&others));
        }
        let starting: Vec<_> = self.programs.iter().filter(|one| one.starts_others).collect();
        if !starting.is_empty() {
            paragraph(text, "  can start programs that were not recorded:", &paths(&starting));
        }
        if self.is_open() {
            paragraph(
                text,
                "  So not all is known:",
                "calls that are listed as possible are all those that the Docker default allows and the profile \
                 refuses, and that an event makes in one program or another",
            );
        }
    }

    fn refusals(&self, text: &mut Text, most: usize) {
        let refused: Vec<&Unseen> = self.refused().collect();
        let closed = refused.iter().filter(|one| one.status == Status::Closed).count();
        let open = self.unseen.len() - refused.len();
        text.line(format_args!(
            "Not seen, and refused by the default profile (`strait generate`): {}, and {} with some arguments; allowed \
             all the same: {open}",
            plural(closed, "call"),
            refused.len() - closed
        ));
        let mut by_program: BTreeMap<&str, BTreeMap<std::cmp::Reverse<Level>, BTreeSet<String>>> =
            BTreeMap::new();
        for unseen in &refused {
            for (program, _) in &unseen.reach {
                let levels = by_program.entry(program).or_default();
                levels
                    .entry(std::cmp::Reverse(unseen.risk.level))
                    .or_default()
                    .insert(shown(unseen));
            }
        }
        for (program, levels) in by_program.iter().take(most) {
            text.line(format_args!("  {} can make", one_line(program)));
            list(text, levels, most);
        }
        let mut possible: BTreeMap<std::cmp::Reverse<Level>, BTreeSet<String>> = BTreeMap::new();
        for unseen in refused.iter().filter(|one| one.reach.is_empty()) {
            let level = std::cmp::Reverse(unseen.risk.level);
            possible.entry(level).or_default().insert(shown(unseen));
        }
        if !possible.is_empty() {
            text.line("  possible, since not all is known:");
            list(text, &possible, most);
        }
        text.line("  A call of medium or high risk is allowed only if it was seen; one of low risk also if it gives no");
        text.line("  further reach than what was seen. `strait coverage --format json` has the reason for each call.");
        if !self.outside.is_empty() {
            let names = self.outside.iter().map(|name| (*name).to_owned());
            paragraph(
                text,
                "Within reach, and refused by the Docker default too:",
                &some(names, most),
            );
        }
    }

    fn next(&self, text: &mut Text, most: usize, all: bool) {
        let advice = self.advice();
        if advice.is_empty() {
            return;
        }
        text.line("What to test next:");
        for Advice { event, calls, values } in advice.iter().take(most) {
            paragraph(text, &format!("  {}:", event.name), &event.test);
            let known = calls.iter().filter(|one| !one.reach.is_empty()).map(|one| one.call());
            let known: BTreeSet<String> = known.collect();
            let possible: BTreeSet<String> =
                calls.iter().map(|one| one.call()).filter(|name| !known.contains(name)).collect();
            let values: BTreeSet<String> = values.iter().map(|one| one.decoded.clone()).collect();
            for (label, names) in [
                ("refused:", known),
                ("possible and refused:", possible),
                ("refused arguments:", values),
            ] {
                if !names.is_empty() {
                    paragraph(text, &format!("      {label}"), &some(names, most));
                }
            }
        }
        if let hidden @ 1.. = advice.len().saturating_sub(most)
            && !all
        {
            text.line(format_args!("  and {} (--all shows them)", plural(hidden, "event")));
        }
    }
}

fn list(
    text: &mut Text,
    levels: &BTreeMap<std::cmp::Reverse<Level>, BTreeSet<String>>,
    most: usize,
) {
    for (std::cmp::Reverse(level), names) in levels {
        let label = format!("      {:<7}", format!("{}:", level.name()));
        paragraph(text, &label, &some(names.iter().cloned(), most.saturating_mul(2)));
    }
}

/// A call, and that it is some of its arguments only.
fn shown(unseen: &Unseen) -> String {
    match unseen.status {
        Status::ByArgument => format!("{}(…)", unseen.call()),
        Status::Closed | Status::Open => unseen.call(),
    }
}

impl Estimate {
    fn describe(&self, text: &mut Text) {
        let unit = self.unit.name();
        text.line(format_args!(
            "Estimate for {unit}s of the same kinds, from {} (a sample is a {unit}):",
            plural(self.samples, unit)
        ));
        let mut row = |label: &str, value: String| text.line(format_args!("  {label:<44}{value}"));
        row(
            "calls with their arguments that were seen",
            format!("{}, {} of them in one {unit} only", self.seen, self.once),
        );
        let whole = |count: f64| format!("{count:.0}");
        row(
            "how many there are",
            format!("{}; more if many are very rare", interval(&self.total, whole)),
        );
        let label = format!("of those that another {unit} makes, seen");
        row(&label, interval(&self.coverage, percent));
        let label = format!("new ones in another {unit}");
        row(&label, interval(&self.new, |count| format!("{count:.2}")));
        let step = self.curve.len().div_ceil(POINTS).max(1);
        let last = self.curve.len().saturating_sub(1);
        let points =
            self.curve.iter().enumerate().filter(|(nth, _)| nth % step == 0 || *nth == last);
        let points: Vec<String> =
            points.map(|(_, (samples, pairs))| format!("{samples}: {pairs:.0}")).collect();
        paragraph(
            text,
            &format!("  seen after so many {unit}s, in any order:"),
            &points.join(", "),
        );
        text.line(
            "  What has an interval is an estimate (Good-Turing, Chao2; of 95 %). The rest was counted.",
        );
    }
}

impl CrossCheck {
    fn describe(&self, text: &mut Text, most: usize) {
        text.line("Each test under the default profile of all others:");
        text.line(format_args!(
            "  {} of {} would be refused something",
            self.refused.len(),
            plural(self.tests, "test")
        ));
        text.line(format_args!(
            "  {:<44}{}",
            "of other tests, so many (an estimate)",
            interval(&self.share, percent)
        ));
        for held in self.refused.iter().take(most) {
            let names = some(held.refused.iter().cloned(), most);
            paragraph(text, &format!("    {}:", one_line(&held.test)), &names);
        }
        if let hidden @ 1.. = self.refused.len().saturating_sub(most) {
            text.line(format_args!("    and {hidden} more"));
        }
    }
}

impl TooFew {
    fn describe(self, text: &mut Text) {
        let advice = match self.unit {
            Unit::Test => {
                "mark the end of each test with `strait mark NAME`, or merge recordings of several runs"
            }
            Unit::Recording => {
                "record more runs, or mark the end of each test with `strait mark NAME`"
            }
        };
        let have = match self.samples {
            0 => "no samples".to_owned(),
            count => plural(count, self.unit.name()),
        };
        paragraph(
            text,
            "How much is missing cannot be estimated:",
            &format!("there are {have}, and it takes {FEWEST}. To get them, {advice}"),
        );
    }
}
