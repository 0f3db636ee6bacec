//! Which recordings the gate takes, and what text of others it passes on.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::ci_support::{
    ROOT, Repository, calls, fails, gate, git, path_with_commands, put_command, said, succeeds,
};
use crate::support::run::STRAIT;
use crate::support::{kernel, scratch, scrub};

#[test]
fn recordings_that_are_committed_are_not_taken() {
    let mut repository = Repository::new("app.json");
    repository.begin_pull_request();
    // Forged as well as can be: with the id of the run, which is not known before it.
    git(&repository.path(), &["add", "--force", ".strait/recordings"]);
    repository.commit();
    fails(&repository.compare(), 1, &["recordings are committed in .strait/recordings"]);
    let record = repository.gate(1, &["record", "--", "/bin/true"]);
    fails(&record, 1, &["recordings are committed in .strait/recordings"]);
    // Who names them means them.
    let recording = ".strait/recordings/tests/tests.recording.json";
    let output = repository.gate(1, &["compare", recording]);
    succeeds(&output);
    assert!(repository.report().contains("Recordings: 1, named by the job"));
}

#[test]
fn recordings_of_another_run_are_not_taken() {
    let mut repository = Repository::new("app.json");
    repository.set("STRAIT_RUN", "");
    repository.set("GITHUB_RUN_ID", "8");
    fails(&repository.compare(), 1, &["recorded in another run (run 7; this is 8)"]);
    // The next one to record removes them.
    repository.set("STRAIT_SHARD", "b");
    repository.record(1);
    assert!(!repository.work("recordings/tests").exists());
    succeeds(&repository.compare());
    // Without a CI, the commit tells runs apart.
    repository.set("GITHUB_RUN_ID", "");
    fails(&repository.compare(), 1, &["recorded in another run"]);
    repository.record(1);
    succeeds(&repository.compare());
    repository.commit();
    fails(&repository.compare(), 1, &["recorded in another run"]);
}

#[test]
fn what_was_put_beside_the_recordings_is_not_taken() {
    let repository = Repository::new("app.json");
    let recording = repository.work("recordings/tests/tests.recording.json");
    let other = repository.path().join("other.recording.json");
    std::fs::copy(&recording, &other).unwrap();
    let loose = repository.work("recordings/a.recording.json");
    std::fs::copy(&recording, &loose).unwrap();
    fails(&repository.compare(), 1, &["a.recording.json was not made by gate.sh record"]);
    std::fs::remove_file(&loose).unwrap();

    let link = repository.work("recordings/linked");
    symlink("tests", &link).unwrap();
    fails(&repository.compare(), 1, &["recordings/linked was not made by gate.sh record"]);
    std::fs::remove_file(&link).unwrap();
    std::fs::remove_file(&recording).unwrap();
    symlink(&other, &recording).unwrap();
    fails(&repository.compare(), 1, &["tests.recording.json is not a regular file"]);
    // Recorded again, it is this run's.
    repository.record(1);
    succeeds(&repository.compare());
    assert!(repository.report().contains("Recordings: 1, of this run"), "{}", repository.report());
}

#[test]
fn links_for_the_folders_are_not_followed() {
    let mut repository = Repository::new("app.json");
    for link in [".strait/recordings", ".strait"] {
        std::fs::rename(repository.path().join(link), repository.path().join("elsewhere")).unwrap();
        symlink(repository.path().join("elsewhere"), repository.path().join(link)).unwrap();
        for arguments in [&["compare"][..], &["record", "--", "/bin/true"]] {
            fails(&repository.gate(1, arguments), 1, &[link, "is a symbolic link"]);
        }
        std::fs::remove_file(repository.path().join(link)).unwrap();
        std::fs::rename(repository.path().join("elsewhere"), repository.path().join(link)).unwrap();
    }
    // One below that is committed is not written through.
    let precious = repository.path().join("precious");
    std::fs::write(&precious, "as it was").unwrap();
    symlink(&precious, repository.work("diff.markdown.x")).unwrap();
    git(&repository.path(), &["add", "--force", ".strait/diff.markdown.x"]);
    fails(&repository.compare(), 1, &["a link or a submodule is committed in .strait"]);
    git(&repository.path(), &["rm", "--quiet", "--cached", ".strait/diff.markdown.x"]);
    repository.set("GITHUB_STEP_SUMMARY", "summary");
    let _ = std::fs::remove_file(repository.work("diff.markdown"));
    symlink(&precious, repository.work("diff.markdown")).unwrap();
    succeeds(&repository.compare());
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "as it was");
}

#[test]
fn a_shard_has_a_name_that_is_one() {
    kernel::require_root();
    let dir = scratch();
    for name in ["../x", ".", "..", "-x", "a/b"] {
        let environment = [("STRAIT_SHARD", name)];
        let output = gate(dir.path(), 1, &environment, &["record", "--", "/bin/true"]);
        fails(&output, 1, &["STRAIT_SHARD cannot be used as a name"]);
    }
}

/// Text of the kinds that GitHub's runner and Azure's agent take for a command.
const COMMANDS: [&str; 4] = [
    "x\n::set-output name=verdict::equal",
    "x\r\n::error::no",
    "###[add-mask]x",
    "##VSO[task.setvariable variable=a]b",
];

/// Whether a CI would obey a line of this.
fn obeyed(text: &str) -> bool {
    text.split(['\n', '\r']).any(|line| {
        let lower = line.to_lowercase();
        line.trim_start().starts_with("::") || lower.contains("##[") || lower.contains("##vso[")
    })
}

#[test]
fn names_do_not_speak_to_the_ci() {
    assert!(COMMANDS.iter().all(|text| obeyed(text)));
    let mut repository = Repository::new("app.json");
    let hostile = |repository: &Repository, name: &str| repository.work("recordings").join(name);
    for name in COMMANDS {
        std::fs::create_dir(hostile(&repository, name)).unwrap();
        let output = repository.compare();
        fails(&output, 1, &["was not made by gate.sh record"]);
        assert!(!obeyed(&said(&output)), "{}", said(&output));
        // The id that it says it has is printed too.
        std::fs::write(hostile(&repository, name).join("run"), name).unwrap();
        let output = repository.compare();
        fails(&output, 1, &["recorded in another run"]);
        assert!(!obeyed(&said(&output)), "{}", said(&output));
        std::fs::remove_dir_all(hostile(&repository, name)).unwrap();
    }
    for name in COMMANDS {
        repository.set("GITHUB_OUTPUT", "output");
        for variable in ["STRAIT_BASE", "STRAIT_ALLOW_FILE", "STRAIT_COMMIT", "STRAIT_PROFILE"] {
            let before = repository.environment.len();
            repository.set(variable, name);
            let output = said(&repository.compare());
            let broken =
                name.contains('\n') && ["STRAIT_ALLOW_FILE", "STRAIT_PROFILE"].contains(&variable);
            assert_eq!(output.contains("a control character or a line break"), broken, "{output}");
            // What strait prints of these names is tested with its output.
            let own = output.lines().filter(|line| !line.starts_with("strait: "));
            assert!(!obeyed(&own.collect::<Vec<_>>().join("\n")), "{variable}: {output}");
            repository.environment.truncate(before);
        }
    }
    let output = std::fs::read_to_string(repository.path().join("output")).unwrap();
    let names: Vec<&str> = output.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert!(names.iter().all(|name| ["base", "verdict", "committed"].contains(name)), "{output}");
    assert!(!obeyed(&output), "{output}");
}

/// What strait or git print is not taken for commands either: GitHub stops to look for them.
#[test]
fn on_github_no_line_of_a_comparison_is_a_command() {
    let mut repository = Repository::new("app.json");
    repository.set("GITHUB_ACTIONS", "true");
    for status in [0, 1] {
        let output = repository.compare();
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert_eq!(output.stderr, b"", "two streams would overtake each other");
        let text = said(&output);
        let token = text.lines().next().unwrap().strip_prefix("::stop-commands::").unwrap();
        assert_eq!(token.len(), 32, "{token}");
        assert_eq!(text.lines().last().unwrap(), format!("::{token}::"));
        assert_eq!(text.matches(token).count(), 2);
        let _ = std::fs::remove_dir_all(repository.work("recordings"));
    }
}

#[test]
fn what_explained_a_widening_is_not_replaced() {
    kernel::require("jq", "jq");
    let mut repository = Repository::new("app.json");
    let dir = repository.path();
    // GitHub as the gate sees it: comments of its own, and one of another author that begins like them.
    put_command(
        &dir,
        "gh",
        r#"for last; do :; done
        url=https://github.example/shop/web/pull/7
        case "$1 $2" in
            'pr view') jq -r -s "{comments: .} | $last" comments ;;
            'pr comment')
                jq -R -s --arg url "$url#issuecomment-$(wc -l <comments)" \
                    '{url: $url, body: ., viewerDidAuthor: true}' "$last" | jq -c . >>comments
                jq -c '.viewerDidAuthor = false | .body |= sub("[0-9a-f-]+ -->"; "0 -->")' comments |
                    tail -n 1 >>comments ;;
        esac"#,
    );
    std::fs::write(dir.join("comments"), "").unwrap();
    repository.set("PATH", &path_with_commands(&dir));
    repository.set("STRAIT_PULL_REQUEST", "https://github.example/shop/web/pull/7");
    let posted = || calls(&dir).matches("gh pr comment").count();
    let edited = || calls(&dir).matches("gh api").count();
    repository.begin_pull_request();
    repository.record(2);
    for (release, status, comments, edits) in
        [(2, 10, 1, 0), (2, 10, 1, 1), (1, 0, 2, 1), (1, 0, 2, 2), (2, 10, 3, 2)]
    {
        repository.record(release);
        fails(&repository.compare(), status, &[]);
        succeeds(&repository.gate(release, &["comment"]));
        assert_eq!((posted(), edited()), (comments, edits), "{}", calls(&dir));
    }
    let comment = std::fs::read_to_string(repository.work("comment.markdown")).unwrap();
    assert!(comment.starts_with("<!-- strait gate: app.json "), "{comment}");
    assert!(comment.contains("profile: widened") && comment.contains("main@"), "{comment}");
}

#[test]
fn a_comment_that_is_too_long_is_shortened() {
    let dir = scratch();
    let dir = dir.path();
    std::fs::create_dir(dir.join(".strait")).unwrap();
    let list = format!("<details><summary>x</summary>\n{}\n</details>\n", "- y\n".repeat(20_000));
    let text = format!("### Seccomp profile: widened\n{list}\nCommit `a`\n");
    std::fs::write(dir.join(".strait/diff.markdown"), text).unwrap();
    std::fs::write(dir.join(".strait/diff.key"), "k\n").unwrap();
    put_command(dir, "gh", "");
    let path = path_with_commands(dir);
    let environment = [("PATH", path.as_str()), ("STRAIT_PULL_REQUEST", "https://x/y/pull/1")];
    succeeds(&gate(dir, 1, &environment, &["comment"]));
    let comment = std::fs::read_to_string(dir.join(".strait/comment.markdown")).unwrap();
    assert!(comment.len() < 1000, "{}", comment.len());
    for part in ["profile: widened", "Commit `a`", "see `.strait/diff.markdown`"] {
        assert!(comment.contains(part), "{comment}");
    }
}

/// The action's input is paths and patterns, which cannot become options or other words.
#[test]
fn the_action_passes_names_of_recordings_as_they_are() {
    let repository = Repository::new("app.json");
    let recording = repository.work("recordings/tests/tests.recording.json");
    let compare = |recordings: &str| {
        let action = std::fs::read_to_string(format!("{ROOT}/action.yml")).unwrap();
        let action: serde_json::Value = serde_norway::from_str(&action).unwrap();
        let steps = action["runs"]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == "Compare").unwrap();
        let mut command = Command::new("bash");
        scrub(&mut command, &repository.path());
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()])
            .env("GITHUB_ACTION_PATH", ROOT)
            .env("STRAIT", STRAIT)
            .env("RECORDINGS", recordings)
            .envs(repository.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    };
    let names = ["--output=x.recording.json", "$(touch y).recording.json", "a b.recording.json"];
    for name in names {
        std::fs::copy(&recording, repository.path().join(name)).unwrap();
    }
    for (recordings, count) in [("", "1, of this run"), ("*.recording.json", "3, named by the job")]
    {
        succeeds(&compare(recordings));
        assert!(repository.report().contains(count), "{}", repository.report());
    }
    succeeds(&compare(&names[1..].join("\n")));
    assert!(repository.report().contains("Recordings: 2"), "{}", repository.report());
    fails(&compare("none*"), 1, &["none*"]);
    for name in ["x", "x.recording.json", "y"] {
        assert!(!repository.path().join(name).exists(), "{name}");
    }
}

/// As in a container of Alpine, whose shell and tools are busybox.
#[test]
fn the_gate_runs_in_busybox_too() {
    kernel::require("busybox", "busybox-static");
    let repository = Repository::new("app.json");
    let gate = |arguments: &[&str]| {
        let mut command = Command::new("busybox");
        scrub(&mut command, &repository.path());
        command
            .args(["sh", &format!("{ROOT}/ci/gate.sh")])
            .args(arguments)
            .env("STRAIT", STRAIT)
            .env("STRAIT_BASE", "main")
            .envs(repository.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    };
    succeeds(&gate(&["record", "--", "/bin/true"]));
    let run = std::fs::read_to_string(repository.work("recordings/tests/run")).unwrap();
    assert_eq!(run, "run 7\n");
    succeeds(&gate(&["compare"]));
    assert!(repository.report().contains("app.json of the base main@"), "{}", repository.report());
    fails(
        &gate(&["compare", "x\n::error::y"]),
        1,
        &["gate: Recordings: 1, named by the job: x?::error::y"],
    );
}

#[test]
fn the_options_of_generate_are_arguments_and_not_patterns() {
    let mut repository = Repository::new("app.json");
    std::fs::write(repository.path().join("--output=x"), "").unwrap();
    repository.set("STRAIT_GENERATE", "--*");
    fails(&repository.compare(), 2, &["--*"]);
}
