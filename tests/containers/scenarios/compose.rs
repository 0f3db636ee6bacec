//! docker compose: files are named after services, and each replica has one.

use std::process::Command;

use crate::support::recorder::strait_with_engines;
use crate::support::{Recordings, image, lab};

pub fn files_are_named_after_services() {
    let project = lab().scratch();
    let directory = lab().scratch();
    let marker = |call: libc::c_long, count: u32| format!("['/bin/marker', '{call}', '{count}']");
    let service = |name: &str, command: &str, more: &str| {
        format!(
            "  {name}:\n    image: {}\n    network_mode: host\n    command: {command}\n{more}",
            image::SMALL
        )
    };
    let text = format!(
        "version: '2.4'\nservices:\n{}{}",
        service("shopfront", &marker(libc::SYS_getpgid, 3), "    scale: 2\n"),
        service("shoptests", &marker(libc::SYS_getpriority, 4), ""),
    );
    let file = project.path().join("docker-compose.yml");
    std::fs::write(&file, text).expect("ours");
    let compose = |words: &[&str]| {
        let mut all = vec!["docker-compose", "--no-ansi", "--project-name", "shop", "--file"];
        all.push(file.to_str().expect("UTF-8"));
        all.extend(words);
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // Debian's client asks for a home.
    strait_with_engines()
        .env("HOME", project.path().as_os_str())
        .args(["record", "--containers", "-o"])
        .arg(directory.path())
        .arg("--")
        .args(compose(&["up"]))
        .run();
    let recordings = Recordings::read(directory);
    let expected = ["shopfront-2", "shopfront", "shoptests"];
    assert_eq!(recordings.names(), expected.map(|name| format!("{name}.recording.json")));
    for recording in &recordings.all {
        recording.assert_complete();
        let known = recording.of_container();
        assert_eq!(known["origin"], "engine", "and so no other test's are here");
        assert_eq!(known["labels"]["com.docker.compose.project"], "shop");
        let is_front = known["labels"]["com.docker.compose.service"] == "shopfront";
        let (call, count) = if is_front { ("getpgid", 3) } else { ("getpriority", 4) };
        assert_eq!(recording.calls().get(call), Some(&count), "{}", recording.file_name());
    }
    let replicas = &recordings.all[..2];
    assert_ne!(replicas[0].of_container()["id"], replicas[1].of_container()["id"]);

    let mut words = compose(&["down"]).into_iter();
    let mut down = Command::new(words.next().expect("a program"));
    down.args(words).envs(crate::support::engine::environment(lab().directory()));
    crate::support::output(down.env("HOME", project.path()));
}
