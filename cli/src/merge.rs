//! `strait merge`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::given::{self, What};
use super::record::{self, plural};
use super::targets;
use super::{Ui, read_text, shown};
use strait_generator::abi::Abi;
use strait_generator::machine::Machines;
use strait_generator::policy::decide::{Change, compare};
use strait_generator::profile::combine::{Combined, Operation};
use strait_generator::profile::{self, ParseError, Profile, Workload, combine};
use strait_generator::recording::merge::{Added, MergeError, Merger, in_an_order_that_works};
use strait_generator::recording::target::{TargetIds, grouped};
use strait_generator::recording::{Completeness, Recording, v1};
use strait_recorder::output::Output;

/// How many inputs are listed one by one.
const SHOWN: usize = 20;

/// Merge recordings into one, or profiles into one
///
/// Recordings, such as the shards of a test suite, replicas, restarts, architectures or days: counts are
/// added, samples are kept apart. The order does not matter, and a recording that is given twice counts once:
/// each has an id.
///
/// Profiles: the result allows what any of them allows, argument by argument; with --intersect, what all of
/// them allow.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait merge shard-*.recording.json -o app.recording.json
  strait merge amd64.recording.json arm64.recording.json -o app.recording.json
  strait merge --allow-mixed web.recording.json cron.recording.json -o pod.json
  strait merge --intersect app.json node.json -o both.json

Exit status: 1 if the inputs do not go together; then nothing is written.")]
pub struct MergeArgs {
    /// Recordings, folders of them (*.recording.json), or profiles; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the result here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Merge recordings of different targets, too
    #[arg(long, help_heading = "Which recordings")]
    allow_mixed: bool,
    /// Merge recordings of processes that only look like a container (unconfirmed@…), too
    #[arg(long, help_heading = "Which recordings")]
    allow_unconfirmed: bool,
    /// Keep only what all profiles allow
    #[arg(long, help_heading = "Merging profiles")]
    intersect: bool,
    /// Machines that the merged profile is for [default: all]
    #[arg(long, value_name = "MACHINE", value_parser = one_of::<Machines>(), help_heading = "Merging profiles")]
    machine: Option<Machines>,
}

/// Runs `strait merge`.
pub fn main(args: &MergeArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    super::given::only_once(&args.files)?;
    let paths = targets::expand(&args.files)?;
    let files = Files::open(&paths)?;
    if let (Some(path), Err(error @ ParseError::Resource(_))) =
        (paths.first(), profile::document(&files.first))
    {
        return Err(anyhow::Error::from(error).context(cannot_use(path)).into());
    }
    let text = if args.intersect || files.are_profiles() {
        profiles(&files, ui, args.intersect, args.machine.unwrap_or(Machines::ALL))?
    } else {
        if args.machine.is_some() {
            let error =
                anyhow!("--machine is for profiles: a recording says on which machine it was made");
            return Err(Failure::new(exit::USAGE, error));
        }
        let choice = Choice { mixed: args.allow_mixed, unconfirmed: args.allow_unconfirmed };
        let (merged, report) = recordings(&files, choice)?;
        report.show(ui);
        targets::note_commands([&merged], ui);
        summarize(&merged, ui);
        v1::print(&merged)?
    };
    super::ui::Report::json(&text).write(&output)?;
    if let Output::File(path) = &output {
        ui.say(format_args!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads recordings as one, whatever they were merged from.
pub fn read(paths: &[PathBuf], allow_mixed: bool) -> Result<Recording, Failure> {
    super::given::only_once(paths)?;
    let paths = targets::expand(paths)?;
    // Nothing is made of them but something to look at.
    let choice = Choice { mixed: allow_mixed, unconfirmed: true };
    let (merged, _) = recordings(&Files::open(&paths)?, choice)?;
    Ok(merged)
}

/// What is merged that is not by itself.
#[derive(Clone, Copy)]
struct Choice {
    /// Recordings of different targets.
    mixed: bool,
    /// Recordings of what only looks like a container.
    unconfirmed: bool,
}

/// The inputs. The first one says what they all are, and is kept: a pipe can be read only once.
struct Files<'a> {
    paths: &'a [PathBuf],
    first: String,
}

impl<'a> Files<'a> {
    fn open(paths: &'a [PathBuf]) -> Result<Self, Failure> {
        let first = paths.first().map(|path| read_text(path)).transpose()?;
        Ok(Self { paths, first: first.unwrap_or_default() })
    }

    fn are_profiles(&self) -> bool {
        // The evidence may come before its profile.
        let is_one = |text: &str| match given::what(text) {
            What::Profile => given::has_a_profiles_field(text),
            _ => false,
        };
        match given::what(&self.first) {
            What::Evidence => self
                .paths
                .iter()
                .skip(1)
                .any(|path| path.is_file() && read_text(path).is_ok_and(|text| is_one(&text))),
            _ => is_one(&self.first),
        }
    }

    fn read(&self, path: &Path) -> Result<Cow<'_, str>, Failure> {
        match self.paths.first() {
            Some(first) if first == path => Ok(Cow::Borrowed(&self.first)),
            _ => read_text(path).map(Cow::Owned),
        }
    }

    /// Whether each of them can be read once more.
    fn are_plain(&self) -> bool {
        self.paths.iter().all(|path| path.as_os_str() != "-" && path.is_file())
    }
}

fn profiles(
    files: &Files<'_>,
    ui: &Ui,
    intersect: bool,
    machines: Machines,
) -> Result<String, Failure> {
    let (mut paths, mut profiles) = (Vec::new(), Vec::new());
    for path in files.paths {
        let text = files.read(path)?.into_owned();
        if given::what(&text) == What::Evidence && files.paths.len() > 1 {
            ui.say(format_args!("{} is evidence and was skipped", shown(path)));
            continue;
        }
        let given = given::parse(path, text, &Workload::default(), Machines::ALL, ui)?;
        if !given.flags.is_empty() {
            ui.warn(format_args!("{}: its flags are not in the result", shown(path)));
        }
        paths.push(path);
        profiles.push(given.profile);
    }
    let operation = if intersect { Operation::Intersection } else { Operation::Union };
    let Combined { profile, notes } = combine(&profiles, operation, machines)?;
    for note in notes {
        ui.warn(note);
    }
    let before = |given: &Profile| given.policy(machines);
    let merged = profile.policy(machines)?;
    let count = |changes: Vec<&Change>| {
        let calls = changes
            .iter()
            .map(|change| (change.name(), change.name().is_none().then_some(change.number)));
        calls.collect::<BTreeSet<_>>().len()
    };
    for (path, given) in paths.into_iter().zip(&profiles) {
        let comparison = compare(&before(given)?, &merged);
        let changes = comparison.changes();
        let wider = count(changes.filter(|change| change.widened.is_some()).collect());
        let changes = comparison.changes();
        let narrower = count(changes.filter(|change| change.narrowed.is_some()).collect());
        ui.say(format_args!(
            "{}: the result allows {} more, {} less on {machines}",
            shown(path),
            plural(wider, "call"),
            plural(narrower, "call")
        ));
    }
    Ok(profile::print(&profile)?)
}

/// Merges recordings, of which only one is in memory at a time.
fn recordings(files: &Files<'_>, choice: Choice) -> Result<(Recording, Report), Failure> {
    let paths: Vec<&Path> = files.paths.iter().map(PathBuf::as_path).collect();
    let is_plain = files.are_plain();
    let comes_first =
        |wrong: &Wrong| is_plain && matches!(wrong, Wrong::Merge(MergeError::Overlap { .. }));
    let merged = in_an_order_that_works(&paths, comes_first, |paths| attempt(files, paths, choice));
    merged.or_else(|(path, wrong)| {
        let error = match wrong {
            Wrong::Merge(MergeError::Mixed { .. }) if is_plain => return Err(mixed(files)?.into()),
            Wrong::Merge(error) => anyhow::Error::from(error),
            Wrong::Read(failure) => return Err(failure),
        };
        Err(error.context(path.map(cannot_use).unwrap_or_default()).into())
    })
}

/// That recordings are of different targets: all of these, with their files.
fn mixed(files: &Files<'_>) -> Result<anyhow::Error, Failure> {
    let read = |path: &PathBuf| {
        record::parse(path, &files.read(path)?).map(|recording| (path.clone(), recording.targets()))
    };
    let read: Vec<(PathBuf, TargetIds)> =
        files.paths.iter().map(read).collect::<Result<_, Failure>>()?;
    let groups = grouped(read, |(_, targets)| targets.clone());
    let listed = groups.iter().map(|(targets, members)| {
        (targets, members.iter().map(|(path, _)| path.as_path()).collect())
    });
    let advice = "Merge those of one target at a time, or all with --allow-mixed";
    Ok(targets::mixed(listed, advice))
}

/// Why an input could not be used.
enum Wrong {
    Read(Failure),
    Merge(MergeError),
}

/// Merges in this order. The error is of the path at this index.
fn attempt(
    files: &Files<'_>,
    paths: &[&Path],
    choice: Choice,
) -> Result<(Recording, Report), (usize, Wrong)> {
    let mut merger = Merger::new(choice.mixed);
    let mut report = Report::default();
    for (at, path) in paths.iter().enumerate() {
        let text = files.read(path).map_err(|failure| (at, Wrong::Read(failure)))?;
        let recording = record::parse(path, &text).map_err(|error| (at, Wrong::Read(error)))?;
        if recording.is_unconfirmed() && !choice.unconfirmed {
            report.unconfirmed.push(shown(path));
            continue;
        }
        let added = merger.add(recording).map_err(|error| (at, Wrong::Merge(error)))?;
        report.note(path, &added);
    }
    if report.unconfirmed.len() == paths.len() {
        let error = anyhow!(
            "it is unconfirmed, a recording of what only looks like a container, as are all that were given. \
             Pass --allow-unconfirmed to merge them all the same"
        );
        return Err((0, Wrong::Read(Failure::new(exit::EMPTY, error))));
    }
    Ok((merger.finish().map_err(|error| (paths.len(), Wrong::Merge(error)))?, report))
}

fn summarize(merged: &Recording, ui: &Ui) {
    ui.say(format_args!(
        "{} in one: {} ({} different) of {}{}",
        plural(merged.sources().len(), "recording"),
        plural(merged.total(), "system call"),
        merged.iter().count(),
        plural(merged.programs.len(), "program"),
        match merged.samples.len() {
            0 => String::new(),
            samples => format!(", in {}", plural(samples, "sample")),
        },
    ));
    if let Completeness::Incomplete(losses) = merged.completeness {
        for line in losses.describe() {
            ui.warn(format_args!("incomplete: {line}"));
        }
    }
}

fn cannot_use(path: &Path) -> String {
    format!("cannot use {}", shown(path))
}

/// What each input brought. Of many inputs most bring nothing new; they are counted.
#[derive(Default)]
struct Report {
    told: Vec<String>,
    unconfirmed: Vec<String>,
    nothing_new: usize,
    known: usize,
    more: usize,
}

impl Report {
    fn note(&mut self, path: &Path, added: &Added) {
        if added.known {
            self.known += 1;
        } else if added.calls.is_empty() {
            self.nothing_new += 1;
        } else if self.told.len() == SHOWN {
            self.more += 1;
        } else {
            let calls = plural(added.count, "call");
            self.told.push(format!("{}: {calls}; new: {}", shown(path), names(added)));
        }
    }

    fn show(self, ui: &Ui) {
        for path in self.unconfirmed {
            ui.warn(format_args!(
                "{path} was left out: it is unconfirmed, a recording of what only looks like a container \
                 (--allow-unconfirmed)"
            ));
        }
        for line in self.told {
            ui.say(line);
        }
        for (count, what) in [
            (self.more, "more brought new calls"),
            (self.nothing_new, "brought no new call"),
            (self.known, "skipped: already in the result"),
        ] {
            if count > 0 {
                ui.say(format_args!("{} {what}", plural(count, "file")));
            }
        }
    }
}

/// The first few of the new calls. Those of an ABI that is not its machine's own say so, and all do if there
/// are several machines.
fn names(added: &Added) -> String {
    const FEW: usize = 8;
    let machines: Machines = added.calls.iter().map(|(abi, _)| abi.machine()).collect();
    let several = machines.iter().count() > 1;
    let name = |(abi, number): &(Abi, u32)| {
        let name = abi.syscall_name(*number).map_or_else(|| number.to_string(), str::to_owned);
        if abi.is_native() && !several { name } else { format!("{name} ({abi})") }
    };
    let few: Vec<_> = added.calls.iter().take(FEW).map(name).collect();
    match added.calls.len().saturating_sub(FEW) {
        0 => few.join(" "),
        more => format!("{} and {more} more", few.join(" ")),
    }
}
