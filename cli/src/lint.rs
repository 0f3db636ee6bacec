//! `strait lint`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Outcome};
use super::format::{Format, formats};
use super::record::plural;
use super::ui::Report;
use super::{Ui, read_text, shown};
use strait_generator::choice::Choice;
use strait_generator::machine::Machines;
use strait_generator::profile::consumers::{Consumer, Effect, Remark, json, remarks};
use strait_generator::profile::{
    self, Finding, ParseError, Resolved, Severity, Workload, resolve_on,
};
use strait_generator::untrusted::Text;
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 2] =
    [(Format::Text, "One paragraph for each finding"), (Format::Json, "strait.lint/v1")];

/// Show how container engines, runtimes and operators read a profile
///
/// Consumers differ in how they read a profile. For each part that a consumer ignores, refuses or misreads,
/// Strait reports the consumer and its versions, what happens, what to do, and the source of that knowledge.
/// A part that misleads every reader is a warning for all. Strait reads any profile here, even one that it
/// refuses elsewhere.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait lint nginx.json
  strait lint /etc/docker/seccomp.json --for containerd,spo
  strait lint nginx.json --format json -o lint.json

Exit status: 10 if a part of the profile is refused or misread, or if the profile confines nothing; 0 if \
parts are only ignored.")]
pub struct LintArgs {
    /// Profile; - is standard input
    profile: PathBuf,
    /// Consumers of the profile [default: all]
    #[arg(long = "for", value_name = "CONSUMER", value_delimiter = ',', value_parser = one_of::<Consumer>(), help_heading = "Consumers")]
    consumers: Vec<Consumer>,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
}

impl LintArgs {
    /// Who was asked for, each once and in the order of reports.
    fn consumers(&self) -> Vec<Consumer> {
        let asked =
            |consumer: &Consumer| self.consumers.is_empty() || self.consumers.contains(consumer);
        Consumer::ALL.into_iter().filter(asked).collect()
    }
}

/// Runs `strait lint`.
pub fn main(args: &LintArgs, ui: &Ui) -> Outcome {
    let name = shown(&args.profile);
    let cannot_use = || format!("cannot use {name}");
    let text = read_text(&args.profile)?;
    let value = profile::document(&text).with_context(cannot_use)?;
    let output = Output::from(args.output.clone());
    output.check()?;
    let consumers = args.consumers();
    let remarks = remarks(&value, text.len(), &consumers);
    // What cannot be read is among the remarks, consumer by consumer.
    let findings = match resolved(&text) {
        Ok(resolved) => resolved.lint(),
        Err(error @ ParseError::TooManyRules(_)) => {
            return Err(anyhow::Error::from(error).context(cannot_use()).into());
        }
        Err(_) => Vec::new(),
    };
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    let report = match args.format {
        Format::Json => {
            Report::json(&json::print(&name, &consumers, (&errors, &warnings), &remarks)?)
        }
        _ => Report::Text(report(&errors, &warnings, &remarks)),
    };
    report.write(&output)?;
    let serious =
        remarks.iter().filter(|remark| remark.effect != Effect::Ignored).count() + errors.len();
    let all = remarks.len() + errors.len() + warnings.len();
    ui.say(match (all, serious) {
        (0, _) => format!("{name} says the same to {}", names(&consumers)),
        (all, 0) => format!("{} in {name}, none serious", plural(all, "finding")),
        (all, serious) => format!("{} in {name}, {serious} serious", plural(all, "finding")),
    });
    Ok(ExitCode::from(if serious > 0 { exit::WIDER } else { exit::DONE }))
}

/// What the profile says where a dialect is resolved: on all machines, or on this one if it says something else on
/// each.
fn resolved(text: &str) -> Result<Resolved, ParseError> {
    let workload = Workload::default();
    match resolve_on(text, &workload, Machines::ALL) {
        Err(ParseError::Machines(first, _)) => resolve_on(text, &workload, first.into()),
        other => other,
    }
}

fn names(consumers: &[Consumer]) -> String {
    consumers.iter().map(|consumer| consumer.name()).collect::<Vec<_>>().join(", ")
}

fn report(errors: &[Finding], warnings: &[Finding], remarks: &[Remark]) -> Text {
    let mut text = Text::new();
    for error in errors {
        text.line(format_args!("all: {}: {}", place(&error.path, error.places), error.message));
    }
    for warning in warnings {
        let place = place(&warning.path, warning.places);
        text.line(format_args!("all: {place}: warning: {}", warning.message));
    }
    for remark in remarks {
        let consumer = remark.consumer.name();
        let by = match (remark.by.eq_ignore_ascii_case(consumer), remark.versions) {
            (true, None) => String::new(),
            (false, None) => format!(" (by {})", remark.by),
            (_, Some(versions)) => format!(" (by {} {versions})", remark.by),
        };
        let Remark { effect, what, advice, source, date, .. } = remark;
        let place = place(&remark.path, remark.places);
        let checked = if remark.checked { "" } else { ", not checked by a test" };
        text.line(format_args!("{consumer}: {place}: {effect}{by}: {what}"));
        text.line(format_args!("    to do: {advice}"));
        text.line(format_args!("    source: {source} ({date}{checked})"));
    }
    text
}

/// A place, and how many more there are.
fn place(path: &str, places: usize) -> String {
    match places {
        0 | 1 => path.to_owned(),
        places => format!("{path} and {} more", places - 1),
    }
}
