//! A real server, recorded under a test run, runs in production under the profile made of that.

use crate::apps::{self, App, Site};
use crate::common::{attack, strait};
use crate::support::container::Options;
use crate::support::filter;
use crate::support::within::beyond;
use crate::support::{Container, Engine, Recorder, at_once, profile};

/// A way to run a container that changes what it calls or what its runtime calls for it.
#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    root: bool,
    no_new_privs: bool,
    init: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "root", root: true, no_new_privs: false, init: false },
    Variant { name: "user", root: false, no_new_privs: false, init: false },
    Variant { name: "user-nnp", root: false, no_new_privs: true, init: false },
    Variant { name: "root-nnp-init", root: true, no_new_privs: true, init: true },
];

impl Variant {
    fn options(self, engine: &Engine, app: &dyn App, purpose: &str) -> Options {
        let (server, name) = (app.name(), self.name);
        let mut options = engine.container(&format!("{}-{server}-{name}-{purpose}", engine.name()));
        if !self.root {
            options = options.option(&["--user", app.user()]);
        }
        if self.no_new_privs {
            options = options.no_new_privs();
        }
        if self.init {
            options = options.option(&["--init"]);
        }
        options
    }
}

pub fn runs_under_its_profile(engine: &Engine, app: &dyn App) {
    let recorder = Recorder::start();
    let recorded = at_once(&VARIANTS, |variant| {
        let site = Site::new(app, variant.root);
        let container = apps::start(app, &site, variant.options(engine, app, "recorded"));
        apps::test_run(app, &site, &container);
        container
    });
    let recordings = recorder.finish();

    let profiles: Vec<_> = std::iter::zip(&VARIANTS, &recorded)
        .map(|(variant, container)| {
            let recording = recordings.life(container);
            assert_eq!(recording.start(), "filter", "{}", container.name);
            for phase in ["running", "exec"] {
                assert!(!recording.calls_in(phase).is_empty(), "{}: {phase}", container.name);
            }
            let file = recordings.directory().join(format!("{}.json", variant.name));
            let profile = profile::generate(&[recording], &[], &file);
            strait().arg("check").arg(&profile).args(["--within", "docker-default"]).run();
            attack::assert_refused(&profile);
            (variant, profile)
        })
        .collect();
    drop(recorded);

    let recorder = Recorder::start();
    let enforced = at_once(&profiles, |(variant, profile)| {
        let site = Site::new(app, variant.root);
        let options = variant.options(engine, app, "enforced").profile(profile);
        let container = apps::start(app, &site, options);
        assert_within_docker_default(&container);
        apps::production_run(app, &site, &container);
        container
    });
    let recordings = recorder.finish();
    for container in &enforced {
        for life in recordings.lives(container, 2) {
            life.assert_nothing_refused();
        }
    }
}

/// That the filter which the container is really under allows nothing that Docker's own refuses.
fn assert_within_docker_default(container: &Container) {
    if let Some(call) = beyond(&filter::read(container.pid()), filter::docker_default()) {
        panic!("{}'s profile allows {call:x?}, which Docker's default refuses", container.name);
    }
}
