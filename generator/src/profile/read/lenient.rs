//! What engines take, though not all of them, or not for what it seems to be.

use serde_json::Value;

use super::Reader;
use crate::profile::Severity;
use crate::profile::json::child;

/// Fields of Docker's own dialect, which only dockerd and the podman family resolve.
const DIALECT: [&str; 7] =
    ["archMap", "includes", "excludes", "minKernel", "name", "caps", "arches"];
impl Reader<'_> {
    /// Notes what is wrong to a strict reader and taken by engines, and how they take it.
    pub(super) fn tolerate(&mut self, path: &str, wrong: impl Into<String>, taken: &'static str) {
        if self.context.is_some() {
            self.notes.note(Severity::Warning, path, taken, "");
        } else {
            self.note(path, wrong);
        }
    }

    /// The same, if what is written again says it in other words.
    pub(super) fn rewrite(&mut self, path: &str, wrong: impl Into<String>, taken: &'static str) {
        self.is_rewritten = true;
        self.tolerate(path, wrong, taken);
    }

    /// A field that says something and is not of plain OCI, or nothing that a filter depends on.
    pub(super) fn other_field(&mut self, path: &str, field: &str, value: &Value) {
        let at = child(path, field);
        match field {
            "flags" if path == "$" => {
                self.tolerate(
                    &at,
                    "runc before 1.2 fails on any flag: remove it",
                    "runc before 1.2 fails on any flag",
                );
                let flags: Option<Vec<String>> = value.as_array().map(|flags| {
                    flags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                });
                match flags.filter(|flags| value.as_array().is_some_and(|all| all.len() == flags.len())) {
                    Some(flags) => self.flags = flags,
                    None => self.note(&at, "expected a list of flags"),
                }
            }
            "listenerPath" | "listenerMetadata" => self.rewrite(
                &at,
                "only for SCMP_ACT_NOTIFY, which a file cannot set up: remove it",
                "has no effect without SCMP_ACT_NOTIFY, and crun fails if no agent listens there: it is left out",
            ),
            _ if DIALECT.contains(&field) && self.context.is_none() => self.note(
                &at,
                "Docker's dialect, which containerd drops: `strait convert` makes a plain OCI profile of it",
            ),
            _ => self.tolerate(
                &at,
                "unknown field: remove it, or correct its name",
                "unknown field, which engines ignore: remove it, or correct its name",
            ),
        }
    }
}
