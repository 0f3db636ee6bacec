//! YAML that other parsers take is taken, and means the same: libyaml, of which Kubernetes' parser is a port, says what.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use strait_generator::manifest::apply::{Options, apply};
use strait_generator::manifest::assign::{Candidate, Profiles, Used};
use strait_generator::manifest::tree::{Kind, NodeId, ScalarStyle, Tree};
use strait_generator::manifest::{Edited, Manifest, ManifestError};

use crate::corpus;
use crate::odd::ODD;
use crate::support::{python_tool, scratch};

/// What libyaml reads in each file: its events, or why it is not YAML.
fn libyaml(files: &BTreeMap<String, String>) -> HashMap<String, Result<Value, String>> {
    let folder = scratch();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kubernetes/events.py");
    let output = Command::new(python_tool("python"))
        .arg(script)
        .args(files.keys())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: HashMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    let answer = |answer: Value| match answer.get("events") {
        Some(events) => Ok(events.clone()),
        None => Err(answer["error"].to_string()),
    };
    answers.into_iter().map(|(name, found)| (name, answer(found))).collect()
}

/// A tree as the events that it was made of.
fn events(tree: &Tree) -> Value {
    let mut anchors = Vec::new();
    let mut found = Vec::new();
    for root in &tree.documents {
        found.push(json!(["DocumentStart"]));
        node(tree, *root, &mut anchors, &mut found);
    }
    Value::Array(found)
}

fn node(tree: &Tree, id: NodeId, anchors: &mut Vec<usize>, found: &mut Vec<Value>) {
    let node_of = tree.node(id);
    let mut anchor = 0;
    if node_of.anchor != 0 {
        anchors.push(node_of.anchor);
        anchor = anchors.len();
    }
    let tag = &node_of.tag;
    match &node_of.kind {
        Kind::Alias(to) => {
            let place =
                anchors.iter().rposition(|anchor| anchor == to).map_or(0, |place| place + 1);
            found.push(json!(["Alias", place]));
        }
        Kind::Scalar { value, style } => {
            let style = match style {
                ScalarStyle::Plain => ":",
                ScalarStyle::SingleQuoted => "'",
                ScalarStyle::DoubleQuoted => "\"",
                ScalarStyle::Literal => "|",
                ScalarStyle::Folded => ">",
            };
            found.push(json!(["Scalar", anchor, tag, style, value]));
        }
        Kind::Sequence(items) => {
            found.push(json!(["SequenceStart", anchor, tag, node_of.flow]));
            items.iter().for_each(|item| node(tree, *item, anchors, found));
            found.push(json!(["SequenceEnd"]));
        }
        Kind::Mapping(entries) => {
            found.push(json!(["MappingStart", anchor, tag, node_of.flow]));
            for (key, value) in entries {
                node(tree, *key, anchors, found);
                node(tree, *value, anchors, found);
            }
            found.push(json!(["MappingEnd"]));
        }
    }
}

/// How a file is read here and by libyaml.
struct Read<'a> {
    name: &'a str,
    text: &'a str,
    ours: Result<Value, ManifestError>,
    theirs: Result<Value, String>,
}

fn read(files: &BTreeMap<String, String>) -> Vec<Read<'_>> {
    let theirs = libyaml(files);
    let read = files.iter().map(|(name, text)| Read {
        name,
        text,
        ours: Tree::parse(text).map(|tree| events(&tree)),
        theirs: theirs[name].clone(),
    });
    read.collect()
}

impl Read<'_> {
    /// What is wrong about how we read it.
    fn fault(&self) -> Option<String> {
        let Ok(theirs) = &self.theirs else { return None };
        match &self.ours {
            Err(error) => Some(format!("{}:{error}", self.name)),
            Ok(ours) => self.difference(ours, theirs),
        }
    }

    fn difference(&self, ours: &Value, theirs: &Value) -> Option<String> {
        let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
        let end = ours.len().min(theirs.len());
        let first =
            ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs).unwrap_or(end);
        let show = |events: &[Value]| events.get(first).map_or("nothing".into(), Value::to_string);
        (ours != theirs).then(|| {
            let (ours, theirs) = (show(ours), show(theirs));
            format!("{}: event {first} is {ours} here, and {theirs} to libyaml", self.name)
        })
    }
}

fn corpus() -> BTreeMap<String, String> {
    (0..600).map(|number| (format!("{number:03}.yaml"), corpus::file(number))).collect()
}

#[test]
fn what_libyaml_takes_is_taken_and_means_the_same() {
    let mut files = corpus();
    files.extend(ODD.iter().map(|(name, text)| (format!("{name}.yaml"), (*text).to_owned())));
    for (name, text) in [
        ("long-line", format!("a: {}\n", "x".repeat(200_000))),
        ("long-quoted", format!("a: \"{}\"\n", "x y ".repeat(50_000))),
        ("long-key", format!("{}: 1\n", "a".repeat(1000))),
        ("long-comment", format!("a:\n{}  b: c\n", "  # d: e\n".repeat(20_000))),
        (
            "deep",
            format!(
                "{}b\n",
                (0..100).map(|at| "  ".repeat(at) + "a:\n").collect::<String>() + &"  ".repeat(100)
            ),
        ),
        ("deep-flow", "[".repeat(100) + &"]".repeat(100)),
    ] {
        files.insert(format!("{name}.yaml"), text);
    }
    let read = read(&files);
    let taken = read.iter().filter(|file| file.theirs.is_ok()).count();
    assert!(taken >= 650, "only {taken} of {} files are YAML", read.len());
    let faults: Vec<String> = read.iter().filter_map(Read::fault).collect();
    assert!(faults.is_empty(), "{} of {taken}:\n{}", faults.len(), faults.join("\n"));
}

/// A file with slips may be refused by one reader and not by the other. What both take must mean the same: else a
/// container that Kubernetes sees could be hidden from us.
#[test]
fn what_both_take_means_the_same() {
    let slips =
        |number| (format!("{number}.yaml"), corpus::with_slips(&corpus::file(number), number));
    let files: BTreeMap<String, String> = (0..1500).map(slips).collect();
    let read = read(&files);
    let both = read.iter().filter(|file| file.theirs.is_ok() && file.ours.is_ok()).count();
    assert!(both >= 350, "only {both}");
    let differ = |file: &Read<'_>| {
        let (ours, theirs) = (file.ours.as_ref().ok()?, file.theirs.as_ref().ok()?);
        // Here, in JSON and in YAML 1.2 these are characters of a text in quotes, in YAML 1.1 they fold it.
        let folds = file.text.contains(['\u{85}', '\u{2028}']);
        file.difference(ours, theirs).filter(|_| !folds || shape(ours) != shape(theirs))
    };
    let faults: Vec<String> = read.iter().filter_map(differ).collect();
    assert!(faults.is_empty(), "{} of {both}:\n{}", faults.len(), faults.join("\n"));
}

/// Events without the texts of scalars in quotes.
fn shape(events: &Value) -> Vec<Value> {
    let without = |event: &Value| match event[3].as_str() {
        Some("'" | "\"") => Value::Null,
        _ => event.clone(),
    };
    events.as_array().unwrap().iter().map(without).collect()
}

#[test]
fn what_is_edited_is_what_libyaml_reads_and_no_other_byte_is_touched() {
    let profiles = Profiles {
        candidates: vec![Candidate {
            file: "web.json".into(),
            names: vec!["web".into()],
            localhost: "web.json".into(),
        }],
        mappings: Vec::new(),
    };
    let mut edited = BTreeMap::new();
    let (mut with_web, mut unsafe_ones) = (0, Vec::new());
    for (name, text) in corpus() {
        let Ok(manifest) = Manifest::parse(&text) else { continue };
        if !manifest.pods.iter().flat_map(|pod| &pod.containers).any(|one| one.name == "web") {
            continue;
        }
        with_web += 1;
        for no_escalation in [false, true] {
            let options = Options { no_escalation, fix: true, ..Options::default() };
            match apply(&manifest, &profiles, options, &mut Used::default()) {
                Ok(applied) => {
                    assert_eq!(undone(&applied.edited, &text), text, "{name}");
                    edited.insert(format!("{no_escalation}-{name}"), applied.edited.text);
                }
                Err(error @ ManifestError::Unsafe { .. }) => {
                    unsafe_ones.push(format!("{name}:{error}"))
                }
                Err(error) => panic!("{name}:{error}\n{text}"),
            }
        }
    }
    let unsafe_count = unsafe_ones.len();
    assert!(
        with_web >= 300 && unsafe_count * 20 < with_web,
        "{with_web}:\n{}",
        unsafe_ones.join("\n")
    );
    let read = read(&edited);
    let faults: Vec<String> = read
        .iter()
        .filter_map(|file| match &file.theirs {
            Ok(_) => file.fault(),
            Err(error) => Some(format!("{}: {error}", file.name)),
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The text before its replacements, from the text after them: only what they took out comes from the original.
fn undone(edited: &Edited, original: &str) -> String {
    let mut splices: Vec<_> = edited.splices.iter().collect();
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let (mut text, mut rest, mut done) = (String::new(), edited.text.as_str(), 0);
    for splice in splices {
        let (kept, new) = rest.split_at(splice.at.start - done);
        text.push_str(kept);
        text.push_str(&original[splice.at.clone()]);
        rest = new.strip_prefix(splice.text.as_str()).expect("what was put in");
        done = splice.at.end;
    }
    text + rest
}
