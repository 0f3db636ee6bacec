//! What there is in a profile that not every consumer takes for what it says.

#[path = "together.rs"]
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::artifact::{self, Fault};
use super::quirk::{BIG_ENDIAN, NEW, Quirk, RARE};
use crate::abi::is_call_somewhere;
use crate::limits::LISTED;
use crate::profile::json::{child, is_void, items};
use crate::profile::{Architecture, Profile};
use crate::untrusted::short;
use together::Rule;

/// A quirk, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub about: Quirk,
    /// Where, such as `syscalls[3].names`; `$` for the profile as a whole.
    pub path: String,
    /// Which name or value, if the place does not say it; else empty.
    pub detail: String,
    /// How many places more there are, that are not listed.
    pub more: usize,
}

const ACTIONS: [&str; 9] =
    ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY"];
const OPERATORS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
/// Everything of the kind in a profile, in the order of its parts. `size` is that of the file in bytes.
#[must_use]
pub fn find(profile: &Value, size: usize) -> Vec<Found> {
    let mut finder = Finder::default();
    if size > artifact::MOST_BYTES {
        finder.note(Quirk::TooLarge, "$", format!("{size} bytes"));
    }
    match profile.as_object() {
        Some(fields) => finder.profile(fields),
        None => finder.note(Quirk::WrongType, "$", "an object is expected"),
    }
    // What cannot be read has other faults.
    if let Ok(profile) = crate::profile::read_plain(profile) {
        finder.artifact(&profile);
    }
    finder.finish()
}

#[derive(Default)]
struct Finder {
    found: Vec<Found>,
    /// How often each was found, and the last that is listed.
    counts: BTreeMap<Quirk, (usize, usize)>,
    /// A number for each list of conditions.
    conditions: BTreeMap<Vec<String>, usize>,
}

fn says_something(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !is_void(value))
}

fn returns_an_error(action: Option<&str>) -> bool {
    matches!(action, Some("SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE"))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Finder {
    /// Of each quirk the first ones are listed.
    fn note(&mut self, about: Quirk, path: impl Into<String>, detail: impl Into<String>) {
        let (count, last) = self.counts.entry(about).or_default();
        *count += 1;
        if *count <= LISTED {
            *last = self.found.len();
            let (path, detail) = (short(&path.into()), short(&detail.into()));
            self.found.push(Found { about, path, detail, more: 0 });
        }
    }

    /// What was found; the last that is listed of each quirk says how many more there are.
    fn finish(mut self) -> Vec<Found> {
        for (count, last) in self.counts.into_values().filter(|(count, _)| *count > LISTED) {
            if let Some(found) = self.found.get_mut(last) {
                found.more = count - LISTED;
            }
        }
        self.found
    }

    fn note_if(&mut self, found: bool, about: Quirk, path: &str) {
        if found {
            self.note(about, path, "");
        }
    }

    fn profile(&mut self, fields: &Map<String, Value>) {
        let says = |name: &str| says_something(fields.get(name));
        let action = text(fields, "defaultAction");
        let entries = self.list(fields, "syscalls", "syscalls");
        match (action, entries.is_empty()) {
            (None, true) => self.note(Quirk::Unconfined, "$", ""),
            (None, false) => self.note(Quirk::NoDefaultAction, "defaultAction", ""),
            // What lets everything through does so without rules too.
            (Some("SCMP_ACT_ALLOW" | "SCMP_ACT_LOG"), true) | (Some(_), false) => {}
            (Some(_), true) => self.note(Quirk::NoRules, "syscalls", ""),
        }
        self.action(fields.get("defaultAction"), "defaultAction", false);
        if says("defaultErrnoRet") {
            let about = match returns_an_error(action) {
                true => Quirk::DefaultErrno,
                false => Quirk::DefaultErrnoWithOtherAction,
            };
            self.note(about, "defaultErrnoRet", "");
            self.errno(fields.get("defaultErrnoRet"), "defaultErrnoRet");
        }
        self.architectures(fields);
        self.note_if(says("flags"), Quirk::Flags, "flags");
        for name in ["listenerPath", "listenerMetadata"] {
            self.note_if(says(name), Quirk::Listener, name);
        }
        let known = [
            "defaultAction",
            "defaultErrnoRet",
            "architectures",
            "archMap",
            "flags",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
            "comment",
        ];
        self.unknown_fields(fields, &known, "$");
        let default = (action.unwrap_or_default().to_owned(), number(fields, "defaultErrnoRet"));
        let mut rules: BTreeMap<&str, Vec<Rule>> = BTreeMap::new();
        for (nth, entry) in entries.iter().enumerate() {
            let path = format!("syscalls[{nth}]");
            match entry.as_object() {
                Some(entry) => self.entry(entry, nth, &default, &mut rules),
                None => self.note(Quirk::WrongType, path, "an object is expected"),
            }
        }
        self.together(&rules);
        self.without_single_names(entries, action);
    }

    /// Whether any program starts under the rules that name their calls in `names`.
    fn without_single_names(&mut self, entries: &[Value], default: Option<&str>) {
        let lets_through = |action: Option<&Value>| {
            matches!(action.and_then(Value::as_str), Some("SCMP_ACT_ALLOW" | "SCMP_ACT_LOG"))
        };
        let starts = |entry: &Value| {
            let names = entry.get("names").and_then(Value::as_array);
            lets_through(entry.get("action"))
                && names.is_some_and(|names| names.iter().any(|name| name == "execve"))
        };
        let refuses = !matches!(default, Some("SCMP_ACT_ALLOW" | "SCMP_ACT_LOG"));
        if refuses && !entries.iter().any(starts) {
            for found in self.found.iter_mut().filter(|found| found.about == Quirk::SingleName) {
                found.about = Quirk::OnlySingleNames;
            }
            if let Some(count) = self.counts.remove(&Quirk::SingleName) {
                self.counts.insert(Quirk::OnlySingleNames, count);
            }
        }
    }

    /// What keeps a profile out of a registry's artifact.
    fn artifact(&mut self, profile: &Profile) {
        for fault in artifact::faults(profile) {
            let (about, path, detail) = match fault {
                Fault::Entries(call, count) => (
                    Quirk::TooManyEntries,
                    "syscalls".to_owned(),
                    format!("`{}`: {count}", short(&call)),
                ),
                Fault::Clauses(call, count) => (
                    Quirk::TooManyClauses,
                    "syscalls".to_owned(),
                    format!("`{}`: {count}", short(&call)),
                ),
                Fault::Names(entry, count) => {
                    (Quirk::TooManyNames, format!("syscalls[{entry}].names"), count.to_string())
                }
                Fault::Rules(count) => {
                    (Quirk::TooManyRules, "syscalls".to_owned(), count.to_string())
                }
                Fault::Mixed(call, entry) => (
                    Quirk::MixedResults,
                    format!("syscalls[{entry}]"),
                    format!("`{}`", short(&call)),
                ),
            };
            self.note(about, path, detail);
        }
    }

    fn architectures(&mut self, fields: &Map<String, Value>) {
        let map = says_something(fields.get("archMap"));
        let listed = self.list(fields, "architectures", "architectures");
        self.note_if(map, Quirk::ArchMap, "archMap");
        self.note_if(map && !listed.is_empty(), Quirk::ArchMapAndArchitectures, "archMap");
        self.note_if(!map && listed.is_empty(), Quirk::NoArchitectures, "architectures");
        let is_big = |value: &Value| value.as_str().is_some_and(|name| BIG_ENDIAN.contains(&name));
        let big = listed.iter().filter(|value| is_big(value)).count();
        if big > 0 && big < listed.len() {
            self.note(Quirk::MixedByteOrder, "architectures", "");
        }
        for (nth, value) in listed.iter().enumerate() {
            let path = format!("architectures[{nth}]");
            match value.as_str() {
                None => self.note(Quirk::WrongType, path, "a string is expected"),
                Some("SCMP_ARCH_NATIVE") => self.note(Quirk::NativeArchitecture, path, ""),
                Some(name) if RARE.contains(&name) => {
                    self.note(Quirk::RareArchitecture, path, name);
                }
                Some(name) if NEW.contains(&name) => {
                    self.note(Quirk::NewArchitecture, path, name);
                }
                Some(name) if name.parse::<Architecture>().is_err() => {
                    self.note(Quirk::UnknownArchitecture, path, name);
                }
                Some(_) => {}
            }
        }
    }

    fn entry<'a>(
        &mut self,
        fields: &'a Map<String, Value>,
        nth: usize,
        default: &(String, u64),
        rules: &mut BTreeMap<&'a str, Vec<Rule>>,
    ) {
        let path = &format!("syscalls[{nth}]");
        let says = |name: &str| says_something(fields.get(name));
        let at = |name: &str| format!("{path}.{name}");
        let names = self.list(fields, "names", &at("names"));
        self.note_if(says("name"), Quirk::SingleName, &at("name"));
        self.note_if(says("name") && !names.is_empty(), Quirk::NameAndNames, &at("name"));
        self.note_if(names.is_empty() && !says("name"), Quirk::NoNames, &at("names"));
        for (nth, name) in names.iter().enumerate() {
            let path = format!("{path}.names[{nth}]");
            match name.as_str() {
                None => self.note(Quirk::WrongType, path, "a string is expected"),
                Some("") => self.note(Quirk::EmptyName, path, ""),
                Some(name) if !is_call_somewhere(name) => {
                    self.note(Quirk::UnknownCall, path, name);
                }
                Some(_) => {}
            }
        }
        self.action(fields.get("action"), &at("action"), true);
        let action = text(fields, "action");
        if says("errnoRet") {
            if !returns_an_error(action) {
                self.note(Quirk::ErrnoWithOtherAction, at("errnoRet"), "");
            }
            self.errno(fields.get("errnoRet"), &at("errnoRet"));
        }
        for condition in ["includes", "excludes"] {
            let field = fields.get(condition);
            let kernel = field.and_then(|field| field.get("minKernel"));
            self.note_if(says_something(kernel), Quirk::MinKernel, &at(condition));
            let others = ["caps", "arches"]
                .iter()
                .any(|name| says_something(field.and_then(|field| field.get(name))));
            self.note_if(others, Quirk::Conditions, &at(condition));
        }
        let args = self.args(fields, path);
        let known =
            ["names", "name", "action", "errnoRet", "args", "includes", "excludes", "comment"];
        self.unknown_fields(fields, &known, path);
        let action = (action.unwrap_or_default().to_owned(), number(fields, "errnoRet"));
        if action == *default && !names.is_empty() {
            return;
        }
        let next = self.conditions.len() + 1;
        let args = match args.is_empty() {
            true => 0,
            false => *self.conditions.entry(args).or_insert(next),
        };
        let action = Rc::new(action);
        for name in names.iter().filter_map(Value::as_str).filter(|name| !name.is_empty()) {
            let rule = Rule { entry: nth, action: Rc::clone(&action), args };
            rules.entry(name).or_default().push(rule);
        }
    }

    /// The conditions of a rule, sorted.
    fn args(&mut self, fields: &Map<String, Value>, path: &str) -> Vec<String> {
        let listed = self.list(fields, "args", &format!("{path}.args"));
        let mut indexes = BTreeSet::new();
        let mut repeated = false;
        for (nth, arg) in listed.iter().enumerate() {
            let path = format!("{path}.args[{nth}]");
            let Some(arg) = arg.as_object() else {
                self.note(Quirk::WrongType, path, "an object is expected");
                continue;
            };
            let op = text(arg, "op").and_then(|op| op.strip_prefix("SCMP_CMP_"));
            let known = op.is_some_and(|op| OPERATORS.contains(&op));
            self.note_if(!known, Quirk::UnknownOperator, &format!("{path}.op"));
            for field in ["index", "value", "valueTwo"] {
                let path = format!("{path}.{field}");
                match arg.get(field) {
                    None | Some(Value::Null) => {}
                    Some(value) => match value.as_u64() {
                        None => self.note(bad_number(value), path, value.to_string()),
                        Some(index) if field == "index" => {
                            self.note_if(index > 5, Quirk::BadIndex, &path);
                            repeated |= !indexes.insert(index);
                        }
                        Some(value) => {
                            let large = i64::try_from(value).is_err();
                            self.note_if(large, Quirk::LargeValue, &path);
                        }
                    },
                }
            }
            self.unknown_fields(arg, &["index", "value", "valueTwo", "op"], &path);
        }
        self.note_if(repeated, Quirk::RepeatedIndex, &format!("{path}.args"));
        let mut conditions: Vec<String> = listed.iter().map(Value::to_string).collect();
        conditions.sort();
        conditions
    }

    fn action(&mut self, action: Option<&Value>, path: &str, is_required: bool) {
        match action {
            None | Some(Value::Null) if !is_required => {}
            None | Some(Value::Null) => self.note(Quirk::UnknownAction, path, "missing"),
            Some(Value::String(name)) if name.is_empty() && !is_required => {}
            Some(Value::String(name)) => match name.strip_prefix("SCMP_ACT_") {
                Some("NOTIFY") => self.note(Quirk::Notify, path, ""),
                Some(known) if ACTIONS.contains(&known) => {}
                _ => self.note(Quirk::UnknownAction, path, format!("`{name}`")),
            },
            Some(_) => self.note(Quirk::WrongType, path, "a string is expected"),
        }
    }

    fn errno(&mut self, value: Option<&Value>, path: &str) {
        match value.map(|value| (value, value.as_u64())) {
            None => {}
            Some((_, Some(0))) => self.note(Quirk::ZeroErrno, path, ""),
            // runc and crun hand 16 bits to libseccomp.
            Some((_, Some(number))) if number & 0xffff > 4095 => {
                self.note(Quirk::LargeErrno, path, number.to_string());
            }
            Some((_, Some(number))) => {
                let is_cut = number > 0xffff;
                self.note_if(is_cut, Quirk::CutErrno, path);
            }
            Some((value, None)) => self.note(bad_number(value), path, value.to_string()),
        }
    }

    fn list<'a>(&mut self, fields: &'a Map<String, Value>, name: &str, path: &str) -> &'a [Value] {
        items(fields.get(name)).unwrap_or_else(|| {
            self.note(Quirk::WrongType, path, "a list is expected");
            &[]
        })
    }

    fn unknown_fields(&mut self, fields: &Map<String, Value>, known: &[&str], path: &str) {
        let unknown = fields
            .iter()
            .filter(|(name, value)| !known.contains(&name.as_str()) && says_something(Some(value)));
        for (name, _) in unknown {
            self.note(Quirk::UnknownField, child(path, name), "");
        }
    }
}

/// What a value is that is no number from 0 to 2⁶⁴−1.
fn bad_number(value: &Value) -> Quirk {
    if value.is_f64() { Quirk::NotWhole } else { Quirk::BadNumber }
}

/// An error's number; EPERM if there is none that can be read.
fn number(fields: &Map<String, Value>, name: &str) -> u64 {
    fields.get(name).and_then(Value::as_u64).unwrap_or(1)
}
