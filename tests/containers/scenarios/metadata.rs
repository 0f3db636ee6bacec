//! A recording says which container it is of, and only chosen containers are recorded.

use crate::support::recorder::strait_with_engines;
use crate::support::{Engine, Recorder, image, lab};

pub fn is_known(engine: &Engine) {
    let name = format!("{}-known", engine.name());
    let recorder = Recorder::start();
    let (container, _) = engine
        .container(&name)
        .option(&["--label", "com.example.purpose=test"])
        .no_new_privs()
        .option(&["--cap-drop", "ALL", "--cap-add", "CHOWN"])
        .run(image::SMALL, &["/bin/static"]);
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    let known = recording.of_container();
    assert_eq!(known["id"], container.id.as_str());
    assert_eq!(known["engine"], engine.name());
    assert_eq!(known["name"], name.as_str());
    assert_eq!(known["runtime"], "runc");
    assert_eq!(known["no_new_privs"], true);
    assert_eq!(known["filtered"], true);
    assert_eq!(known["bounding_set"], "0000000000000001");
    assert_eq!(known["labels"]["com.example.purpose"], "test");
    let image = known["image"].as_str().unwrap_or_default();
    assert!(image.contains(image::SMALL), "{image}");
    let file = recording.path.file_name().unwrap_or_default();
    assert_eq!(file.to_string_lossy(), format!("{name}.recording.json"));
}

pub fn without_a_filter() {
    let recorder = Recorder::start();
    let (container, _) = Engine::docker()
        .container("docker-unconfined")
        .option(&["--security-opt", "seccomp=unconfined"])
        .run(image::SMALL, &["/bin/static"]);
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    assert_eq!(recording.start(), "exec");
    assert_eq!(recording.of_container()["filtered"], false);
    let calls = recording.calls();
    assert!(calls.contains_key("getppid") && calls.contains_key("exit_group"), "{calls:?}");
    // What runc needs to make a container is not what the container needs.
    for early in ["mount", "pivot_root", "unshare", "setns"] {
        assert!(!calls.contains_key(early), "{early}");
    }
}

pub fn only_chosen() {
    let recorders = [
        Recorder::start_with(&["--only", "docker-chosen"]),
        Recorder::start_with(&["--only", "label=com.example.chosen=yes"]),
        Recorder::start_with(&["--only", &format!("image={}", image::SMALL)]),
    ];
    let run = |name: &str, options: &[&str], image: &str| {
        Engine::docker().container(name).option(options).run(image, &["/bin/true"])
    };
    let small = |name: &str, options: &[&str]| {
        Engine::docker().container(name).option(options).run(image::SMALL, &["/bin/static"]).0
    };
    let chosen = small("docker-chosen", &["--label", "com.example.chosen=yes"]);
    let other = small("docker-other", &["--label", "com.example.chosen=no"]);
    let (debian, _) = run("docker-debian", &[], image::DEBIAN);
    let [by_name, by_label, by_image] = recorders.map(Recorder::finish);
    assert_eq!(by_name.names(), ["docker-chosen.recording.json"]);
    assert_eq!(by_label.names(), ["docker-chosen.recording.json"]);
    // Other tests run at the same time.
    by_image.life(&chosen);
    by_image.life(&other);
    by_image.lives(&debian, 0);
}

/// The exit status says that nothing of what was asked for is there, and what there was is listed.
pub fn only_none() {
    let directory = lab().scratch();
    let script =
        format!("docker run --rm --network host --name only-this {} /bin/static", image::SMALL);
    let run = strait_with_engines()
        .args(["record", "--containers", "--only", "no-such-container", "-o"])
        .arg(directory.path())
        .args(["--", "sh", "-c", &script]);
    run.expect_exit(3).run().says(&["--only no-such-container matches none", "`only-this`"]);
}

/// A service of this name runs in two projects: neither is meant.
pub fn a_name_in_two_projects_is_ambiguous() {
    let recorders = ["ambiguous", "first/ambiguous", "second/ambiguous"]
        .map(|only| Recorder::start_with(&["--only", only]));
    let run = |project: &str| {
        let labels = [
            format!("com.docker.compose.project={project}"),
            "com.docker.compose.service=ambiguous".to_owned(),
        ];
        let options = ["--label", &labels[0], "--label", &labels[1]];
        let name = format!("{project}-ambiguous-1");
        Engine::docker().container(&name).option(&options).run(image::SMALL, &["/bin/static"]).0
    };
    let (first, second) = (run("first"), run("second"));
    let [by_name, of_first, of_second] = recorders;
    let (status, stderr, folder) = by_name.close();
    assert_eq!(status, 2, "{stderr}");
    for part in ["--only ambiguous is ambiguous", "first/ambiguous", "second/ambiguous"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let (of_first, of_second) = (of_first.finish(), of_second.finish());
    of_first.life(&first);
    of_first.lives(&second, 0);
    of_second.life(&second);
    // Nothing is lost: they are a file each.
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "{stderr}");
}
