//! `strait scan`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Outcome;
use super::format::{Format, formats};
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::scan::program;
use strait_recorder::output::Output;
use strait_recorder::scan::{Root, Scanner};

/// What the report may look like.
const FORMATS: [(Format, &str); 2] =
    [(Format::Text, "One line for each call, by risk"), (Format::Json, "strait.scan/v1")];

/// Show the system calls that a program can make, without running it
///
/// Reads the executable and its libraries: the functions of the C library that they import, by a table of the
/// calls that each makes, and the numbers that their own instructions pass to the kernel. If that cannot be
/// complete, the report says why: libraries that `dlopen` loads, a number that was not found, a library that
/// is missing. Programs that the program executes are not included.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait scan /usr/sbin/nginx
  strait scan --root ./rootfs /usr/bin/app
  strait scan app --format json -o app.scan.json

Exit status: 1 if one of the files cannot be scanned; the others are reported.")]
pub struct ScanArgs {
    /// Programs; for a script, its interpreter is scanned
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder that stands for /, such as an unpacked image; no link leads out of it
    #[arg(long, value_name = "DIR", default_value = "/", help_heading = "What to scan")]
    root: PathBuf,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
}

/// Runs `strait scan`.
pub fn main(args: &ScanArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    let root = Root::new(&args.root)
        .with_context(|| format!("cannot open the root {}", shown(&args.root)))?;
    let mut scanner = Scanner::new(root);
    let mut programs = Vec::new();
    let mut failed = false;
    for file in &args.files {
        let scanned = beneath(args, file)
            .and_then(|path| Ok(scanner.program(&path, None)?))
            .with_context(|| format!("cannot scan {}", shown(file)));
        match scanned {
            Ok(program) => programs.push(program),
            Err(error) => {
                failed = true;
                ui.error(&error);
            }
        }
    }
    if !programs.is_empty() || args.format == Format::Json {
        let report = match args.format {
            Format::Json => Report::Json(program::json(&programs)?),
            _ => Report::Text(program::text(&programs)),
        };
        report.write(&output)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The path of a file beneath the root. Without a root of its own it may be relative.
fn beneath(args: &ScanArgs, file: &Path) -> anyhow::Result<String> {
    let is_of_machine = args.root == Path::new("/");
    let path = match is_of_machine && file.is_relative() {
        true => std::env::current_dir().context("cannot tell the current folder")?.join(file),
        false => file.to_owned(),
    };
    path.into_os_string().into_string().map_err(|_| anyhow!("its path is not UTF-8"))
}
