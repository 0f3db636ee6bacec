//! What container engines, runtimes and operators make of a profile as it is written: what they
//! ignore, refuse or take for something else.
//!
//! The profile is read leniently here, as JSON: whoever asks has a file that not everybody can use.
//! [`traits`] finds what there is to say anything about, and `profiles/consumers/` says what whom does
//! with it, with source and date.

pub mod json;
mod traits;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::data::embedded;

pub use traits::{Found, Trait, find};

/// Somebody who reads profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
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

impl Consumer {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 6] =
        [Self::Docker, Self::Podman, Self::Containerd, Self::Crio, Self::Spo, Self::Kep6061];

    /// What it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Spo => "spo",
            Self::Kep6061 => "kep-6061",
        }
    }

    fn book(self) -> &'static Book {
        match self {
            Self::Docker => &BOOKS.docker,
            Self::Podman => &BOOKS.podman,
            Self::Containerd => &BOOKS.containerd,
            Self::Crio => &BOOKS.crio,
            Self::Spo => &BOOKS.spo,
            Self::Kep6061 => &BOOKS.kep_6061,
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

/// What is known about a trait.
#[derive(Debug, Deserialize)]
struct Fact {
    #[serde(rename = "trait")]
    about: Trait,
    effect: Effect,
    what: String,
    #[serde(rename = "do")]
    advice: String,
    source: String,
}

/// A file below `profiles/consumers/`.
#[derive(Debug, Deserialize)]
struct Book {
    title: String,
    date: String,
    /// The runtimes that it hands the profile to.
    runs: Vec<String>,
    facts: Vec<Fact>,
}

struct Books {
    docker: Book,
    podman: Book,
    containerd: Book,
    crio: Book,
    spo: Book,
    kep_6061: Book,
    runtimes: BTreeMap<&'static str, Book>,
}

static BOOKS: LazyLock<Books> = LazyLock::new(|| Books {
    docker: embedded(include_str!("../../../../profiles/consumers/docker.json")),
    podman: embedded(include_str!("../../../../profiles/consumers/podman.json")),
    containerd: embedded(include_str!("../../../../profiles/consumers/containerd.json")),
    crio: embedded(include_str!("../../../../profiles/consumers/crio.json")),
    spo: embedded(include_str!("../../../../profiles/consumers/spo.json")),
    kep_6061: embedded(include_str!("../../../../profiles/consumers/kep-6061.json")),
    runtimes: BTreeMap::from([
        ("runc", embedded(include_str!("../../../../profiles/consumers/runc.json"))),
        ("crun", embedded(include_str!("../../../../profiles/consumers/crun.json"))),
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
    /// What happens.
    pub what: String,
    /// What to do.
    pub advice: &'static str,
    /// How that is known.
    pub source: &'static str,
    /// When it was last looked at, such as `2026-11`.
    pub date: &'static str,
}

/// What each of the consumers does with the profile, in their order and that of the profile's parts.
///
/// `size` is that of the file in bytes.
pub fn remarks(profile: &Value, size: usize, consumers: &[Consumer]) -> Vec<Remark> {
    let found = find(profile, size);
    consumers
        .iter()
        .flat_map(|consumer| found.iter().flat_map(|found| of(*consumer, found)))
        .collect()
}

/// What a consumer, or else the runtimes that it uses, does with one part.
fn of(consumer: Consumer, found: &Found) -> Vec<Remark> {
    let remark = |book: &'static Book| {
        let fact = book.facts.iter().find(|fact| fact.about == found.about)?;
        let what = match found.detail.as_str() {
            "" => fact.what.clone(),
            detail => format!("{} ({detail})", fact.what),
        };
        Some(Remark {
            consumer,
            by: &book.title,
            effect: fact.effect,
            path: found.path.clone(),
            what,
            advice: &fact.advice,
            source: &fact.source,
            date: &book.date,
        })
    };
    let own = consumer.book();
    if let Some(own) = remark(own) {
        return vec![own];
    }
    let runtimes = own.runs.iter().filter_map(|name| BOOKS.runtimes.get(name.as_str()));
    runtimes.filter_map(remark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn effects(profile: &Value, consumer: Consumer) -> Vec<(Effect, String)> {
        let remarks = remarks(profile, 0, &[consumer]);
        remarks.into_iter().map(|remark| (remark.effect, remark.path)).collect()
    }

    #[test]
    fn every_runtime_that_is_named_is_known() {
        for consumer in Consumer::ALL {
            for name in &consumer.book().runs {
                assert!(BOOKS.runtimes.contains_key(name.as_str()), "{name}");
            }
            assert_eq!(serde_json::to_value(consumer).unwrap(), consumer.name());
        }
    }

    #[test]
    fn dockers_dialect_is_for_docker() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW",
                          "includes": {"caps": ["CAP_SYS_ADMIN"]}}],
        });
        assert_eq!(effects(&profile, Consumer::Docker), []);
        let misread = (Effect::Misread, "syscalls[0].includes".to_owned());
        assert_eq!(effects(&profile, Consumer::Containerd), [misread]);
        assert_eq!(effects(&profile, Consumer::Crio), []);
    }

    #[test]
    fn a_default_errno_is_lost_in_two_places() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["exit"], "action": "SCMP_ACT_ALLOW"}],
        });
        let ignored = [(Effect::Ignored, "defaultErrnoRet".to_owned())];
        for consumer in Consumer::ALL {
            let expected: &[_] = match consumer {
                Consumer::Docker | Consumer::Spo => &ignored,
                _ => &[],
            };
            assert_eq!(effects(&profile, consumer), expected, "{consumer}");
        }
    }
}
