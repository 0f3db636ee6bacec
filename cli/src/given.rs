//! Profiles that are given on the command line: found among other files, read as engines read them, and refused
//! where they are of no use.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use super::exit::{self, Failure};
use super::record::plural;
use super::{Ui, read_text, shown};
use strait_generator::machine::{Machine, Machines};
use strait_generator::profile::{
    self, Finding, Findings, OnMachines, ParseError, Profile, Resolved, Severity, Workload, lint,
    parse_on, resolve_on,
};
use strait_generator::schema::schema;

/// A profile, and what engines can be given of it.
#[derive(Clone, Debug)]
pub struct Given {
    /// What it says.
    pub profile: Profile,
    /// It as text: the file itself if every engine reads it so, else what it says in plain OCI.
    pub text: String,
    /// Whether that is the file itself.
    pub is_plain: bool,
    /// Flags of seccomp(2) for the filter.
    pub flags: Vec<String>,
}

/// Reads a profile for a workload and some machines.
pub fn parse(
    path: &Path,
    text: String,
    workload: &Workload,
    machines: Machines,
    ui: &Ui,
) -> anyhow::Result<Given> {
    let name = shown(path);
    let cannot_use = || format!("cannot use {name}");
    if let Ok(profile) = profile::parse(&text) {
        return Ok(Given { profile, text, is_plain: true, flags: Vec::new() });
    }
    let resolved = resolve_on(&text, workload, machines).with_context(cannot_use)?;
    for note in &resolved.notes {
        ui.warn(format_args!("{name}: {note}"));
    }
    if resolved.is_dialect {
        warn_of_dialect(&name, workload, machines, ui);
    }
    let is_plain = resolved.is_plain();
    let text = if is_plain { text } else { resolved.print()? };
    let Resolved { profile, flags, .. } = resolved;
    Ok(Given { profile, text, is_plain, flags })
}

fn warn_of_dialect(name: &str, workload: &Workload, machines: Machines, ui: &Ui) {
    ui.warn(format_args!(
        "{name} is in the dialect of dockerd and podman, which containerd and Kubernetes do not resolve: \
         Strait resolves it for {}. `strait convert` makes a plain OCI profile of it",
        assumed(workload, machines)
    ));
}

/// Reads a profile as each of some machines does, for Docker's default capabilities and a new kernel.
pub fn on_machines(
    path: &Path,
    text: &str,
    machines: Machines,
    ui: &Ui,
) -> anyhow::Result<OnMachines> {
    on_machines_for(path, text, machines, &Workload::default(), ui)
}

/// The same for a workload.
pub fn on_machines_for(
    path: &Path,
    text: &str,
    machines: Machines,
    workload: &Workload,
    ui: &Ui,
) -> anyhow::Result<OnMachines> {
    let name = shown(path);
    let cannot_use = || format!("cannot use {name}");
    let profile = parse_on(text, machines, workload).with_context(cannot_use)?;
    if profile::parse(text).is_err() {
        let machine = profile.machines().iter().next().unwrap_or(Machine::X86_64);
        let resolved = profile::resolve(text, &workload.on(machine)).with_context(cannot_use)?;
        for note in &resolved.notes {
            ui.warn(format_args!("{name}: {note}"));
        }
        if resolved.is_dialect {
            warn_of_dialect(&name, workload, machines, ui);
        }
    }
    Ok(profile)
}

/// What a dialect is resolved for, in words.
pub fn assumed(workload: &Workload, machines: Machines) -> String {
    let capabilities = if *workload == Workload::default() {
        "Docker's default capabilities".to_owned()
    } else {
        let default = Workload::default().capabilities == workload.capabilities;
        if default { "Docker's default capabilities" } else { "the given capabilities" }.to_owned()
    };
    let kernel = match workload.kernel {
        Some((major, minor)) => format!("Linux {major}.{minor}"),
        None => "a new kernel".to_owned(),
    };
    if machines == Machines::ALL {
        format!("{capabilities}, {kernel} and all machines")
    } else {
        format!("{capabilities}, {kernel} and {machines}")
    }
}

impl Given {
    /// Refuses a profile that confines nothing or that no container starts under, and warns of all else.
    pub fn require_usable(&self, path: &Path, ui: &Ui) -> anyhow::Result<()> {
        require_usable(&self.profile, &shown(path), ui)
            .with_context(|| format!("cannot use {}", shown(path)))
    }
}

/// The same for a profile of some name.
pub fn require_usable(profile: &Profile, name: &str, ui: &Ui) -> anyhow::Result<()> {
    report_findings(lint(profile), name, ui)
}

/// The same on each of its machines.
pub fn require_usable_on(profile: &OnMachines, name: &str, ui: &Ui) -> anyhow::Result<()> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in profile.profiles().into_iter().flat_map(lint) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    report_findings(findings, name, ui)
}

fn report_findings(findings: Vec<Finding>, name: &str, ui: &Ui) -> anyhow::Result<()> {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    for warning in &warnings {
        ui.warn(format_args!("{name}: {warning}"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Findings(errors).into()) }
}

/// What a file is, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A profile, or something that may have been meant as one.
    Profile,
    /// What is remembered about a profile.
    Evidence,
    /// A recording.
    Recording,
    /// Another file of Strait's.
    Other,
}

/// What a text is.
pub fn what(text: &str) -> What {
    match schema(text).ok().flatten().as_deref().and_then(|schema| schema.split('/').next()) {
        None => What::Profile,
        Some("strait.evidence") => What::Evidence,
        Some("strait.recording") => What::Recording,
        Some(schema) if schema.starts_with("strait.") => What::Other,
        Some(_) => What::Profile,
    }
}

/// The profiles among some files and folders, with their text. `generate` puts the evidence beside a profile, so
/// that is passed over.
pub fn profiles(paths: &[PathBuf], ui: &Ui) -> Result<Vec<(PathBuf, String)>, Failure> {
    only_once(paths)?;
    let mut found = Vec::new();
    let mut evidence = Vec::new();
    for path in paths {
        if path.as_os_str() != "-" && path.is_dir() {
            found.extend(in_folder(path)?);
            continue;
        }
        let text = read_text(path)?;
        if what(&text) == What::Evidence {
            evidence.push(path);
        } else {
            found.push((path.clone(), text));
        }
    }
    match (found.is_empty(), evidence.as_slice()) {
        (true, [first, ..]) => {
            let error = anyhow!(ParseError::OtherSchema("strait.evidence/v1".to_owned()));
            return Err(error.context(format!("cannot use {}", shown(first))).into());
        }
        (_, []) => {}
        (_, [one]) => ui.say(format_args!("{} is evidence and was skipped", shown(one))),
        (_, many) => ui.say(format_args!("{} files of evidence were skipped", many.len())),
    }
    Ok(found)
}

/// The profiles in a folder: its files that have a field of a profile's.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let name = shown(folder);
    let cannot_read = || format!("cannot read {name}");
    let mut paths: Vec<PathBuf> = folder
        .read_dir()
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(cannot_read)?;
    paths.retain(|path| {
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        is_json && !is_hidden && path.is_file()
    });
    paths.sort();
    let mut found = Vec::new();
    let mut recordings = 0;
    for path in paths {
        let text = read_text(&path).map_err(|failure| failure.error)?;
        match what(&text) {
            What::Profile if has_a_profiles_field(&text) => found.push((path, text)),
            What::Recording => recordings += 1,
            _ => {}
        }
    }
    match (found.is_empty(), recordings) {
        (true, 0) => bail!(
            "there is no profile in {name}: name a folder in which `strait generate` has put some, or a file"
        ),
        (true, _) => bail!(
            "{name} has {} and no profile: make profiles of them with `strait generate RECORDING -o PROFILE`",
            plural(recordings, "recording")
        ),
        (false, _) => Ok(found),
    }
}

/// Whether JSON has a field that only a profile has. What is cut off may have been one.
pub fn has_a_profiles_field(text: &str) -> bool {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.as_object().is_some_and(|fields| {
            let is_one = |name: &String| {
                ["defaultAction", "syscalls"].iter().any(|known| known.eq_ignore_ascii_case(name))
            };
            fields.keys().any(is_one)
        }),
        Err(_) => text.contains("\"defaultAction\""),
    }
}

/// A usage error if an option is for one profile and there are several.
pub fn only_for_one(count: usize, option: &str, is_given: bool) -> Result<(), Failure> {
    if count < 2 || !is_given {
        return Ok(());
    }
    let error = anyhow!("{option} is for one profile, and {count} are given: run Strait for each");
    Err(Failure::new(exit::USAGE, error))
}

/// Refuses to read standard input twice: the second time there is nothing in it.
pub fn only_once(paths: &[impl AsRef<Path>]) -> Result<(), Failure> {
    match paths.iter().filter(|path| path.as_ref().as_os_str() == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::new(exit::USAGE, anyhow!("standard input (-) can be given only once"))),
    }
}
