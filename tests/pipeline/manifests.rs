//! Properties of edits, on generated manifests: twice is once, what was added can be taken out again,
//! and every other value stays. Another parser (a port of libyaml, as Kubernetes' own is) is the oracle.

use proptest::prelude::*;
use serde::Deserialize;
use serde_norway::{Mapping, Value};
use strait_generator::manifest::apply::{Applied, Options, apply};
use strait_generator::manifest::assign::{Candidate, Profiles, Used};
use strait_generator::manifest::{Manifest, ManifestError};

use crate::yaml::{Pod, Security, pods};

fn profiles() -> Profiles {
    let names = vec!["web".to_owned()];
    let candidate = Candidate { file: "web.json".into(), names, localhost: "x/web-1.json".into() };
    Profiles { candidates: vec![candidate], mappings: Vec::new() }
}

fn edit(text: &str) -> Result<Applied, ManifestError> {
    apply(&Manifest::parse(text)?, &profiles(), Options::default(), &mut Used::default())
}

/// All documents, as libyaml's port reads them.
fn load(text: &str) -> Result<Vec<Value>, serde_norway::Error> {
    let text = text.trim_start_matches('\u{feff}');
    serde_norway::Deserializer::from_str(text).map(Value::deserialize).collect()
}

/// Sets the profile on each container that it is for, in the values alone.
fn set(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            let is_container = mapping.contains_key("name") && mapping.contains_key("image");
            if is_container && mapping["name"] == "web" {
                let context = mapping
                    .entry("securityContext".into())
                    .or_insert_with(|| Value::Mapping(Mapping::new()));
                if context.is_null() {
                    *context = Value::Mapping(Mapping::new());
                }
                let profile = context
                    .as_mapping_mut()
                    .unwrap()
                    .entry("seccompProfile".into())
                    .or_insert(Value::Null);
                if profile.is_null() {
                    *profile = Value::Mapping(Mapping::new());
                }
                let profile = profile.as_mapping_mut().unwrap();
                profile.insert("type".into(), "Localhost".into());
                profile.insert("localhostProfile".into(), "x/web-1.json".into());
                return;
            }
            mapping.values_mut().for_each(set);
        }
        Value::Sequence(items) => items.iter_mut().for_each(set),
        _ => {}
    }
}

/// Takes out what was put in.
fn undo(original: &str, applied: &Applied) -> String {
    let mut splices = applied.edited.splices.clone();
    splices.sort_by_key(|splice| splice.at.start);
    let mut text = String::new();
    let mut edited = applied.edited.text.as_str();
    let mut done = 0;
    for splice in &splices {
        let (kept, rest) = edited.split_at(splice.at.start - done);
        text.push_str(kept);
        text.push_str(&original[splice.at.clone()]);
        edited = rest.strip_prefix(splice.text.as_str()).unwrap();
        done = splice.at.end;
    }
    text + edited
}

fn is_new(pod: &Pod) -> bool {
    let adds = |security: &Security| {
        matches!(security, Security::Absent | Security::Block(_) | Security::Empty(""))
    };
    pod.containers.iter().all(|container| adds(&container.security))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_other_value_stays(pod in pods()) {
        let text = pod.print();
        let applied = edit(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut expected = load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        expected.iter_mut().for_each(set);
        let after = &applied.edited.text;
        prop_assert_eq!(load(after).unwrap(), expected, "{}\n---- became\n{}", text, after);
    }

    #[test]
    fn twice_is_once(pod in pods()) {
        let text = pod.print();
        let once = edit(&text).unwrap().edited.text;
        let twice = edit(&once).unwrap();
        prop_assert!(twice.edited.splices.is_empty(), "{}", once);
        prop_assert_eq!(twice.edited.text, once);
    }

    #[test]
    fn what_was_added_can_be_taken_out(pod in pods()) {
        let text = pod.print();
        let applied = edit(&text).unwrap();
        prop_assert_eq!(undo(&text, &applied), text.clone());
        if is_new(&pod) {
            // Nothing that was there has gone, not even for a moment.
            prop_assert!(applied.edited.splices.iter().all(|splice| splice.at.is_empty()));
        }
    }

    #[test]
    fn every_line_that_was_there_is_there(pod in pods()) {
        if !is_new(&pod) { return Ok(()) }
        let text = pod.print();
        let edited = edit(&text).unwrap().edited.text;
        let mut lines = edited.lines();
        for line in text.lines() {
            prop_assert!(lines.any(|new| new == line), "{line:?} is lost\n{edited}");
        }
    }

    /// Whatever becomes of a manifest in other hands: an edit is right, or there is none.
    #[test]
    fn a_damaged_manifest_is_edited_rightly_or_not_at_all(
        pod in pods(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..6,
        junk in "[ \n\t#:,&*!|>{}\\[\\]\"'a-]{0,5}",
    ) {
        let mut text = pod.print();
        let mut start = at.index(text.len());
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + length).min(text.len());
        while !text.is_char_boundary(end) { end += 1; }
        text.replace_range(start..end, &junk);
        let Ok(applied) = edit(&text) else { return Ok(()) };
        let after = &applied.edited.text;
        prop_assert_eq!(undo(&text, &applied), text.clone());
        let again = edit(after);
        prop_assert!(again.is_ok_and(|again| again.edited.splices.is_empty()), "{text}\n----\n{after}");
        // What libyaml takes before the edit it takes after it, and reads as the same but for the profile.
        if let Ok(mut expected) = load(&text) {
            let now = load(after);
            prop_assert!(now.is_ok(), "{}\n----\n{}\n{:?}", text, after, now);
            let mut now = now.unwrap();
            now.iter_mut().for_each(without_profile);
            expected.iter_mut().for_each(without_profile);
            prop_assert_eq!(now, expected, "{}\n----\n{}", text, after);
        }
    }
}

/// Leaves out what an edit may change.
fn without_profile(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            mapping.values_mut().for_each(without_profile);
            mapping.remove("seccompProfile");
            let empty = |value: &Value| {
                value.is_null() || value.as_mapping().is_some_and(Mapping::is_empty)
            };
            if mapping.get("securityContext").is_some_and(empty) {
                mapping.remove("securityContext");
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(without_profile),
        _ => {}
    }
}
