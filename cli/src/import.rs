//! `strait import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::record::{self, plural};
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::import::{Format, ImportError, Imported, Options, Source, import};
use strait_generator::machine::Machines;
use strait_generator::recording::v1;
use strait_recorder::output::Output;
use strait_recorder::record::engine::file_name;

/// Make a recording from a log of strace, audit records, or a profile
///
/// Strait detects the format from the content of FILE:
///
/// A log of strace, or the table of `strace -c`. The best log is one of `strace -f -n --quiet=none -o FILE`,
/// or -ff with a file for each process: -n and --quiet=none tell 32-bit calls apart, and -o keeps the log
/// apart from other output. The options -y, -yy, -t, -r, -T, -k and -X may be added.
///
/// Audit records of the kernel (SECCOMP, from a filter with SCMP_ACT_LOG, and SYSCALL), as auditd, `ausearch
/// --raw`, `journalctl -k -o json` and `dmesg` write them. The kernel does not log every call, so their
/// recording is incomplete.
///
/// A seccomp profile in any dialect, or a SeccompProfile of the Security Profiles Operator: the calls that it
/// allows. Which program made them, how often and with which arguments is not known.
///
/// Several files of one target make one recording. The recording says what its source does not contain, and a
/// profile made from it is as wide there as the Docker default. A log without a date makes a recording that
/// begins on 1970-01-01.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strace -f -n --quiet=none -o app.strace ./app && strait import app.strace
  strace -ff -o log ./app && strait import log.* --name app
  ausearch --raw -m SECCOMP -x /usr/sbin/nginx | strait import - --name nginx
  kubectl get seccompprofile nginx -o yaml | strait import -

Exit status: 1 if a file cannot be read or has another format; 3 if it contains no system call. An \
incomplete recording is written, and `strait generate` ends with 4 unless --allow-incomplete is given.")]
pub struct ImportArgs {
    /// Logs or profiles; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the recording here; - is standard output [default: NAME.recording.json in this folder]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Format of the files [default: detected]
    #[arg(long, value_name = "FORMAT", value_parser = format(), help_heading = "How to read FILE")]
    from: Option<Format>,
    /// Name of the target; of several SeccompProfiles, the one to read [default: from the files]
    #[arg(long, value_name = "NAME", value_parser = record::name, help_heading = "Output")]
    name: Option<String>,
    /// Machine on which the files were made; for a profile, the machine to read it for [default: from the
    /// files]
    #[arg(long, value_name = "MACHINE", value_parser = one_of::<Machines>(), help_heading = "How to read FILE")]
    machine: Option<Machines>,
}

/// Formats by name.
fn format() -> impl TypedValueParser<Value = Format> {
    let named = |format: Format| PossibleValue::new(format.name()).help(format.about());
    PossibleValuesParser::new(Format::all().map(named).collect::<Vec<_>>())
        .try_map(|name| name.parse::<Format>())
}

/// Opens a file, or standard input for `-`.
fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a folder: name the files in it"));
    }
    Ok(Box::new(BufReader::new(file)))
}

/// The exit status for it.
fn code(error: &ImportError) -> u8 {
    match error {
        ImportError::Empty { .. } => exit::EMPTY,
        _ => exit::FAILED,
    }
}

/// Runs `strait import`.
pub fn main(args: &ImportArgs, ui: &Ui) -> Outcome {
    super::given::only_once(&args.files)?;
    if let Some(output) = &args.output {
        Output::from(output.clone()).check()?;
        if args.files.iter().any(|file| file == output && file.as_os_str() != "-") {
            let error = anyhow!("{} is to be read and written: give another -o", shown(output));
            return Err(Failure::new(exit::USAGE, error));
        }
    }
    let options = Options {
        format: args.from,
        name: args.name.clone(),
        machine: args.machine.and_then(Machines::only),
    };
    let sources = args.files.iter().map(|path| Source::opened(shown(path), || open(path)));
    let imported = import(sources.collect(), &options);
    let Imported { recording, format, remarks } =
        imported.map_err(|error| Failure::new(code(&error), error))?;
    for remark in remarks {
        ui.warn(remark);
    }
    let output = match &args.output {
        Some(output) => Output::from(output.clone()),
        None => Output::from(PathBuf::from(file_name(&recording.target.name, 1))),
    };
    output.check()?;
    Report::json(&v1::print(&recording)?).write(&output)?;
    let of_abis: Vec<_> =
        recording.calls.iter().map(|(abi, calls)| format!("{} {abi}", calls.len())).collect();
    let different = recording.iter().count();
    ui.say(format_args!(
        "{}: {} ({} different: {}) of {}",
        format.about(),
        plural(recording.total(), "system call"),
        different,
        of_abis.join(", "),
        plural(recording.programs.len(), "program"),
    ));
    record::describe_gaps(&recording, ui);
    if let Output::File(path) = &output {
        ui.say(format_args!("wrote {}", shown(path)));
    }
    Ok(ExitCode::SUCCESS)
}
