//! What `strait apply` says to input that is wrong, and that it then writes nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::apply::with;
use crate::support::{scratch, strait};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: web
    image: example.org/web:1
";

/// Fails with this status and these texts, and leaves every file as it was.
fn assert_refused(dir: &TempDir, arguments: &[&str], status: i32, texts: &[&str]) {
    let before = contents(dir.path());
    let outcome = strait()
        .arg("apply")
        .args(arguments.to_vec())
        .in_dir(dir.path())
        .expect_exit(status)
        .run()
        .says_one_paragraph()
        .says(texts);
    assert_eq!(outcome.stdout, "", "{arguments:?}");
    assert_eq!(contents(dir.path()), before, "{arguments:?}");
}

fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            } else {
                found.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn two_profiles_for_one_container() {
    let dir = with(&["web.json", "web-2.json"], POD);
    let texts = ["pod.yaml:7:5", "container web", "web.json, web-2.json", "--map web="];
    assert_refused(&dir, &["web.json", "web-2.json", "pod.yaml", "-i"], 1, &texts);
    let maps = ["-m", "web=web.json", "-m", "web=web-2.json"];
    let arguments = [&["web.json", "web-2.json", "pod.yaml", "-i"][..], &maps].concat();
    assert_refused(&dir, &arguments, 1, &["container web matches several"]);
}

#[test]
fn a_profile_and_a_map_without_a_match() {
    let dir = with(&["nginx.json", "web.json"], POD);
    let texts = ["nginx.json matches no container", "there are web", "--map CONTAINER=nginx.json"];
    assert_refused(&dir, &["nginx.json", "web.json", "pod.yaml", "-i"], 1, &texts);
    let map = ["web.json", "pod.yaml", "-i", "--map", "wbe=web.json"];
    assert_refused(&dir, &map, 1, &["--map wbe=web.json", "no such container", "there are web"]);
    let map = ["web.json", "pod.yaml", "--map", "web=other.json"];
    assert_refused(&dir, &map, 2, &["there is no profile other.json"]);
    let map = ["web.json", "pod.yaml", "--map", "web"];
    assert_refused(&dir, &map, 2, &["CONTAINER=PROFILE"]);
}

#[test]
fn two_profiles_of_one_name() {
    let dir = with(&["web.json"], POD);
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::copy(dir.path().join("web.json"), dir.path().join("a/web.json")).unwrap();
    let texts = ["a/web.json", "would both be web.json"];
    assert_refused(&dir, &["web.json", "a/web.json", "pod.yaml"], 1, &texts);
}

#[test]
fn one_profile_for_a_pod_with_others() {
    let text = format!("{POD}  - name: cache\n    image: redis\n");
    let dir = with(&["web.json"], &text);
    let texts = ["pod.yaml:6:3", "web has web.json, cache has none"];
    assert_refused(&dir, &["web.json", "pod.yaml", "-i", "--level", "pod"], 1, &texts);
}

#[test]
fn a_kind_that_takes_no_profile_for_the_pod() {
    let text = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: web}\n\
                spec: {template: {spec: {containers: [{image: web}]}}}\n";
    let dir = with(&["web.json"], text);
    let texts = ["pod.yaml:4:", "only for a container"];
    assert_refused(&dir, &["web.json", "pod.yaml", "--level", "pod"], 1, &texts);
}

#[test]
fn a_windows_pod_is_left_alone() {
    let text = POD.replace("spec:\n", "spec:\n  os: {name: windows}\n");
    let dir = with(&["web.json"], &text);
    assert_refused(&dir, &["web.json", "pod.yaml", "-i"], 1, &["Windows", "Pod web"]);
}

#[test]
fn nothing_is_written_if_one_of_many_files_is_wrong() {
    let dir = with(&["web.json"], POD);
    std::fs::write(dir.path().join("z.yaml"), "a: [1, 2\nb: }").unwrap();
    let texts = ["z.yaml:2:", "not YAML"];
    assert_refused(&dir, &["web.json", "pod.yaml", "z.yaml", "-i"], 1, &texts);
    assert_refused(&dir, &["web.json", "pod.yaml", "z.yaml", "-o", "out"], 1, &texts);
}

#[test]
fn what_is_no_text() {
    let dir = with(&["web.json"], POD);
    std::fs::write(dir.path().join("x.yaml"), b"a: 1\nb: \xff\xfe\n").unwrap();
    assert_refused(&dir, &["web.json", "x.yaml", "pod.yaml"], 1, &["x.yaml:2:4", "UTF-8"]);
    std::fs::write(dir.path().join("x.yaml"), b"a: \0\n").unwrap();
    assert_refused(&dir, &["web.json", "x.yaml", "pod.yaml"], 1, &["x.yaml:1:"]);
}

#[test]
fn a_bomb_is_never_expanded() {
    let mut text = String::from("apiVersion: v1\nkind: List\nx0: &x0 [lol, lol]\n");
    for level in 1..60 {
        let last = level - 1;
        text += &format!("x{level}: &x{level} [*x{last}, *x{last}, *x{last}, *x{last}]\n");
    }
    text += "items: *x59\n---\n";
    let dir = with(&["web.json"], &(text + POD));
    let outcome = strait().args(["apply", "web.json", "pod.yaml"]).in_dir(dir.path()).run().stdout;
    assert!(outcome.contains("+        localhostProfile: web.json"), "{outcome}");
}

#[test]
fn what_is_nested_without_end() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        let dir = with(&["web.json"], &text);
        assert_refused(&dir, &["web.json", "pod.yaml"], 1, &["pod.yaml:1:"]);
    }
}

#[test]
fn a_file_that_is_far_too_large() {
    let dir = with(&["web.json"], POD);
    let file = std::fs::File::create(dir.path().join("large.yaml")).unwrap();
    file.set_len(50 << 20).unwrap();
    assert_refused(&dir, &["web.json", "large.yaml"], 1, &["large.yaml", "16 MiB"]);
}

#[test]
fn files_that_are_missing_or_of_another_kind() {
    let dir = with(&["web.json"], POD);
    assert_refused(&dir, &["web.json", "no.yaml"], 1, &["no.yaml", "No such file"]);
    assert_refused(&dir, &["no.json", "pod.yaml"], 1, &["no.json", "No such file"]);
    assert_refused(&dir, &["pod.yaml"], 2, &["no profile is given"]);
    assert_refused(&dir, &["web.json"], 2, &["no manifest is given"]);
    for (half, why) in [("", "this file is empty"), ("{\"names\": [", "not a complete JSON file")] {
        std::fs::write(dir.path().join("half.json"), half).unwrap();
        assert_refused(&dir, &["half.json", "pod.yaml"], 1, &["half.json", why]);
    }
    std::fs::write(dir.path().join("p.json"), "{}").unwrap();
    assert_refused(&dir, &["p.json", "pod.yaml"], 1, &["p.json", "unconfined"]);
    std::fs::write(dir.path().join("p.json"), "{\"defaultAction\": \"SCMP_").unwrap();
    assert_refused(&dir, &["p.json", "pod.yaml"], 1, &["p.json", "not a complete JSON file"]);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    assert_refused(&dir, &["web.json", "empty"], 1, &["there is no *.yaml"]);
}

#[test]
fn a_link_that_leaves_the_folder() {
    let dir = with(&["web.json"], POD);
    std::fs::create_dir(dir.path().join("deploy")).unwrap();
    symlink("../pod.yaml", dir.path().join("deploy/pod.yaml")).unwrap();
    let texts = ["deploy/pod.yaml is a link that leaves the folder", "[DIR]/pod.yaml"];
    assert_refused(&dir, &["web.json", "deploy", "-i"], 1, &texts);
    std::fs::remove_file(dir.path().join("deploy/pod.yaml")).unwrap();
    symlink("/etc", dir.path().join("deploy/etc")).unwrap();
    assert_refused(&dir, &["web.json", "deploy", "-i"], 1, &["leaves the folder, to /etc"]);
    std::fs::remove_file(dir.path().join("deploy/etc")).unwrap();
    symlink("nowhere.yaml", dir.path().join("deploy/x.yaml")).unwrap();
    assert_refused(&dir, &["web.json", "deploy", "-i"], 1, &["leads nowhere"]);
    // A circle of links is no reason to walk in circles.
    std::fs::remove_file(dir.path().join("deploy/x.yaml")).unwrap();
    symlink(".", dir.path().join("deploy/again")).unwrap();
    assert_refused(&dir, &["web.json", "deploy", "-i"], 1, &["there is no *.yaml"]);
}

#[test]
fn a_file_that_is_read_only() {
    let dir = with(&["web.json"], POD);
    let file = dir.path().join("pod.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let texts = ["pod.yaml is read-only", "nothing was written"];
    assert_refused(&dir, &["web.json", "pod.yaml", "-i"], 1, &texts);
}

#[test]
fn copies_that_would_overwrite() {
    let dir = with(&["web.json"], POD);
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/pod.yaml"), POD).unwrap();
    let texts = ["two manifests would become out/pod.yaml"];
    assert_refused(&dir, &["web.json", "pod.yaml", "a/pod.yaml", "-o", "out"], 1, &texts);
    assert_refused(&dir, &["web.json", "a/pod.yaml", "-o", "a"], 1, &["its own copy"]);
    std::fs::write(dir.path().join("file"), "x").unwrap();
    assert_refused(&dir, &["web.json", "pod.yaml", "-o", "file"], 1, &["file"]);
}

#[test]
fn standard_input_has_no_place() {
    let dir = with(&["web.json"], POD);
    assert_refused(&dir, &["web.json", "-", "-i"], 2, &["in place"]);
    assert_refused(&dir, &["web.json", "-", "-o", "out"], 2, &["--output"]);
    assert_refused(&dir, &["web.json", "-", "pod.yaml"], 2, &["mixed"]);
}

#[test]
fn an_application_whose_name_cannot_be_one() {
    let dir = scratch();
    std::fs::copy(crate::support::manifests::profile(), dir.path().join("my app.json")).unwrap();
    std::fs::write(dir.path().join("pod.yaml"), POD).unwrap();
    let arguments = ["pod.yaml", "--map", "web=my app.json", "--release", "1"];
    assert_refused(&dir, &arguments, 1, &["`my app`", "application"]);
}
