//! Recordings of different targets are never mixed without a word; releases of one target always can be.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{put, recording};
use crate::support::run::Outcome;
use crate::support::{scratch, strait};

/// A recording of a compose service that made `getppid` and this call.
fn service(project: &str, service: &str, image: &str, minute: u32, call: (&str, u32)) -> Value {
    let calls = [("execve", 59), ("getppid", 110), call];
    let mut value = recording(service, minute, &calls);
    value["target"] = json!({
        "kind": "container", "name": service, "command": [service],
        "container": {
            "id": format!("{minute:064x}"), "engine": "docker", "name": format!("{project}-{service}-1"),
            "image": image, "image_digest": "", "runtime": "runc", "runtime_version": "1.1.5",
            "labels": {"com.docker.compose.project": project, "com.docker.compose.service": service},
            "no_new_privs": false, "bounding_set": "00000000a80425fb", "filtered": true, "profile": "default",
        },
    });
    for call in value["abis"]["x86_64"]["syscalls"].as_object_mut().unwrap().values_mut() {
        call["phases"] = json!({"running": 2});
    }
    value
}

/// Two services of a project, one of them in two releases, and a service of the same name in another project.
fn shop(dir: &Path) {
    put(dir, "web.recording.json", &service("shop", "web", "shop/web:1.26", 1, ("mkdir", 83)));
    let next = service("shop", "web", "shop/web:1.27@sha256:ab", 2, ("rmdir", 84));
    put(dir, "web-2.recording.json", &next);
    put(dir, "db.recording.json", &service("shop", "db", "postgres:16", 3, ("fsync", 74)));
    put(dir, "blog.recording.json", &service("blog", "web", "shop/web:1.26", 4, ("flock", 73)));
}

fn run(dir: &Path, args: &[&str], code: i32) -> Outcome {
    strait().args(args.iter().copied()).in_dir(dir).expect_exit(code).run()
}

fn allows(dir: &Path, file: &str, call: &str) -> bool {
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    let profile: Value = serde_json::from_str(&text).unwrap();
    let mut entries = profile["syscalls"].as_array().unwrap().iter();
    entries.any(|entry| {
        entry["action"] == "SCMP_ACT_ALLOW"
            && entry["names"].as_array().unwrap().iter().any(|name| name == call)
    })
}

const ALL: [&str; 4] =
    ["web.recording.json", "web-2.recording.json", "db.recording.json", "blog.recording.json"];

#[test]
fn one_profile_is_not_made_of_several_services() {
    let dir = scratch();
    shop(dir.path());
    for command in ["generate", "merge"] {
        let args: Vec<&str> = [command, "-o", "p.json"].into_iter().chain(ALL).collect();
        let said = run(dir.path(), &args, 1).says_one_paragraph();
        let said = said.says(&["3 different targets", "`shop/db`", "`blog/web`", "--allow-mixed"]);
        // Each target with all of its files.
        said.says(&["(web.recording.json, web-2.recording.json)", "(db.recording.json)"]);
        assert!(!dir.path().join("p.json").exists());
        let args: Vec<&str> = args.into_iter().chain(["--allow-mixed"]).collect();
        run(dir.path(), &args, 0);
        std::fs::remove_file(dir.path().join("p.json")).unwrap();
    }
}

#[test]
fn releases_of_one_service_go_together_in_any_order() {
    let dir = scratch();
    shop(dir.path());
    let (one, other) = ("web.recording.json", "web-2.recording.json");
    let generated = run(dir.path(), &["generate", one, other], 0).stdout;
    assert_eq!(generated, run(dir.path(), &["generate", other, one], 0).stdout);
    assert!(generated.contains("\"mkdir\"") && generated.contains("\"rmdir\""));
    let merged = run(dir.path(), &["merge", one, other], 0).stdout;
    assert_eq!(merged, run(dir.path(), &["merge", other, one], 0).stdout);
    run(dir.path(), &["merge", one, other, "-o", "m.json"], 0);
    assert_eq!(run(dir.path(), &["generate", "m.json"], 0).stdout, generated);
    run(dir.path(), &["generate", "m.json", "db.recording.json"], 1).says(&["m.json", "`shop/db`"]);
}

#[test]
fn a_folder_in_is_a_folder_out_with_a_profile_for_each_target() {
    let dir = scratch();
    let recordings = dir.path().join("in");
    std::fs::create_dir(&recordings).unwrap();
    shop(&recordings);
    put(&recordings, "notes.json", &json!({"not": "a recording"}));
    run(dir.path(), &["generate", "in", "-o", "p.json"], 1).says(&["-o DIR/"]);
    run(dir.path(), &["generate", "--generalize", "exact", "in", "-o", "out/"], 0);
    let mut names: Vec<String> = std::fs::read_dir(dir.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".evidence.json"))
        .collect();
    names.sort();
    assert_eq!(names, ["blog-web.json", "db.json", "shop-web.json"]);
    for (file, own, others) in [
        ("out/shop-web.json", &["mkdir", "rmdir"][..], &["fsync", "flock"][..]),
        ("out/db.json", &["fsync"], &["mkdir", "rmdir", "flock"]),
        ("out/blog-web.json", &["flock"], &["mkdir", "rmdir", "fsync"]),
    ] {
        assert!(own.iter().all(|call| allows(dir.path(), file, call)), "{file}");
        assert!(!others.iter().any(|call| allows(dir.path(), file, call)), "{file}");
    }
    // A folder that is there is one without the slash too, and one target alone has a profile in it.
    run(dir.path(), &["generate", "in/db.recording.json", "-o", "out", "--no-evidence"], 0)
        .says(&["wrote out/db.json"]);
    run(dir.path(), &["generate", "in", "-o", "out", "--allow-mixed"], 2).says(&["--allow-mixed"]);
    run(dir.path(), &["merge", "in"], 1).says(&["different targets"]);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    run(dir.path(), &["generate", "empty", "-o", "out"], 3).says(&["no recording", "empty"]);
}

/// Nothing is written if one of the profiles cannot be made.
#[test]
fn all_profiles_of_a_folder_are_made_or_none() {
    let dir = scratch();
    shop(dir.path());
    let mut lossy = service("shop", "cron", "cron:1", 9, ("sync", 162));
    lossy["complete"] = json!(false);
    lossy["losses"]["tasks"] = json!(2);
    put(dir.path(), "cron.recording.json", &lossy);
    run(dir.path(), &["generate", ".", "-o", "out/"], 4).says(&["cron.recording.json"]);
    assert!(!dir.path().join("out").exists());
}

/// The tests of one workload may be run by several commands, which is said.
#[test]
fn commands_are_one_target_unless_they_have_names_of_their_own() {
    let dir = scratch();
    put(dir.path(), "a.json", &recording("pytest", 1, &[("read", 0)]));
    put(dir.path(), "b.json", &recording("cargo", 2, &[("write", 1)]));
    for command in ["generate", "merge"] {
        run(dir.path(), &[command, "a.json", "b.json"], 0)
            .says(&["tests of one workload: cargo, pytest", "record --name"]);
        let alone = run(dir.path(), &[command, "a.json", "a.json"], 0).stderr;
        assert!(!alone.contains("one workload"), "{alone}");
    }
    let mut named = recording("pytest", 3, &[("read", 0)]);
    named["target"]["name"] = json!("api");
    put(dir.path(), "api.json", &named);
    for command in ["generate", "merge"] {
        run(dir.path(), &[command, "a.json", "api.json"], 1).says(&["commands", "command `api`"]);
    }
    shop(dir.path());
    run(dir.path(), &["generate", "a.json", "db.recording.json"], 1)
        .says(&["commands", "`shop/db`"]);
    run(dir.path(), &["diff", "api.json", "db.recording.json", "--fail-on", "never"], 0).says(&[
        "different targets",
        "command `api`",
        "`shop/db`",
    ]);
}

#[test]
fn a_choice_that_is_none_is_refused_before_anything_runs() {
    let dir = scratch();
    for only in ["shop//web", "shop/", "a/b/c/d"] {
        let args = ["record", "--containers", "--only", only, "--", "/bin/true"];
        run(dir.path(), &args, 2).says(&["NAMESPACE/POD/CONTAINER"]);
    }
    for name in ["", "a/b", ".hidden", "-x", "a b"] {
        let name = format!("--name={name}");
        run(dir.path(), &["record", &name, "--", "/bin/true"], 2).says(&["--name"]);
    }
    run(dir.path(), &["record", "--containers", "--name", "web", "--", "/bin/true"], 2)
        .says(&["--name"]);
    run(dir.path(), &["record", "--containers", "-o", "-", "--", "/bin/true"], 2).says(&["-o DIR"]);
    assert!(!dir.path().join("-").exists());
}

/// All of them are what is recorded where there is no command, and a choice is made among all.
#[test]
fn all_containers_are_asked_for_where_that_makes_a_difference() {
    let dir = scratch();
    for (args, said) in [
        (&["record", "--all", "--", "/bin/true"] as &[&str], "--containers"),
        (&["record", "--containers", "--all"], "COMMAND"),
        (&["record", "--containers", "--all", "--only", "web", "--", "/bin/true"], "--only"),
        (&["verify", "p.json", "--all", "--", "/bin/true"], "--containers"),
        (&["verify", "p.json", "--containers", "--all", "--only", "web", "--", "true"], "--only"),
    ] {
        run(dir.path(), args, 2).says(&["--all", said]);
    }
}
