//! What people read while Strait works: prose on standard error, coloured only where that is wanted.

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::foreign::lines;

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
            writeln!(out, "strait: {}: {}", record.level().as_str().to_lowercase(), record.args())
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

    /// A result, for people.
    pub fn say(self, text: impl Display) {
        if !self.quiet {
            line(NAME, "", &text);
        }
    }

    /// Something that happens while waiting.
    pub fn note(self, text: impl Display) {
        self.say(text);
    }

    /// Something that the result must not be used without knowing; `--quiet` does not hide it.
    pub fn warn(self, text: impl Display) {
        line(WARNING, "warning: ", &text);
    }

    /// Why Strait failed, with all that led to it.
    pub fn error(self, error: &anyhow::Error) {
        let mut text = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Most of Strait's errors name their cause within a sentence that goes on with advice.
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        line(ERROR, "error: ", &text);
    }

    /// Text of several lines that stands by itself.
    pub fn show(self, text: impl Display) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// The same, but `--quiet` does not hide it.
    pub fn insist(self, text: impl Display) {
        // Nobody is left to tell that standard error is gone.
        let _ = write!(anstream::stderr().lock(), "{text}");
    }
}

/// Text for standard output, with its colours if they are wanted there.
pub fn for_stdout(text: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

/// Parts of a text may come from a file that somebody else has written.
fn line(style: Style, kind: &str, text: &dyn Display) {
    let text = lines(&text.to_string());
    let _ =
        writeln!(anstream::stderr().lock(), "{NAME}strait:{NAME:#} {style}{kind}{style:#}{text}");
}
