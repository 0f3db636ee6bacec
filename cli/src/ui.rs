//! Messages: text on standard error, colored only where that is wanted.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::exit::Failure;
use strait_generator::profile::Findings;
use strait_generator::untrusted::{Json, Line, Markdown, Text};
use strait_recorder::output::Output;

const NAME: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// How much to say.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    quiet: bool,
    verbose: u8,
}

impl Ui {
    /// Colours are decided once, here: `--color`, then `NO_COLOR` and what the terminal can do.
    pub fn new(quiet: bool, verbose: u8, color: clap::ColorChoice) -> Self {
        match color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let ui = Self { quiet, verbose };
        ui.start_log();
        ui
    }

    /// `-v` shows what Strait does, `-vv` what its libraries do as well.
    fn start_log(self) {
        let level = match self.verbose {
            0 => return,
            1 => log::LevelFilter::Debug,
            _ => log::LevelFilter::Trace,
        };
        let mut builder = env_logger::Builder::new();
        builder.filter_level(level).format(|out, record| {
            let level = record.level().as_str().to_lowercase();
            // The kernel's verifier explains itself on many lines.
            for line in record.args().to_string().lines() {
                writeln!(out, "{}", Line::new(format_args!("strait: {level}: {line}")))?;
            }
            Ok(())
        });
        if self.verbose == 1 {
            builder.filter_module("aya", log::LevelFilter::Warn);
            builder.filter_module("aya_obj", log::LevelFilter::Warn);
        }
        // A second logger in one process is the embedder's own.
        let _ = builder.try_init();
    }

    /// Whether `-v` was given.
    pub fn is_verbose(self) -> bool {
        self.verbose > 0
    }

    /// A result, for people, in a line.
    pub fn say(self, text: impl Display) {
        if !self.quiet {
            show(&line(NAME, "", text));
        }
    }

    /// Something that happens while waiting.
    pub fn note(self, text: impl Display) {
        self.say(text);
    }

    /// Something that the result must not be used without knowing; `--quiet` does not hide it.
    pub fn warn(self, text: impl Display) {
        show(&line(WARNING, "warning: ", text));
    }

    /// Why Strait failed, with all that led to it.
    pub fn error(self, error: &anyhow::Error) {
        let mut text = error.to_string();
        let mut more: &[_] = &[];
        for cause in error.chain() {
            let mut said = cause.to_string();
            if let Some(Findings(findings)) = cause.downcast_ref()
                && let [first, rest @ ..] = findings.as_slice()
            {
                let whole =
                    std::mem::replace(&mut said, format!("{}: {}", first.path, first.message));
                text = text.replace(&whole, &said);
                more = rest;
            }
            // Most of Strait's errors name their cause within a sentence that goes on with advice.
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
        }
        let mut all = Text::new();
        all.push(&line(ERROR, "error: ", text));
        for finding in more {
            all.line(format_args!("{}: {}", finding.path, finding.message));
        }
        eprint(&all);
    }

    /// Text of several lines that stands by itself.
    pub fn show(self, text: &Text) {
        if !self.quiet {
            eprint(text);
        }
    }

    /// A report, which `--quiet` does not hide.
    pub fn insist(self, report: &Report) {
        match report {
            Report::Text(text) => eprint(text),
            Report::Json(json) => eprint(json),
            Report::Markdown(markdown) => eprint(markdown),
            Report::Other(text) => eprint(text),
        }
    }
}

/// What a command writes where `--output` says.
#[derive(Debug)]
pub enum Report {
    /// For people.
    Text(Text),
    /// For programs: a profile, a recording, SARIF.
    Json(Json),
    /// For a comment on a pull request.
    Markdown(Markdown),
    /// In a format whose writer has escaped what is not ours: HTML, YAML; or a patch, which is what the file is.
    Other(String),
}

impl Report {
    /// What a writer of JSON has made.
    pub fn json(document: &str) -> Self {
        Self::Json(Json::new(document))
    }
}

impl Report {
    /// Writes it.
    pub fn write(&self, output: &Output) -> Result<(), Failure> {
        Ok(output.write(self.text_for(output).as_bytes())?)
    }

    /// What is to be written. Text is in colour where standard output is.
    pub fn text_for(&self, output: &Output) -> String {
        match (self, output) {
            (Self::Json(json), _) => json.to_string(),
            (Self::Markdown(markdown), _) => markdown.to_string(),
            (Self::Other(text), _) => text.clone(),
            (Self::Text(text), Output::Stdout) if stdout_has_colours() => text.to_string(),
            (Self::Text(text), _) => anstream::adapter::strip_str(text.as_str()).to_string(),
        }
    }
}

/// Whether what is written to standard output may have colours.
pub fn stdout_has_colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// A line with Strait's name, and whatever is in it that others wrote.
fn line(style: Style, kind: &str, text: impl Display) -> Line {
    let line = Line::default().styled(NAME, "strait:").plain(" ");
    if kind.is_empty() { line.plain(text) } else { line.styled(style, kind).plain(text) }
}

fn show(line: &Line) {
    let mut text = Text::new();
    text.push(line);
    eprint(&text);
}

fn eprint(text: impl Display) {
    // There is no place left to report that standard error is gone.
    let _ = write!(anstream::stderr().lock(), "{text}");
}
