//! Any text is a manifest or a clear error. An edit changes what it is asked to and nothing else, undone it
//! gives the original, and a second one has nothing to do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::manifest::apply::{Options, apply};
use strait_generator::manifest::assign::{Candidate, Profiles, Used};
use strait_generator::manifest::audit::{Audit, Version};
use strait_generator::manifest::bundle::Usage;
use strait_generator::manifest::{Manifest, ManifestError, fix};

fuzz_target!(|text: &str| {
    let Ok(manifest) = Manifest::parse(text) else { return };
    let _ = Audit::new("fuzz.yaml", &manifest, Version::newest());
    let mut usage = Usage::default();
    usage.add("fuzz.yaml", text);
    assert!(usage.unclear.iter().all(|(_, why)| why.is_none()), "{:?}", usage.unclear);
    // The check of edits is within; that it fails is a finding.
    let unintended = |error: &ManifestError| matches!(error, ManifestError::Unintended { .. });
    let fixed = fix::fix(&manifest);
    assert!(!fixed.as_ref().is_err_and(unintended), "{fixed:?}");

    let names = vec!["web".to_owned()];
    let candidate = Candidate { file: "web.json".into(), names, localhost: "web.json".into() };
    let profiles = Profiles { candidates: vec![candidate], mappings: Vec::new() };
    let options = Options { no_escalation: true, fix: true, ..Options::default() };
    let applied = apply(&manifest, &profiles, options, &mut Used::default());
    assert!(!applied.as_ref().is_err_and(unintended), "{:?}", applied.err());
    let Ok(applied) = applied else { return };
    let after = Manifest::parse(&applied.edited.text).expect("it was parsed before");
    let again = apply(&after, &profiles, options, &mut Used::default()).expect("a second time");
    assert!(again.edited.splices.is_empty(), "{}", applied.edited.text);
});
