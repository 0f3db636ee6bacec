//! `strait bundle`: releases side by side, and the removal of unused ones.

use tempfile::TempDir;

use crate::support::manifests::profile;
use crate::support::run::Strait;
use crate::support::{scratch, strait};

fn bundle(dir: &TempDir, arguments: &[&str]) -> Strait {
    strait().args(["bundle", "seccomp"]).args(arguments.to_vec()).in_dir(dir.path())
}

/// A directory with the profile `web.json`.
fn with_profile() -> TempDir {
    let dir = scratch();
    std::fs::copy(profile(), dir.path().join("web.json")).unwrap();
    dir
}

fn bundled(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.path().join("seccomp/web"))
        .map(|files| files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// Another profile for the same application.
fn change_profile(dir: &TempDir) {
    let text = std::fs::read_to_string(dir.path().join("web.json")).unwrap();
    let changed = text.replace("\"read\"", "\"read\", \"readv\"");
    std::fs::write(dir.path().join("web.json"), changed).unwrap();
}

/// A manifest that uses this profile.
fn use_profile(dir: &TempDir, name: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - name: web\n    \
         image: web\n    securityContext:\n      seccompProfile: {{type: Localhost, localhostProfile: {name}}}\n"
    );
    std::fs::write(dir.path().join("pod.yaml"), text).unwrap();
}

#[test]
fn releases_stay_side_by_side_until_they_are_pruned() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1.27"]).run();
    change_profile(&dir);
    bundle(&dir, &["web.json", "--release", "1.28"]).run();
    let both = bundled(&dir);
    assert_eq!(both.len(), 2, "{both:?}");
    bundle(&dir, &["web.json", "--release", "1.28"]).run().says(&["is there already"]);

    use_profile(&dir, &format!("web/{}", both[1]));
    let shown = bundle(&dir, &["--manifests", "pod.yaml"]).run();
    shown.says(&[&both[0], "is used by no manifest", "--prune removes it"]);
    assert_eq!(bundled(&dir), both);
    let dry = bundle(&dir, &["--manifests", "pod.yaml", "--prune", "--dry-run"]).run();
    dry.says(&["would remove", &both[0]]);
    assert_eq!(bundled(&dir), both);
    let pruned = bundle(&dir, &["--manifests", "pod.yaml", "--prune", "--quiet"]).run();
    pruned.says(&["removed", &both[0]]);
    assert_eq!(bundled(&dir), both[1..]);
}

#[test]
fn apply_and_bundle_agree_on_the_name() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1.27"]).run();
    use_profile(&dir, "old.json");
    let run = |profile: &str, options: &[&str]| {
        let run = strait().args(["apply", profile, "pod.yaml"]).args(options.to_vec());
        run.in_dir(dir.path()).run().stdout
    };
    let name = format!("web/{}", bundled(&dir)[0]);
    assert!(run("web.json", &["--release", "1.27"]).contains(&name));
    let from_bundle = run(&format!("seccomp/{name}"), &[]);
    assert!(from_bundle.contains(&format!("localhostProfile: {name}}}")), "{from_bundle}");
}

#[test]
fn a_missing_profile_that_a_manifest_uses_is_named() {
    let dir = with_profile();
    use_profile(&dir, "web/1-000000000000.json");
    bundle(&dir, &["web.json", "--release", "2", "--manifests", "pod.yaml"])
        .run()
        .says(&["a manifest uses web/1-000000000000.json, which is not in the bundle"]);
}

#[test]
fn what_was_changed_or_is_of_others_is_never_removed() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1"]).run();
    let changed = dir.path().join("seccomp/web").join(&bundled(&dir)[0]);
    std::fs::write(&changed, "{}").unwrap();
    std::fs::write(dir.path().join("seccomp/web/mine.json"), "{}").unwrap();
    std::fs::write(dir.path().join("seccomp/other.json"), "{}").unwrap();
    use_profile(&dir, "web/9-000000000000.json");
    bundle(&dir, &["--manifests", "pod.yaml", "--prune"]).run();
    assert_eq!(bundled(&dir).len(), 2);
    assert!(dir.path().join("seccomp/other.json").exists());
}

#[test]
fn a_bundle_is_not_emptied_by_mistake() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1"]).run();
    use_profile(&dir, "plain.json");
    bundle(&dir, &["--manifests", "pod.yaml", "--prune"])
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["use no profile at all", "nothing is removed"]);
    assert_eq!(bundled(&dir).len(), 1);
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1", "--dry-run"]).run().says(&["would write"]);
    assert!(!dir.path().join("seccomp").exists());
}

#[test]
fn a_profile_that_confines_nothing_and_a_name_that_is_none_are_refused() {
    let dir = with_profile();
    std::fs::write(dir.path().join("open.json"), "{}").unwrap();
    bundle(&dir, &["open.json", "--release", "1"]).expect_exit(1).run().says(&["unconfined"]);
    bundle(&dir, &[]).expect_exit(2).run().says(&["nothing to do"]);
    std::fs::copy(dir.path().join("web.json"), dir.path().join("web-2.json")).unwrap();
    change_profile(&dir);
    bundle(&dir, &["web.json", "web-2.json", "--release", "1"])
        .expect_exit(1)
        .run()
        .says(&["two profiles of web"]);
    assert!(!dir.path().join("seccomp").exists());
}

/// What a template uses cannot be known for sure, so nothing is removed. Without `--prune` that is no harm.
#[test]
fn a_template_among_the_manifests_is_no_reason_to_stop_or_to_remove() {
    let dir = with_profile();
    bundle(&dir, &["web.json", "--release", "1.27"]).run();
    let name = bundled(&dir)[0].clone();
    use_profile(&dir, "other/1-000000000000.json");
    let template = format!("{{{{ if .x }}}}\nprofile: web/{name}\n");
    std::fs::write(dir.path().join("chart.yaml"), template).unwrap();
    let outcome = bundle(&dir, &["--manifests", "."]).run();
    let outcome =
        outcome.says(&["chart.yaml:1:1: this is a template", "not clear which profiles it uses"]);
    assert!(!outcome.stderr.contains("is used by no manifest"), "{}", outcome.stderr);
    let pruned = bundle(&dir, &["--manifests", ".", "--prune"]).expect_exit(1).run();
    pruned.says(&["chart.yaml:1:1", "Nothing is removed"]);
    assert_eq!(bundled(&dir), [name]);
}

/// One rule for names of releases, whichever command they are given to.
#[test]
fn releases_are_called_alike_everywhere() {
    let dir = with_profile();
    use_profile(&dir, "old.json");
    for release in ["1.27.3-rc1", "2026-11-28", "v2"] {
        bundle(&dir, &["web.json", "--release", release]).run();
    }
    for release in ["", "../1", "1_27", "V2", "1..2", "-1", "1.", "a/b"] {
        let option = format!("--release={release}");
        for args in [
            &["bundle", "seccomp", "web.json"][..],
            &["apply", "web.json", "pod.yaml"],
            &["export", "web.json", "--to", "helm"],
        ] {
            let run = strait().args(args.to_vec()).arg(&option).in_dir(dir.path());
            run.expect_exit(2).run().says(&["1.27.3-rc1"]);
        }
    }
    assert_eq!(bundled(&dir).len(), 3);
}
