//! The recordings that a recorder wrote, read as anybody else would: as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::Container;
use crate::common::calls::read_recording;

/// All recordings of one recorder.
#[derive(Debug)]
pub struct Recordings {
    /// In the order of the file names.
    pub all: Vec<Recording>,
    directory: TempDir,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub value: Value,
}

/// A call that a filter refused while the recorder looked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The call, by name.
    pub call: String,
    /// What the filter answered; nothing if it killed the task.
    pub errno: Option<i64>,
}

impl Recordings {
    /// What lies in this directory.
    pub fn read(directory: TempDir) -> Self {
        let mut paths: Vec<_> = std::fs::read_dir(directory.path())
            .expect("the recorder leaves its directory")
            .map(|entry| entry.expect("a readable directory").path())
            .collect();
        paths.sort();
        let all = paths.into_iter().map(Recording::read).collect();
        Self { all, directory }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(Recording::file_name).collect()
    }

    /// The given number of lives of a container, each completely recorded.
    pub fn lives(&self, container: &Container, count: usize) -> Vec<&Recording> {
        let mut lives: Vec<_> = self
            .all
            .iter()
            .filter(|recording| recording.of_container()["id"] == container.id.as_str())
            .collect();
        assert_eq!(
            lives.len(),
            count,
            "recordings of {} ({}) among {:?}",
            container.name,
            container.id,
            self.names()
        );
        for life in &lives {
            life.assert_complete();
        }
        lives.sort_by_key(|life| life.value["started"].to_string());
        lives
    }

    /// The only life of a container.
    pub fn life(&self, container: &Container) -> &Recording {
        self.lives(container, 1)[0]
    }
}

impl Recording {
    /// Reads a file as the recorder left it, which is whole at any time.
    pub fn read(path: PathBuf) -> Self {
        assert!(
            path.to_string_lossy().ends_with(".recording.json"),
            "{} is no recording",
            path.display()
        );
        let text = std::fs::read_to_string(&path).expect("a readable recording");
        let value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // As strait itself reads it.
        read_recording(&path);
        Self { path, value }
    }

    /// The last part of its path.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What it says about its container.
    pub fn of_container(&self) -> &Value {
        &self.value["target"]["container"]
    }

    /// When it began: `filter`, `exec` or `attached`.
    pub fn start(&self) -> &str {
        self.value["target"]["start"].as_str().expect("a container's recording has a start")
    }

    /// That nothing of it was lost.
    pub fn assert_complete(&self) {
        let name = self.file_name();
        assert_eq!(self.value["complete"], true, "{name}: {}", self.value["losses"]);
        assert_eq!(self.value["target"]["kind"], "container", "{name}");
    }

    fn table(&self) -> impl Iterator<Item = (&String, &Value)> {
        let abis = self.value["abis"].as_object().expect("a recording has tables");
        abis.values().flat_map(|abi| abi["syscalls"].as_object().expect("a table has calls"))
    }

    /// How often each call was made, by name.
    pub fn calls(&self) -> BTreeMap<&str, u64> {
        let mut calls = BTreeMap::new();
        for (name, call) in self.table() {
            *calls.entry(name.as_str()).or_default() +=
                call["count"].as_u64().expect("a call has a count");
        }
        calls
    }

    /// How often this call was made in this phase.
    pub fn count_in(&self, phase: &str, call: &str) -> u64 {
        self.table()
            .filter(|(name, _)| *name == call)
            .filter_map(|(_, call)| call["phases"][phase].as_u64())
            .sum()
    }

    /// The calls of this phase, by name.
    pub fn calls_in(&self, phase: &str) -> BTreeSet<&str> {
        self.table()
            .filter(|(_, call)| call["phases"][phase].as_u64().is_some_and(|count| count > 0))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What the filter refused.
    pub fn refused(&self) -> BTreeSet<Refused> {
        let refused = self.value["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        refused
            .iter()
            .map(|refused| Refused {
                call: refused["syscall"].as_str().unwrap_or_default().to_owned(),
                errno: refused["errno"].as_i64(),
            })
            .collect()
    }

    /// That the filter refused nothing but what every C library copes with: a new call that is
    /// answered by ENOSYS, and the older one, which then was made.
    pub fn assert_nothing_refused(&self) {
        let calls = self.calls();
        let by_design = |refused: &Refused| {
            refused.errno == Some(libc::ENOSYS.into())
                && FALLBACKS.iter().any(|(new, older)| {
                    *new == refused.call && older.iter().any(|call| calls.contains_key(call))
                })
        };
        let refused: Vec<_> = self.refused().into_iter().filter(|call| !by_design(call)).collect();
        assert!(refused.is_empty(), "{} was refused {refused:?}", self.file_name());
    }
}

/// What glibc calls first, and what it calls where that is unknown.
const FALLBACKS: [(&str, &[&str]); 6] = [
    ("clone3", &["clone", "fork", "vfork"]),
    ("faccessat2", &["faccessat", "access"]),
    ("fchmodat2", &["fchmodat", "chmod"]),
    ("openat2", &["openat"]),
    ("close_range", &["close"]),
    ("epoll_pwait2", &["epoll_wait", "epoll_pwait"]),
];
