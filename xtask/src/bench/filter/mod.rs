//! What the filter of a profile costs a workload, beside Docker's default and no filter. Nothing traces meanwhile.
//!
//! The kernel remembers calls that a filter allows by their number alone, and runs the filter only for the others (Linux 5.11,
//! `seccomp_cache_check_allow` in `kernel/seccomp.c`). So it is rules about arguments that cost something.

mod counts;
mod loops;
mod page;
mod throughput;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::Lab;
use super::report::Line;
use super::servers::{self, Load, Start};
use crate::quality::policy;
use crate::run::Tool;
use crate::ui;

/// How a runtime has libseccomp arrange a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Tree,
    List,
}

impl Layout {
    const ALL: [Self; 2] = [Self::Tree, Self::List];

    /// As the example `filter` has it.
    fn word(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::List => "list",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Tree => "as runc compiles it",
            Self::List => "as crun compiles it",
        }
    }
}

/// What a workload runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Free,
    Docker(Layout),
    Strait(Layout),
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Free,
        Self::Docker(Layout::Tree),
        Self::Strait(Layout::Tree),
        Self::Docker(Layout::List),
        Self::Strait(Layout::List),
    ];

    fn title(self) -> String {
        match self {
            Self::Free => "no filter".to_owned(),
            Self::Docker(layout) => format!("Docker default, {}", layout.title()),
            Self::Strait(layout) => format!("Strait's profile, {}", layout.title()),
        }
    }

    /// What a profile of Strait's has to keep up with.
    fn rival(self) -> Option<Self> {
        match self {
            Self::Strait(layout) => Some(Self::Docker(layout)),
            Self::Free | Self::Docker(_) => None,
        }
    }
}

/// The tool that installs filters, and the profiles.
struct Filters<'a> {
    tool: &'a Path,
    docker: PathBuf,
}

impl Filters<'_> {
    /// The words that run what follows them in a way; Strait's profile is this one.
    fn under(&self, way: Way, strait: &Path) -> Tool {
        let (layout, profile) = match way {
            // `env` alone starts a command as the tool does.
            Way::Free => return Tool::new("env"),
            Way::Docker(layout) => (layout, self.docker.as_path()),
            Way::Strait(layout) => (layout, strait),
        };
        Tool::new(self.tool).args(["run", layout.word()]).arg(profile)
    }
}

/// All that was measured.
pub struct Measured {
    servers: Vec<throughput::Served>,
    loops: loops::Loops,
    counts: counts::Counts,
}

const SERVERS: [(&str, Start); 2] =
    [("nginx under wrk", servers::nginx), ("redis under redis-benchmark", servers::redis)];

/// Measures with this build of the example `filter` of `strait-recorder`.
pub fn measure(lab: &Lab, tool: &Path, rounds: u32, lives: u32) -> Result<Measured> {
    ui::step("filters: recording the workloads and making their profiles");
    let folder = lab.scratch.path().join("filters");
    std::fs::create_dir_all(&folder).context("cannot make a folder")?;
    let filters = Filters { tool, docker: folder.join("docker.json") };
    std::fs::write(&filters.docker, docker()?).context("cannot write a profile")?;

    let mut recordings = Vec::new();
    let mut profiles = Vec::new();
    for (name, start) in SERVERS {
        let short = name.split(' ').next().unwrap_or(name);
        let recording = folder.join(format!("{short}.recording.json"));
        let server = start(lab.recorder_into(&[], &recording))?;
        server.load(Load::Short)?;
        server.end()?;
        let profile = folder.join(format!("{short}.json"));
        generate(lab, std::slice::from_ref(&recording), &profile)?;
        recordings.push(recording);
        profiles.push((short, profile));
    }
    let recording = folder.join("loops.recording.json");
    lab.recorder_into(&[], &recording).arg(tool).arg("loop").quiet("recording the loops")?;
    recordings.push(recording);
    // The loops run under the rules of all: more than their own need.
    let all = folder.join("all.json");
    generate(lab, &recordings, &all)?;

    let mut columns = vec![("Docker default", filters.docker.as_path())];
    columns.extend(profiles.iter().map(|(name, profile)| (*name, profile.as_path())));
    columns.push(("all of them", &all));
    let counts = counts::Counts::of(tool, &columns)?;
    let loops = loops::measure(&filters, &all, rounds)?;
    let mut served = Vec::new();
    for ((name, start), (recording, (_, profile))) in
        SERVERS.into_iter().zip(recordings.iter().zip(&profiles))
    {
        let share = |profile| counts::share(tool, recording, profile);
        let filtered = [share(&filters.docker)?, share(profile)?];
        served.push(throughput::measure(&filters, name, start, profile, filtered, lives)?);
    }
    Ok(Measured { servers: served, loops, counts })
}

/// One profile of these recordings, with the default options.
fn generate(lab: &Lab, recordings: &[PathBuf], profile: &Path) -> Result<()> {
    let mixed = (recordings.len() > 1).then_some("--allow-mixed");
    Tool::new(&lab.strait)
        .args(["generate", "--quiet"])
        .args(mixed)
        .arg("-o")
        .arg(profile)
        .args(recordings)
        .quiet("making a profile")
}

/// Docker's default, with the architectures that it has on x86-64.
fn docker() -> Result<String> {
    let mut profile = policy::docker(strait_profiles::baselines::DOCKER_DEFAULT)?;
    if std::env::consts::ARCH == "x86_64" {
        profile["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    }
    Ok(serde_json::to_string(&profile)?)
}

impl Measured {
    /// What the bench's table does not have, for a terminal.
    pub fn text(&self) -> String {
        format!("BPF instructions for a call:\n{}", self.counts.table().aligned())
    }

    pub fn lines(&self) -> Vec<Line> {
        let servers = self.servers.iter().flat_map(throughput::Served::lines);
        self.loops.lines().into_iter().chain(servers).collect()
    }

    /// The measured part of `docs/cost.md`.
    pub fn page(&self) -> Result<String> {
        page::write(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_held_against_dockers_in_the_same_layout() {
        let rivals: Vec<_> = Way::ALL.into_iter().filter_map(Way::rival).collect();
        assert_eq!(rivals, [Way::Docker(Layout::Tree), Way::Docker(Layout::List)]);
    }

    #[test]
    fn dockers_default_has_its_architectures() {
        let profile: serde_json::Value = serde_json::from_str(&docker().unwrap()).unwrap();
        let count = profile["architectures"].as_array().unwrap().len();
        assert_eq!(count, if std::env::consts::ARCH == "x86_64" { 3 } else { 1 });
    }
}
