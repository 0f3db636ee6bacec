//! The script for CI, from a test job to the gate, over three releases of a small service.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::ci_support::{ROOT, calls, gate, path_with_commands, put_command, read, succeeds};
use crate::support::{kernel, scratch};

/// Records the tests of a release in two shards, and compares.
fn job(dir: &Path, release: u32) -> Output {
    let _ = std::fs::remove_dir_all(dir.join(".strait"));
    let tests = format!("{ROOT}/tests/fixtures/ci/run-tests.sh");
    for shard in ["1", "2"] {
        let environment = [("STRAIT_SHARD", shard)];
        succeeds(&gate(dir, release, &environment, &["record", "--", &tests, shard]));
    }
    gate(dir, release, &[("GITHUB_OUTPUT", "output")], &["compare"])
}

/// The first one of a repository: nothing is committed yet, so there is nothing that could have passed.
fn first_job(dir: &Path) {
    let output = job(dir, 1);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("commit it as app.json"), "{said}");
}

fn accept(dir: &Path) {
    for file in ["app.json", "app.evidence.json"] {
        std::fs::copy(dir.join(".strait").join(file), dir.join(file)).unwrap();
    }
}

/// The same rules in other words: every name in an entry of its own, backwards.
fn rewritten(profile: &Value) -> Value {
    let mut rewritten = profile.clone();
    let entries = profile["syscalls"].as_array().unwrap().iter().rev().flat_map(|entry| {
        entry["names"].as_array().unwrap().iter().rev().map(|name| {
            let mut single = entry.clone();
            single["names"] = json!([name]);
            single
        })
    });
    rewritten["syscalls"] = entries.collect();
    rewritten
}

#[test]
fn three_releases_of_a_service_pass_the_gate_or_not() {
    kernel::require_root();
    let dir = scratch();
    let dir = dir.path();

    first_job(dir);
    assert!(std::fs::read_to_string(dir.join("output")).unwrap().contains("verdict=new"));
    accept(dir);

    // The same release again is equal, and so is another spelling of the profile.
    succeeds(&job(dir, 1));
    assert_eq!(read(&dir.join(".strait/diff.json"))["verdict"], "equal");
    let other = rewritten(&read(&dir.join("app.json")));
    std::fs::write(dir.join("app.json"), serde_json::to_string(&other).unwrap()).unwrap();
    succeeds(&gate(dir, 1, &[], &["compare"]));
    assert_eq!(read(&dir.join(".strait/diff.json"))["verdict"], "equal");

    // Release 2 lets others go first when it writes.
    let output = job(dir, 2);
    assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
    let report = read(&dir.join(".strait/diff.json"));
    assert_eq!(report["verdict"], "widened", "{report:#}");
    assert_eq!(report["counts"]["widened"], 1, "{report:#}");
    let change = &report["changes"][0];
    assert_eq!(change["syscall"], "sched_setscheduler");
    assert_eq!(change["evidence"]["first"]["sample"], "test_upload");
    let programs = change["evidence"]["programs"].as_object().unwrap();
    assert!(programs.keys().all(|path| path.contains("python3")), "{programs:?}");
    let comment = std::fs::read_to_string(dir.join(".strait/diff.markdown")).unwrap();
    assert!(
        comment.contains("`sched_setscheduler`") && comment.contains("test_upload"),
        "{comment}"
    );
    assert!(comment.contains("This fails"), "{comment}");
    accept(dir);

    // Release 3 makes no files in memory any more.
    succeeds(&job(dir, 3));
    let report = read(&dir.join(".strait/diff.json"));
    assert_eq!(report["verdict"], "narrowed", "{report:#}");
    let lost: Vec<_> = report["changes"].as_array().unwrap().iter().collect();
    assert!(lost.iter().any(|change| change["syscall"] == "memfd_create"), "{report:#}");
}

#[test]
fn a_reviewed_change_passes() {
    kernel::require_root();
    let dir = scratch();
    let dir = dir.path();
    first_job(dir);
    accept(dir);
    assert_eq!(job(dir, 2).status.code(), Some(10));
    let exceptions = json!({"schema": "strait.allow/v1", "exceptions": [
        {"call": "sched_setscheduler(_, SCHED_BATCH)", "reason": "uploads wait for others"},
    ]});
    std::fs::write(dir.join("reviewed.json"), exceptions.to_string()).unwrap();
    let environment = [("STRAIT_ALLOW_FILE", "reviewed.json")];
    // That name is in no table of Strait, so the exception has to say it otherwise.
    assert_eq!(gate(dir, 2, &environment, &["compare"]).status.code(), Some(1));
    let exceptions = exceptions.to_string().replace("(_, SCHED_BATCH)", "");
    std::fs::write(dir.join("reviewed.json"), exceptions).unwrap();
    succeeds(&gate(dir, 2, &environment, &["compare"]));
}

#[test]
fn what_fails_on_the_way_fails_the_job() {
    kernel::require_root();
    let dir = scratch();
    let dir = dir.path();
    assert_eq!(gate(dir, 1, &[], &["compare"]).status.code(), Some(1), "no recording");
    assert_eq!(gate(dir, 1, &[], &["frobnicate"]).status.code(), Some(2));
    assert_eq!(gate(dir, 1, &[], &["run", "--", "/bin/sh", "-c", "exit 7"]).status.code(), Some(7));
    first_job(dir);
    std::fs::write(dir.join("app.json"), "{ \"defaultAction\"").unwrap();
    let output = gate(dir, 1, &[], &["compare"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("app.json"));
}

/// As on a runner whose jobs are not root: sudo has a PATH of its own, where the job's tools are not.
#[test]
fn tests_that_are_recorded_through_sudo_find_their_tools() {
    kernel::require_root();
    let dir = scratch();
    let dir = dir.path();
    put_command(dir, "id", "if [ $1 = -u ]; then echo 1000; else echo root; fi");
    put_command(dir, "sudo", "shift; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; exec \"$@\"");
    put_command(dir, "my-tool", "");
    let path = path_with_commands(dir);
    succeeds(&gate(dir, 1, &[("PATH", &path)], &["record", "--", "my-tool", "runs"]));
    assert!(calls(dir).contains("my-tool runs"), "{}", calls(dir));
}

#[test]
fn a_profile_is_not_compared_with_itself_nor_an_old_report_taken_for_a_new_one() {
    kernel::require_root();
    let dir = scratch();
    let dir = dir.path();
    first_job(dir);
    std::fs::write(dir.join(".strait/diff.markdown"), "of another run").unwrap();
    assert_eq!(gate(dir, 1, &[], &["compare"]).status.code(), Some(1));
    let report = std::fs::read_to_string(dir.join(".strait/diff.markdown")).unwrap();
    assert!(report.starts_with("### Seccomp profile: new"), "{report}");
    // Who only wants to see is not stopped.
    succeeds(&gate(dir, 1, &[("STRAIT_FAIL_ON", "never")], &["compare"]));
    accept(dir);
    let recording = ".strait/recordings/1/1.recording.json";
    let profile = std::fs::read(dir.join("app.json")).unwrap();
    for work in [".", "./.strait/.."] {
        let output = gate(dir, 1, &[("STRAIT_WORK", work)], &["compare", recording]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("with itself"));
    }
    assert_eq!(std::fs::read(dir.join("app.json")).unwrap(), profile);
}

#[test]
fn a_comment_is_posted_or_the_last_one_edited() {
    let dir = scratch();
    let dir = dir.path();
    std::fs::create_dir(dir.join(".strait")).unwrap();
    std::fs::write(dir.join(".strait/diff.markdown"), "### Seccomp profile: equal\n").unwrap();
    std::fs::write(dir.join(".strait/diff.key"), "12ab\n").unwrap();
    let pull = "https://github.example/shop/web/pull/7";
    put_command(dir, "gh", "[ \"$1\" = api ] || cat found 2>/dev/null; exit 0");
    let path = path_with_commands(dir);
    let environment = [("PATH", path.as_str()), ("STRAIT_PULL_REQUEST", pull)];
    succeeds(&gate(dir, 1, &environment, &["comment"]));
    assert!(calls(dir).contains(&format!("gh pr comment {pull} --body-file")), "{}", calls(dir));
    let comment = std::fs::read_to_string(dir.join(".strait/comment.markdown")).unwrap();
    assert_eq!(comment, "<!-- strait gate: app.json 12ab -->\n\n### Seccomp profile: equal\n");
    std::fs::write(dir.join("found"), format!("{pull}#issuecomment-123\n")).unwrap();
    succeeds(&gate(dir, 1, &environment, &["comment"]));
    let edited = "--hostname github.example repos/shop/web/issues/comments/123 -F body=@";
    assert!(calls(dir).contains(edited), "{}", calls(dir));
    assert_eq!(calls(dir).matches("pr comment").count(), 1);
}

#[test]
fn a_merge_request_is_found_from_its_own_pipeline_and_from_its_branch() {
    let dir = scratch();
    let dir = dir.path();
    std::fs::create_dir(dir.join(".strait")).unwrap();
    std::fs::write(dir.join(".strait/diff.markdown"), "text").unwrap();
    put_command(dir, "curl", "");
    let path = path_with_commands(dir);
    let job = [
        ("PATH", path.as_str()),
        ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
        ("CI_PROJECT_ID", "5"),
        ("STRAIT_GITLAB_TOKEN", "secret"),
    ];
    let ask = |more: &[(&str, &str)]| {
        succeeds(&gate(dir, 1, &[&job, more].concat(), &["comment"]));
        calls(dir).lines().last().unwrap().to_owned()
    };
    let own = ask(&[("CI_MERGE_REQUEST_IID", "7"), ("CI_MERGE_REQUEST_PROJECT_ID", "4")]);
    assert!(
        own.ends_with("https://gitlab.example/api/v4/projects/4/merge_requests/7/notes"),
        "{own}"
    );
    let branch = ask(&[("CI_OPEN_MERGE_REQUESTS", "shop/web!8,fork/web!1")]);
    assert!(branch.ends_with("/projects/shop%2Fweb/merge_requests/8/notes"), "{branch}");
    assert!(!calls(dir).contains("secret"), "others can read command lines");
}
