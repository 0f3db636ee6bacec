//! A profile is good for every runtime, unless it was asked to be narrower.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::apps::{self, Redis, Site};
use crate::support::{Container, Engine, Recorder, Recordings, at_once, profile};

/// Recorded with `no_new_privs`, of which the start-up set is small, and started without it.
pub fn starts_under_the_other(engine: &Engine) {
    let name = |runtime: &Engine, purpose: &str| {
        format!("{}-{}-{purpose}", engine.name(), runtime.runtime().name())
    };
    let recorder = Recorder::start();
    let recorded = apps::ALL.map(|app| {
        let site = Site::new(app, true);
        let options = engine.container(&name(engine, &format!("recorded-{}", app.name())));
        let container = apps::start(app, &site, options.no_new_privs());
        (app, site, container)
    });
    at_once(&recorded, |(app, site, container)| apps::test_run(*app, site, container));
    let recordings = recorder.finish();

    let other = engine.clone().with(engine.runtime().other());
    let recorder = Recorder::start();
    let enforced = recorded.each_ref().map(|(app, _, container)| {
        let recording = recordings.life(container);
        assert_eq!(recording.of_container()["runtime"], engine.runtime().name());
        let file = recordings.directory().join(format!("{}.json", app.name()));
        let profile = profile::generate(&[recording], &[], &file);
        let site = Site::new(*app, true);
        let options = other.container(&name(&other, &format!("enforced-{}", app.name())));
        let container = apps::start(*app, &site, options.profile(&profile));
        (*app, site, container)
    });
    at_once(&enforced, |(app, site, container)| apps::production_run(*app, site, container));
    let recordings = recorder.finish();
    for (_, _, container) in &enforced {
        for life in recordings.lives(container, 2) {
            life.assert_nothing_refused();
        }
    }
}

pub fn narrower_for_one_runtime_with_no_new_privs() {
    let engine = Engine::docker();
    let run = |name: &str, profile: Option<&Path>| -> (Container, Recordings) {
        let recorder = Recorder::start();
        let site = Site::new(&Redis, true);
        let mut options = engine.container(name).no_new_privs();
        if let Some(profile) = profile {
            options = options.profile(profile);
        }
        let container = apps::start(&Redis, &site, options);
        apps::test_run(&Redis, &site, &container);
        (container, recorder.finish())
    };
    let (container, recordings) = run("redis-for-runc-recorded", None);
    let recording = recordings.life(&container);
    let generate = |options: &[&str], file: &str| {
        profile::generate(&[recording], options, &recordings.directory().join(file))
    };
    let any = generate(&[], "any.json");
    let one = generate(&["--runtime", "recorded", "--no-new-privs"], "one.json");
    let [any, narrow] = [&any, &one].map(|file| allowed(file));
    assert!(narrow.is_subset(&any) && narrow.len() < any.len(), "{narrow:?} and {any:?}");
    // runc needs it only where it cannot install the filter last.
    assert!(any.contains("setgroups") && !narrow.contains("setgroups"));
    let (container, recordings) = run("redis-for-runc-enforced", Some(&one));
    recordings.life(&container).assert_nothing_refused();
}

/// The names that a profile allows, whatever their arguments.
fn allowed(profile: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(profile).expect("a profile");
    let profile: Value = serde_json::from_str(&text).expect("a profile is JSON");
    let rules = profile["syscalls"].as_array().expect("a profile has rules");
    rules
        .iter()
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|rule| rule["names"].as_array().expect("a rule has names"))
        .map(|name| name.as_str().expect("a name is a string").to_owned())
        .collect()
}
