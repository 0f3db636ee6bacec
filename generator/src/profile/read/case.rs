//! Field names in any case, as readers in Go take them.
//!
//! `encoding/json` of Go takes `Syscalls` for `syscalls`; dockerd and containerd read profiles with it. podman
//! and crun do not. Where a profile is resolved, each field is given the name that all of them know.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Reader;
use crate::profile::Severity;
use crate::profile::json::child;
use crate::untrusted::short;

const PROFILE: &[&str] = &[
    "defaultAction",
    "defaultErrnoRet",
    "defaultErrno",
    "architectures",
    "archMap",
    "syscalls",
    "flags",
    "listenerPath",
    "listenerMetadata",
];
const RULE: &[&str] =
    &["names", "name", "action", "errnoRet", "errno", "args", "includes", "excludes"];
const ARGUMENT: &[&str] = &["index", "value", "valueTwo", "op"];
const CONDITION: &[&str] = &["caps", "arches", "minKernel"];
const MACHINE: &[&str] = &["architecture", "subArchitectures"];

/// Gives each field of a profile the name that all readers know; what was called otherwise goes to `renamed`
/// with its path, what would be there twice to `twice`.
pub(crate) fn fold(
    value: &mut Value,
    renamed: &mut dyn FnMut(String, &str),
    twice: &mut dyn FnMut(String),
) {
    let mut folder = Folder { renamed, twice };
    folder.object(value, "$", PROFILE);
    folder.each(value, "archMap", "archMap", MACHINE, |_, _, _| {});
    folder.each(value, "syscalls", "syscalls", RULE, |folder, rule, path| {
        folder.each(rule, "args", &child(path, "args"), ARGUMENT, |_, _, _| {});
        for name in ["includes", "excludes"] {
            if let Some(condition) = rule.get_mut(name) {
                folder.object(condition, &child(path, name), CONDITION);
            }
        }
    });
}

struct Folder<'a> {
    renamed: &'a mut dyn FnMut(String, &str),
    twice: &'a mut dyn FnMut(String),
}

impl Folder<'_> {
    fn each(
        &mut self,
        value: &mut Value,
        field: &str,
        path: &str,
        known: &[&str],
        mut below: impl FnMut(&mut Self, &mut Value, &str),
    ) {
        let items = value.get_mut(field).and_then(Value::as_array_mut);
        for (nth, item) in items.into_iter().flatten().enumerate() {
            let path = format!("{path}[{nth}]");
            self.object(item, &path, known);
            below(self, item, &path);
        }
    }

    fn object(&mut self, value: &mut Value, path: &str, known: &[&str]) {
        let Some(fields) = value.as_object_mut() else { return };
        let is_odd = |name: &String| {
            !known.contains(&name.as_str())
                && known.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let odd: BTreeSet<String> = fields.keys().filter(|name| is_odd(name)).cloned().collect();
        if odd.is_empty() {
            return;
        }
        let mut folded = Map::new();
        for (name, value) in std::mem::take(fields) {
            let meant = known.iter().find(|known| known.eq_ignore_ascii_case(&name));
            let meant = meant.map_or(name.as_str(), |meant| meant).to_owned();
            if odd.contains(&name) {
                (self.renamed)(child(path, &name), &meant);
            }
            if folded.insert(meant, value).is_some() {
                (self.twice)(child(path, &name));
            }
        }
        *fields = folded;
    }
}

impl Reader<'_> {
    /// Gives each field its name, and notes which had another one.
    pub(super) fn fold_case(&mut self, value: &mut Value) {
        let (mut renamed, mut twice) = (Vec::new(), Vec::new());
        fold(value, &mut |path, meant| renamed.push((path, meant.to_owned())), &mut |path| {
            twice.push(path)
        });
        for (path, meant) in renamed {
            self.is_dialect = true;
            let detail = format!("{} for `{meant}`", short(&path));
            self.notes.note(Severity::Warning, path, ANY_CASE, detail);
        }
        for path in twice {
            let message = "occurs twice in different case, and readers differ in which one counts: remove one";
            self.note(&path, message);
        }
    }
}

const ANY_CASE: &str = "docker takes a field's name in any case; podman and crun do not";
