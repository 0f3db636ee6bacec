//! What container engines, runtimes and operators make of a profile as it is written: what they
//! ignore, refuse or take for something else.
//!
//! The profile is read leniently here, as JSON: the file may be one that some consumers cannot use.
//! [`mod@find`] finds the quirks of a profile, and `profiles/consumers/` says what each consumer does
//! with it, with source and date.

pub mod artifact;
mod find;
pub mod json;
mod quirk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::choice::Choice;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::data::embedded;
use crate::profile::fold;

pub use find::{Found, find};
pub use quirk::Quirk;

/// Software that reads profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Consumer {
    /// dockerd, which resolves its own dialect, with runc.
    Docker,
    /// podman, with crun or runc.
    Podman,
    /// containerd for Kubernetes, with runc.
    Containerd,
    /// CRI-O, with crun or runc.
    Crio,
    /// The resource of the Security Profiles Operator.
    Spo,
    /// A profile in a registry, as KEP-6061 plans it.
    #[serde(rename = "kep-6061")]
    Kep6061,
}

crate::choice::choices!(Consumer {
    Docker => "docker", "dockerd with runc";
    Podman => "podman", "podman with crun or runc";
    Containerd => "containerd", "containerd, for Kubernetes";
    Crio => "crio", "CRI-O";
    Spo => "spo", "The Security Profiles Operator";
    Kep6061 => "kep-6061", "A profile in a registry";
});

impl Consumer {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 6] =
        [Self::Docker, Self::Podman, Self::Containerd, Self::Crio, Self::Spo, Self::Kep6061];

    fn file(self) -> &'static ConsumerFile {
        match self {
            Self::Docker => &FILES.docker,
            Self::Podman => &FILES.podman,
            Self::Containerd => &FILES.containerd,
            Self::Crio => &FILES.crio,
            Self::Spo => &FILES.spo,
            Self::Kep6061 => &FILES.kep_6061,
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a consumer does with a part of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It goes on without the part.
    Ignored,
    /// It takes the part for something else, and the filter is another one.
    Misread,
    /// It fails: no container starts.
    Refused,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignored => "ignored",
            Self::Misread => "misread",
            Self::Refused => "refused",
        })
    }
}

/// What is known about a quirk.
#[derive(Debug, Deserialize)]
struct Handling {
    #[serde(rename = "quirk")]
    about: Quirk,
    effect: Effect,
    what: String,
    #[serde(rename = "do")]
    advice: String,
    source: String,
    /// Of which versions it is true, in words, if not of all; of the others it is what the runtimes do.
    versions: Option<String>,
    /// Whether a test checks it against the software itself.
    #[serde(default = "yes")]
    checked: bool,
}

const fn yes() -> bool {
    true
}

/// A file below `profiles/consumers/`.
#[derive(Debug, Deserialize)]
struct ConsumerFile {
    title: String,
    date: String,
    /// The runtimes that it hands the profile to.
    runs: Vec<String>,
    /// Whether it takes a field's name in any case.
    #[serde(default)]
    any_case: bool,
    /// Whether the tests have the software at all.
    #[serde(default = "yes")]
    checked: bool,
    quirks: Vec<Handling>,
}

struct ConsumerFiles {
    docker: ConsumerFile,
    podman: ConsumerFile,
    containerd: ConsumerFile,
    crio: ConsumerFile,
    spo: ConsumerFile,
    kep_6061: ConsumerFile,
    runtimes: BTreeMap<&'static str, ConsumerFile>,
}

static FILES: LazyLock<ConsumerFiles> = LazyLock::new(|| ConsumerFiles {
    docker: embedded(strait_profiles::consumers::DOCKER),
    podman: embedded(strait_profiles::consumers::PODMAN),
    containerd: embedded(strait_profiles::consumers::CONTAINERD),
    crio: embedded(strait_profiles::consumers::CRIO),
    spo: embedded(strait_profiles::consumers::SPO),
    kep_6061: embedded(strait_profiles::consumers::KEP_6061),
    runtimes: BTreeMap::from([
        ("runc", embedded(strait_profiles::consumers::RUNC)),
        ("crun", embedded(strait_profiles::consumers::CRUN)),
    ]),
});

/// What a consumer does with a place in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Who.
    pub consumer: Consumer,
    /// Which part of it: its own name, or that of the runtime that it uses.
    pub by: &'static str,
    /// What it does, in a word.
    pub effect: Effect,
    /// Where, such as `syscalls[3].args[0].op`; `$` for the profile as a whole.
    pub path: String,
    /// What happens, with some of the places if there are several.
    pub what: String,
    /// In how many places it is so.
    pub places: usize,
    /// Of which versions it is true, in words, if not of all.
    pub versions: Option<&'static str>,
    /// Whether a test of Strait's checks it against the software itself.
    pub checked: bool,
    /// What to do.
    pub advice: &'static str,
    /// How that is known.
    pub source: &'static str,
    /// When it was last looked at, such as `2026-11`.
    pub date: &'static str,
}

/// What each of the consumers does with the profile, in their order and that of the profile's parts: a remark for
/// each cause, however many places it is in.
///
/// `size` is that of the file in bytes.
#[must_use]
pub fn remarks(profile: &Value, size: usize, consumers: &[Consumer]) -> Vec<Remark> {
    let (exact, folded) = found(profile, size);
    let of_consumer = |consumer: &Consumer| {
        let found = if consumer.file().any_case { &folded } else { &exact };
        let causes = by_cause(found);
        causes.into_iter().flat_map(|cause| remarks_of(*consumer, &cause)).collect::<Vec<_>>()
    };
    consumers.iter().flat_map(of_consumer).collect()
}

/// What a runtime does with a profile that it is handed as it is: `runc` or `crun`. Empty for any other.
#[must_use]
pub fn of_runtime(profile: &Value, name: &str) -> Vec<(Quirk, Effect)> {
    let Some(file) = FILES.runtimes.get(name) else { return Vec::new() };
    let (exact, folded) = found(profile, 0);
    let effect = |found: &Found| {
        let handling = file.quirks.iter().find(|known| known.about == found.about)?;
        Some((found.about, handling.effect))
    };
    if file.any_case { folded } else { exact }.iter().filter_map(effect).collect()
}

/// What is known about a consumer or a runtime, by the name of its file, and whether a test checks it.
pub fn quirks(name: &str) -> Vec<(Quirk, Effect, bool)> {
    let consumer = Consumer::named(name);
    let file = consumer.map(Consumer::file).or_else(|| FILES.runtimes.get(name));
    file.into_iter()
        .flat_map(|file| {
            file.quirks
                .iter()
                .map(|handling| (handling.about, handling.effect, file.checked && handling.checked))
        })
        .collect()
}

/// What there is to a reader that is exact about the names of fields, and to one that takes them in any case.
fn found(profile: &Value, size: usize) -> (Vec<Found>, Vec<Found>) {
    let mut folded = profile.clone();
    let mut differs = false;
    fold(&mut folded, &mut |_, _| differs = true, &mut |_| ());
    let exact = find(profile, size);
    let folded = if differs { find(&folded, size) } else { exact.clone() };
    (exact, folded)
}

/// A quirk and all the places where it is.
struct Cause<'a> {
    about: Quirk,
    places: Vec<&'a Found>,
}

fn by_cause(found: &[Found]) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for one in found {
        match causes.iter_mut().find(|cause| cause.about == one.about) {
            Some(cause) => cause.places.push(one),
            None => causes.push(Cause { about: one.about, places: vec![one] }),
        }
    }
    causes
}

impl Cause<'_> {
    /// How many places there are, and some of them if they are not all said by the first path.
    fn places(&self) -> (usize, String) {
        const EXAMPLES: usize = 5;
        let count = self.places.iter().map(|found| 1 + found.more).sum();
        let mut said: Vec<String> = Vec::new();
        for (nth, found) in self.places.iter().enumerate().take(EXAMPLES) {
            match (nth, found.detail.as_str()) {
                (0, "") => {}
                (0, detail) => said.push(detail.to_owned()),
                (_, "") => said.push(found.path.clone()),
                (_, detail) => said.push(detail.to_owned()),
            }
        }
        let more = match count - self.places.len().min(EXAMPLES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (count, format!("{}{more}", said.join(", ")))
    }
}

/// What a consumer does with one part, or else, or in other versions, the runtimes that it uses.
fn remarks_of(consumer: Consumer, cause: &Cause<'_>) -> Vec<Remark> {
    let (places, examples) = cause.places();
    let remark = |file: &'static ConsumerFile| {
        let handling = file.quirks.iter().find(|known| known.about == cause.about)?;
        let what = match examples.as_str() {
            "" => handling.what.clone(),
            examples => format!("{} ({examples})", handling.what),
        };
        Some(Remark {
            consumer,
            by: &file.title,
            effect: handling.effect,
            path: cause.places.first().map(|found| found.path.clone())?,
            what,
            places,
            versions: handling.versions.as_deref(),
            checked: file.checked && handling.checked,
            advice: &handling.advice,
            source: &handling.source,
            date: &file.date,
        })
    };
    let file = consumer.file();
    let own = remark(file);
    if own.as_ref().is_some_and(|remark| remark.versions.is_none()) {
        return own.into_iter().collect();
    }
    let runtimes = file.runs.iter().filter_map(|name| FILES.runtimes.get(name.as_str()));
    own.into_iter().chain(runtimes.filter_map(remark)).collect()
}

#[cfg(test)]
mod tests;
