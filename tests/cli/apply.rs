//! `strait apply`: where profiles go, and that nothing else changes.

use std::path::Path;

use tempfile::TempDir;

use crate::support::manifests::{expected, folder, group, profile};
use crate::support::run::Strait;
use crate::support::{scratch, strait};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: shop
spec:
  containers:
  - name: web   # the server
    image: example.org/nginx:1.27
  - name: cache
    image: example.org/redis:7
";

/// A directory with a profile for each of these names, and a manifest `pod.yaml`.
pub fn with(profiles: &[&str], manifest: &str) -> TempDir {
    let dir = scratch();
    for name in profiles {
        std::fs::copy(profile(), dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("pod.yaml"), manifest).unwrap();
    dir
}

fn apply(dir: &TempDir, arguments: &[&str]) -> Strait {
    strait().arg("apply").args(arguments.to_vec()).in_dir(dir.path())
}

fn read(dir: &TempDir, name: &str) -> String {
    std::fs::read_to_string(dir.path().join(name)).unwrap()
}

/// Every manifest of a group becomes, byte for byte, what is expected, and then stays that.
fn assert_group(name: &str, options: &[&str]) {
    let below = folder();
    let dir = scratch();
    // `pod.yaml` has a container for the profile, also beside those that have none.
    let always = below.join("container/pod.yaml");
    for (path, text) in group(name) {
        let run = |manifest: &Path, output: &Path| {
            let run = strait().arg("apply").arg(profile()).args(options.to_vec());
            run.args([manifest, &always]).arg("--output").arg(output).in_dir(&below).run();
        };
        let file = path.file_name().unwrap();
        let (once, twice) = (dir.path().join("once"), dir.path().join("twice"));
        let same_name = file == "pod.yaml" && path != always;
        if same_name {
            std::fs::create_dir_all(&once).unwrap();
            let run = strait().arg("apply").arg(profile()).args(options.to_vec());
            run.arg(&path).arg("--output").arg(&once).run();
        } else {
            run(&path, &once);
        }
        let edited = std::fs::read_to_string(once.join(file)).unwrap();
        assert_eq!(edited, expected(&path), "{} of {} bytes", path.display(), text.len());
        if !same_name && path != always {
            run(&once.join(file), &twice);
            assert_eq!(
                std::fs::read_to_string(twice.join(file)).unwrap(),
                edited,
                "{file:?} again"
            );
        }
    }
}

#[test]
fn containers_get_it_and_no_other_byte_changes() {
    assert!(group("container").len() >= 40);
    assert_group("container", &[]);
}

#[test]
fn a_pod_gets_it_if_it_is_for_all_of_its_containers() {
    assert_group("pod", &["--level", "pod"]);
}

#[test]
fn privilege_escalation_can_be_taken_away_with_it() {
    assert_group("escalation", &["--no-privilege-escalation"]);
}

#[test]
fn what_cannot_be_edited_safely_is_refused_and_left_alone() {
    let mut messages = String::new();
    for (path, text) in group("refused") {
        let dir = with(&["web.json"], &text);
        let outcome = apply(&dir, &["web.json", "pod.yaml", "--in-place"])
            .expect_exit(1)
            .run()
            .says_one_paragraph();
        assert_eq!(read(&dir, "pod.yaml"), text, "{}", path.display());
        assert_eq!(outcome.stdout, "");
        messages += &format!("{}\n{}", path.file_name().unwrap().display(), outcome.stderr);
    }
    insta::assert_snapshot!("refused", messages);
}

#[test]
fn a_diff_is_shown_and_nothing_written() {
    let dir = with(&["nginx-1.27.json", "redis.json"], POD);
    let outcome = apply(&dir, &["nginx-1.27.json", "redis.json", "pod.yaml"]).run();
    insta::assert_snapshot!("diff", outcome.stdout);
    insta::assert_snapshot!("advice", outcome.stderr);
    assert_eq!(read(&dir, "pod.yaml"), POD);
}

#[test]
fn a_diff_can_be_applied_with_patch() {
    let dir = with(&["nginx.json"], &POD.replace('\n', "\r\n"));
    let outcome = apply(&dir, &["nginx.json", "pod.yaml"]).run();
    std::fs::write(dir.path().join("x.diff"), outcome.stdout).unwrap();
    let status = std::process::Command::new("git")
        .args(["apply", "--unsafe-paths", "x.diff"])
        .current_dir(dir.path())
        .status();
    // Git may be missing; what is applied has to be right.
    if status.is_ok_and(|status| status.success()) {
        let patched = read(&dir, "pod.yaml");
        apply(&dir, &["nginx.json", "pod.yaml"]).run().says(&["nothing to change"]);
        assert!(patched.contains("localhostProfile: nginx.json\r\n"), "{patched}");
    }
}

#[test]
fn in_place_edits_and_keeps_the_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = with(&["nginx.json"], POD);
    let file = dir.path().join("pod.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = apply(&dir, &["nginx.json", "pod.yaml", "-i"]).run();
    assert_eq!(outcome.stdout, "");
    assert!(read(&dir, "pod.yaml").contains("        localhostProfile: nginx.json\n"));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let again = apply(&dir, &["nginx.json", "pod.yaml", "-i"]).run();
    again.says(&["nothing to change"]);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let dir = with(&["nginx.json"], "");
    let outcome = apply(&dir, &["nginx.json", "-"]).stdin(POD).run();
    assert!(outcome.stdout.starts_with("apiVersion: v1\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("localhostProfile: nginx.json"));
    let shown = apply(&dir, &["nginx.json", "-", "--diff"]).stdin(POD).run();
    assert!(shown.stdout.starts_with("--- a/"), "{}", shown.stdout);
}

#[test]
fn folders_are_walked_and_copied() {
    let dir = with(&["nginx.json"], POD);
    std::fs::create_dir_all(dir.path().join("deploy/prod")).unwrap();
    std::fs::create_dir_all(dir.path().join("deploy/.hidden")).unwrap();
    std::fs::rename(dir.path().join("pod.yaml"), dir.path().join("deploy/prod/a.yml")).unwrap();
    std::fs::write(dir.path().join("deploy/values.json"), "{\"a\": 1}").unwrap();
    std::fs::write(dir.path().join("deploy/README.md"), "no: [yaml").unwrap();
    std::fs::write(dir.path().join("deploy/.hidden/x.yaml"), "no: [yaml").unwrap();
    std::os::unix::fs::symlink("prod", dir.path().join("deploy/link")).unwrap();
    apply(&dir, &["nginx.json", "deploy", "--output", "out"]).run();
    assert!(read(&dir, "out/prod/a.yml").contains("localhostProfile: nginx.json"));
    assert_eq!(read(&dir, "out/values.json"), "{\"a\": 1}");
    assert!(!dir.path().join("out/README.md").exists());
    assert!(!dir.path().join("out/link").exists());
}

/// What cannot be read as a manifest is left as it is, with a word about it. What was named has to be one.
#[test]
fn a_template_does_not_stop_a_folder() {
    let dir = with(&["nginx.json"], POD);
    let comment = format!("# {{{{- if .Values.web }}}}\n{POD}");
    for (name, text) in [("chart.yaml", "{{ if .x }}\na: b\n"), ("comment.yaml", &comment)] {
        std::fs::create_dir_all(dir.path().join("deploy")).unwrap();
        std::fs::write(dir.path().join("deploy").join(name), text).unwrap();
    }
    apply(&dir, &["nginx.json", "deploy"]).expect_exit(1).run().says(&["matches no container"]);
    std::fs::rename(dir.path().join("pod.yaml"), dir.path().join("deploy/pod.yaml")).unwrap();
    apply(&dir, &["nginx.json", "deploy", "--output", "out"]).run().says(&[
        "not changed: deploy/chart.yaml:1:1: this is a template",
        "not changed: deploy/comment.yaml:1:3: this is a template",
    ]);
    assert_eq!(read(&dir, "out/comment.yaml"), comment);
    assert!(read(&dir, "out/pod.yaml").contains("localhostProfile: nginx.json"));
    let named = apply(&dir, &["nginx.json", "deploy/pod.yaml", "deploy/comment.yaml"]);
    named.expect_exit(1).run().says(&["comment.yaml:1:3: this is a template"]);
}

#[test]
fn a_map_counts_for_more_than_names() {
    let dir = with(&["nginx.json", "a.json"], POD);
    let mapped = apply(&dir, &["nginx.json", "pod.yaml", "--map", "cache=a.json"]).run();
    assert!(mapped.stdout.contains("localhostProfile: a.json"), "{}", mapped.stdout);
    assert!(mapped.stdout.contains("localhostProfile: nginx.json"));
    let only = apply(&dir, &["pod.yaml", "--map", "shop/web=a.json"]).run();
    assert!(!only.stdout.contains("nginx.json") && only.stdout.contains("a.json"));
    apply(&dir, &["a.json", "pod.yaml", "--map", "other/web=a.json"]).expect_exit(1).run().says(&[
        "--map other/web=a.json",
        "there is no such container",
        "cache, web",
    ]);
}

/// Two workloads may well call a container alike.
#[test]
fn a_name_does_not_make_two_images_one_target() {
    let of = |name: &str, image: &str| {
        POD.replace("name: shop", &format!("name: {name}")).replace("example.org/nginx:1.27", image)
    };
    let both = |image: &str| {
        let (shop, blog) = (of("shop", "example.org/web:1"), of("blog", image));
        with(&["web.json", "a.json"], &format!("{shop}---\n{blog}"))
    };
    for release in ["example.org/web:2", "web@sha256:ab", "other.example:5000/x/web"] {
        let shown = apply(&both(release), &["web.json", "pod.yaml"]).run().stdout;
        assert_eq!(shown.matches("localhostProfile: web.json").count(), 2, "{release}");
    }
    let dir = both("example.org/ghost:5");
    let refused = apply(&dir, &["web.json", "pod.yaml"]).expect_exit(1).run();
    refused.says_one_paragraph().says(&[
        "web.json matches containers of different workloads and images",
        "web of Pod blog (image ghost)",
        "web of Pod shop (image web)",
        "--map WORKLOAD/CONTAINER=web.json",
    ]);
    let chosen = [
        "web.json",
        "a.json",
        "pod.yaml",
        "--map",
        "shop/web=web.json",
        "--map",
        "blog/web=a.json",
    ];
    let mapped = apply(&dir, &chosen).run().stdout;
    assert!(mapped.contains("localhostProfile: web.json"), "{mapped}");
    assert!(mapped.contains("localhostProfile: a.json"), "{mapped}");
}

#[test]
fn a_release_is_part_of_the_name() {
    let dir = with(&["nginx-1.26.json"], POD);
    let outcome =
        apply(&dir, &["nginx-1.26.json", "pod.yaml", "--release", "1.27", "--prefix", "shop"])
            .run();
    let name = outcome.stdout.lines().find_map(|line| line.split_once("localhostProfile: "));
    let name = name.unwrap().1;
    assert!(name.starts_with("shop/nginx/1.27-") && name.len() == 33, "{name}");
    for release in ["../x", "a b", ""] {
        let run = apply(&dir, &["nginx-1.26.json", "pod.yaml", "--release", release]);
        run.expect_exit(2).run().says(&["not a valid release", "1.27.3-rc1"]);
    }
    for prefix in ["/etc", "a/../b", ".."] {
        apply(&dir, &["nginx-1.26.json", "pod.yaml", "--prefix", prefix])
            .expect_exit(1)
            .run()
            .says_one_paragraph()
            .says(&["localhostProfile"]);
    }
}

#[test]
fn annotations_go_with_fix() {
    let text = POD.replace(
        "  name: shop\n",
        "  name: shop\n  annotations:\n    seccomp.security.alpha.kubernetes.io/pod: runtime/default\n",
    );
    let dir = with(&["nginx.json"], &text);
    let kept = apply(&dir, &["nginx.json", "pod.yaml"]).run();
    assert!(!kept.stdout.contains("-    seccomp.security"), "{}", kept.stdout);
    kept.says(&["deprecated-annotation"]);
    let gone = apply(&dir, &["nginx.json", "pod.yaml", "--fix"]).run();
    assert!(gone.stdout.contains("-    seccomp.security"), "{}", gone.stdout);
}

#[test]
fn colours_can_be_asked_for() {
    let dir = with(&["nginx.json"], POD);
    let plain = apply(&dir, &["nginx.json", "pod.yaml"]).run().stdout;
    let coloured = apply(&dir, &["nginx.json", "pod.yaml", "--color", "always"]).run().stdout;
    assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
}

/// The file that the transcript in docs/kubernetes.md begins with.
const TRANSCRIPT_MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: registry.example.org/shop/web:1.27   # pinned by the bot
        ports:
        - containerPort: 8080

      # exports metrics
      - name: exporter
        image: example.org/exporter:1
";

#[test]
fn the_documentation_shows_what_happens() {
    let dir = with(&["web.json"], TRANSCRIPT_MANIFEST);
    std::fs::create_dir(dir.path().join("deploy")).unwrap();
    std::fs::rename(dir.path().join("pod.yaml"), dir.path().join("deploy/web.yaml")).unwrap();
    let page = include_str!("../../docs/kubernetes.md");
    let shown = page.split("```diff\n").nth(1).unwrap().split("```").next().unwrap();
    let line = |start: &str| {
        let line = page.lines().find(|line| line.starts_with(start)).unwrap();
        line.split(" #").next().unwrap().split_whitespace().skip(1).map(str::to_owned)
    };
    let without_writing = line("strait apply web.json").filter(|word| word != "--in-place");
    let outcome = strait().args(without_writing).in_dir(dir.path()).run();
    assert_eq!(outcome.stdout, shown);
    strait().args(line("strait bundle seccomp web.json")).in_dir(dir.path()).run();
    let name = shown.split_once("localhostProfile: ").unwrap().1.lines().next().unwrap();
    assert!(dir.path().join("seccomp").join(name).exists(), "{name}");
}
