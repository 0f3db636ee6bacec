//! What is read of a dialect, where one is resolved.

use serde_json::{Map, Value};

use super::Reader;
use crate::policy::Errno;
use crate::profile::Architecture;
use crate::profile::Severity;
use crate::profile::dialect::{self, Notice};
use crate::profile::json::child;
use crate::profile::json::is_void;

impl Reader<'_> {
    /// Whether the conditions of an entry hold, in a dialect.
    pub(super) fn applies(&mut self, path: &str, fields: &Map<String, Value>) -> bool {
        let Some(context) = self.context else { return true };
        let mut read = |field: &str| match fields.get(field) {
            None | Some(Value::Null) => dialect::Condition::default(),
            Some(Value::Object(parts)) => dialect::condition(parts, |notice| match notice {
                Notice::Wrong(below, message) => {
                    self.note(&format!("{path}.{field}.{below}"), message);
                }
                Notice::Taken(below, message, detail) => {
                    let path = format!("{path}.{field}.{below}");
                    self.notes.note(Severity::Warning, path, message, detail);
                }
            }),
            Some(_) => {
                self.note(&child(path, field), "expected an object");
                dialect::Condition::default()
            }
        };
        let (includes, excludes) = (read("includes"), read("excludes"));
        includes.holds(context) && !excludes.holds_in_part(context)
    }

    /// The architectures that a dialect lists for this machine.
    pub(super) fn arch_map(
        &mut self,
        fields: &Map<String, Value>,
        architectures: &mut Vec<Architecture>,
    ) {
        let Some(context) = self.context else { return };
        let listed = self.list("archMap", fields.get("archMap"));
        if !listed.is_empty() && !architectures.is_empty() {
            self.note(
                "archMap",
                "`architectures` is there too, and dockerd refuses both: remove one",
            );
        }
        let mut found = false;
        for (nth, item) in listed.iter().enumerate() {
            let path = format!("archMap[{nth}]");
            let known = ["architecture", "subArchitectures"];
            let Some(item) = self.object(&path, item, &known, &[]) else { continue };
            let main = self.architecture(&child(&path, "architecture"), item.get("architecture"));
            let at = child(&path, "subArchitectures");
            let listed = self.list(&at, item.get("subArchitectures"));
            let others: Vec<Architecture> = listed
                .iter()
                .enumerate()
                .filter_map(|(nth, name)| self.architecture(&format!("{at}[{nth}]"), Some(name)))
                .collect();
            // The first one counts.
            if !found && main.and_then(Architecture::abi) == Some(context.machine.native()) {
                found = true;
                architectures.extend(main);
                architectures.extend(others);
            }
        }
    }

    fn architecture(&mut self, path: &str, value: Option<&Value>) -> Option<Architecture> {
        match value.and_then(Value::as_str).map(str::parse::<Architecture>) {
            Some(Ok(architecture)) => Some(architecture),
            Some(Err(error)) => self.wrong(path, error.to_string()),
            None => self.wrong(path, "expected the name of an architecture"),
        }
    }

    /// An error that a dialect gives by name. It counts before the number.
    pub(super) fn named_errno(
        &mut self,
        path: &str,
        fields: &Map<String, Value>,
    ) -> Option<Option<Errno>> {
        let field = if path == "$" { "defaultErrno" } else { "errno" };
        let value = fields.get(field).filter(|value| self.context.is_some() && !is_void(value));
        let Some(value) = value else { return Some(None) };
        match value.as_str().map(str::parse::<Errno>) {
            Some(Ok(errno)) => Some(Some(errno)),
            _ => self.wrong(
                &child(path, field),
                format!("{value} is not a valid error: write a name such as \"ENOSYS\""),
            ),
        }
    }
}
