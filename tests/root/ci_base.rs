//! What the gate compares a pull request with: the profile and the exceptions of its base, which its author
//! cannot write.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::ci_support::{Repository, fails, gate, git, read, said, succeeds};
use crate::support::scratch;

#[test]
fn who_widens_the_program_and_the_profile_does_not_pass() {
    let mut repository = Repository::new("app.json");
    let base = git(&repository.path(), &["rev-parse", "main"]);
    repository.begin_pull_request();
    repository.record(2);
    fails(&repository.compare(), 10, &["sched_setscheduler", &format!("main@{base}")]);
    repository.accept();
    let commit = repository.commit();
    repository.set("GITHUB_OUTPUT", "output");
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    let report = repository.report();
    assert!(report.contains(&format!("`app.json of the base main@{base}`")), "{report}");
    assert!(report.contains(&format!("Commit `{commit}`")), "{report}");
    assert!(report.contains("`sched_setscheduler`") && report.contains("This fails"), "{report}");
    assert!(report.contains("committed here changes in the same way"), "{report}");
    let output = std::fs::read_to_string(repository.path().join("output")).unwrap();
    assert_eq!(output, format!("base={base}\nverdict=widened\ncommitted=widened\n"));
    assert_eq!(read(&repository.work("diff.json"))["verdict"], "widened");
}

#[test]
fn who_widens_the_profile_alone_does_not_pass() {
    let mut repository = Repository::new("app.json");
    repository.record(2);
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    repository.begin_pull_request();
    repository.accept();
    repository.commit();
    repository.record(1);
    fails(&repository.compare(), 10, &["differs from that of the base"]);
    let report = repository.report();
    assert!(report.starts_with("### Seccomp profile: equal"), "{report}");
    let (_, committed) =
        report.split_once("### The profile that is committed here: widened").unwrap();
    assert!(
        committed.contains("`sched_setscheduler`") && committed.contains("This fails"),
        "{report}"
    );
    // To see it is enough for who asks for that.
    repository.set("STRAIT_FAIL_ON", "never");
    succeeds(&repository.compare());
}

#[test]
fn who_removes_the_profile_does_not_pass() {
    let mut repository = Repository::new("app.json");
    repository.begin_pull_request();
    std::fs::remove_file(repository.profile()).unwrap();
    repository.commit();
    fails(&repository.compare(), 10, &["app.json is removed"]);
    assert!(repository.report().contains("This removes `app.json`"));
}

#[test]
fn a_request_cannot_excuse_itself() {
    let mut repository = Repository::new("app.json");
    repository.set("STRAIT_ALLOW_FILE", "reviewed.json");
    let exceptions = json!({"schema": "strait.allow/v1", "exceptions": [
        {"call": "sched_setscheduler", "reason": "uploads wait for others"},
    ]});
    let write = |repository: &Repository| {
        let path = repository.path().join("reviewed.json");
        std::fs::write(path, exceptions.to_string()).unwrap();
    };
    repository.begin_pull_request();
    repository.record(2);
    fails(
        &repository.compare(),
        1,
        &["there is no reviewed.json, neither in the base main nor here"],
    );
    write(&repository);
    repository.commit();
    fails(&repository.compare(), 10, &["are new, and count once the base has them"]);
    assert!(repository.report().contains("exceptions in `reviewed.json` are new"));

    // Reviewed and merged, alone, they count for the next request.
    git(&repository.path(), &["checkout", "--quiet", "main"]);
    write(&repository);
    repository.commit_and_push();
    git(&repository.path(), &["checkout", "--quiet", "change"]);
    succeeds(&repository.compare());
    assert!(repository.report().contains("(reviewed)"), "{}", repository.report());
    // And the profile may be committed then.
    repository.accept();
    repository.commit();
    succeeds(&repository.compare());
    // One that the request changes is that of the base all the same.
    std::fs::write(repository.path().join("reviewed.json"), "{}").unwrap();
    repository.commit();
    succeeds(&repository.compare());
    assert!(repository.report().contains("are changed; those of the base count"));
}

#[test]
fn the_base_is_fetched_or_the_gate_fails() {
    let mut repository = Repository::new("app.json");
    repository.begin_pull_request();
    // What others push is known although this checkout has not fetched it.
    let other = scratch();
    let origin = repository.origin();
    let origin = origin.to_str().unwrap();
    git(other.path(), &["clone", "--quiet", origin, "."]);
    git(other.path(), &["commit", "--quiet", "--allow-empty", "--message=Another change"]);
    git(other.path(), &["push", "--quiet"]);
    let pushed = git(other.path(), &["rev-parse", "HEAD"]);
    succeeds(&repository.compare());
    assert!(repository.report().contains(&format!("main@{pushed}")), "{}", repository.report());
    let shallow = git(&repository.path(), &["rev-parse", "--is-shallow-repository"]);
    assert_eq!(shallow, "false", "the history that was there is still there");

    repository.set("GITHUB_BASE_REF", "release-1");
    fails(&repository.compare(), 1, &["cannot fetch the base: origin has no branch release-1"]);
    assert!(!repository.work("diff.markdown").exists(), "nothing is said that was not compared");
    // The end of a name is no name.
    git(other.path(), &["push", "--quiet", "origin", "HEAD:refs/heads/x/refs/heads/release-1"]);
    fails(&repository.compare(), 1, &["origin has no branch release-1"]);
    // A branch of that name is not taken for the checkout or for a commit.
    for name in ["HEAD", "HEAD^", &pushed] {
        repository.set("GITHUB_BASE_REF", name);
        fails(&repository.compare(), 1, &["gate: "]);
    }
    repository.set("GITHUB_BASE_REF", "main");
    git(&repository.path(), &["remote", "set-url", "origin", "/no/such/repository"]);
    fails(
        &repository.compare(),
        1,
        &["cannot fetch the base main from origin", "/no/such/repository"],
    );
    repository.set("GITHUB_BASE_REF", "");
    fails(&repository.compare(), 1, &["its base is unknown: set STRAIT_BASE"]);
    repository.set("STRAIT_BASE", "HEAD");
    fails(&repository.compare(), 1, &["compares a pull request with itself"]);
}

#[test]
fn the_base_is_not_taken_from_a_fork_that_is_checked_out() {
    let mut repository = Repository::new("app.json");
    let base = git(&repository.path(), &["rev-parse", "main"]);
    repository.begin_pull_request();
    repository.record(2);
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    repository.accept();
    repository.commit();
    let fork = scratch();
    let origin = repository.origin();
    git(fork.path(), &["clone", "--quiet", "--bare", origin.to_str().unwrap(), "fork.git"]);
    let url = fork.path().join("fork.git");
    git(&repository.path(), &["remote", "set-url", "origin", url.to_str().unwrap()]);
    git(&repository.path(), &["push", "--quiet", "origin", "HEAD:main"]);
    let (server, name) = origin.to_str().unwrap().rsplit_once('/').unwrap();
    repository.set("GITHUB_SERVER_URL", &format!("file://{server}"));
    repository.set("GITHUB_REPOSITORY", name);
    fails(&repository.compare(), 10, &["sched_setscheduler", &format!("main@{base}")]);
}

#[test]
fn a_shallow_checkout_is_enough() {
    let mut repository = Repository::new("app.json");
    let base = git(&repository.path(), &["rev-parse", "main"]);
    repository.begin_pull_request();
    repository.commit();
    repository.commit_and_push();
    let shallow = scratch();
    let origin = format!("file://{}", repository.origin().display());
    git(shallow.path(), &["clone", "--quiet", "--depth=1", "--branch=change", &origin, "."]);
    git(&repository.path(), &["remote", "set-url", "origin", "/no/such/repository"]);
    let recording = repository.work("recordings/tests/tests.recording.json");
    let environment = [("GITHUB_BASE_REF", "main"), ("GITHUB_EVENT_NAME", "pull_request")];
    let arguments = ["compare", recording.to_str().unwrap()];
    succeeds(&gate(shallow.path(), 1, &environment, &arguments));
    let report = std::fs::read_to_string(shallow.path().join(".strait/diff.markdown")).unwrap();
    assert!(report.contains(&format!("main@{base}")), "{report}");
    // So is a commit that is named by its hash.
    let environment = [("STRAIT_BASE", base.as_str())];
    succeeds(&gate(shallow.path(), 1, &environment, &arguments));
    let environment = [("STRAIT_BASE", "HEAD^")];
    fails(&gate(shallow.path(), 1, &environment, &arguments), 1, &["fetch more of its history"]);
}

#[test]
fn a_link_in_the_request_does_not_lead_to_another_profile_of_the_base() {
    let mut repository = Repository::new("profiles/app.json");
    // The base has a wide profile too, which is for something else.
    let wide = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []});
    std::fs::create_dir(repository.path().join("wide")).unwrap();
    std::fs::write(repository.path().join("wide/app.json"), wide.to_string()).unwrap();
    repository.commit_and_push();
    repository.begin_pull_request();
    repository.record(2);
    std::fs::remove_dir_all(repository.path().join("profiles")).unwrap();
    symlink("wide", repository.path().join("profiles")).unwrap();
    repository.commit();
    fails(&repository.compare(), 10, &["sched_setscheduler", "profiles/app.json is removed"]);
    // As a file it is none either.
    std::fs::remove_file(repository.path().join("profiles")).unwrap();
    std::fs::create_dir(repository.path().join("profiles")).unwrap();
    symlink("../wide/app.json", repository.profile()).unwrap();
    repository.commit();
    fails(
        &repository.compare(),
        1,
        &["profiles/app.json is not a regular file in the commit HEAD"],
    );
}

#[test]
fn without_a_request_it_is_what_is_committed() {
    let mut repository = Repository::new("app.json");
    let head = git(&repository.path(), &["rev-parse", "HEAD"]);
    repository.record(2);
    fails(&repository.compare(), 10, &[&format!("HEAD@{head}")]);
    repository.accept();
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    repository.commit();
    succeeds(&repository.compare());
    // One can ask what has come since.
    repository.set("STRAIT_BASE", "HEAD^");
    fails(&repository.compare(), 10, &["sched_setscheduler", &format!("HEAD^@{head}")]);
    // In a folder of the repository, paths are those of the folder.
    repository.set("STRAIT_PROFILE", repository.profile().to_str().unwrap());
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    repository.set("STRAIT_PROFILE", "/etc/hostname");
    fails(&repository.compare(), 1, &["outside repository"]);
}

#[test]
fn a_pipeline_of_gitlab_knows_its_base() {
    let mut repository = Repository::new("app.json");
    let base = git(&repository.path(), &["rev-parse", "main"]);
    git(&repository.path(), &["checkout", "--quiet", "-b", "change"]);
    repository.record(2);
    fails(&repository.compare(), 10, &["sched_setscheduler"]);
    repository.accept();
    let head = repository.commit();
    repository.set("CI_COMMIT_BRANCH", "change");
    repository.set("CI_DEFAULT_BRANCH", "main");
    fails(&repository.compare(), 10, &[&format!("main@{base}")]);
    // A pipeline of the default branch compares with what is committed there.
    repository.set("CI_COMMIT_BRANCH", "main");
    let output = repository.compare();
    succeeds(&output);
    assert!(said(&output).contains(&format!("HEAD@{head}")), "{}", said(&output));

    // The merge request of a fork: what the fork calls main is not what it is for.
    let fork = scratch();
    let origin = repository.origin();
    git(fork.path(), &["clone", "--quiet", "--bare", origin.to_str().unwrap(), "fork.git"]);
    let fork = fork.path().join("fork.git");
    git(&repository.path(), &["remote", "set-url", "origin", fork.to_str().unwrap()]);
    git(&repository.path(), &["push", "--quiet", "origin", "HEAD:main"]);
    repository.set("CI_COMMIT_BRANCH", "");
    repository.set("CI_PIPELINE_SOURCE", "merge_request_event");
    fails(&repository.compare(), 1, &["its base is unknown"]);
    repository.set("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main");
    repository.set("CI_PROJECT_ID", "8");
    repository.set("CI_MERGE_REQUEST_PROJECT_ID", "7");
    let project = origin.to_str().unwrap().strip_suffix(".git").unwrap();
    repository.set("CI_MERGE_REQUEST_PROJECT_URL", project);
    fails(&repository.compare(), 10, &["sched_setscheduler", &format!("main@{base}")]);
}

#[test]
fn the_first_profile_is_new_until_the_base_has_it() {
    let mut repository = Repository::new("app.json");
    repository.begin_pull_request();
    repository.set("STRAIT_PROFILE", "other.json");
    std::fs::copy(repository.work("app.json"), repository.profile()).unwrap();
    repository.commit();
    repository.set("GITHUB_OUTPUT", "output");
    fails(&repository.compare(), 1, &["commit it as other.json"]);
    let report = repository.report();
    assert!(
        report.contains("profile: new") && report.contains("until the base has one"),
        "{report}"
    );
    let output = std::fs::read_to_string(repository.path().join("output")).unwrap();
    assert!(output.contains("verdict=new\n"), "{output}");
    repository.set("STRAIT_FAIL_ON", "never");
    succeeds(&repository.compare());
    repository.set("STRAIT_FAIL_ON", "widened");
    git(&repository.path(), &["push", "--quiet", "origin", "HEAD:main"]);
    succeeds(&repository.compare());
}
