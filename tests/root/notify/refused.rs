//! Where there is no user notification, and where a workload wants its own.

use std::path::Path;

use serde_json::json;

use super::{notify, open_folder, read};
use crate::privilege::as_nobody;
use crate::support::fixtures::Fixture;
use crate::support::run::STRAIT;
use crate::support::{scratch, strait};

/// Runs `strait record` in which `seccomp()` fails.
fn refused(dir: &Path, errno: i32, backend: &str, texts: &[&str]) {
    let program = Fixture::Dynamic("refused_seccomp").path();
    let outcome = strait()
        .args(["record", "--backend", backend, "-o", "r.json", "--", "/bin/echo", "hello"])
        .through(as_nobody("").into_iter().chain([program, errno.to_string()]))
        .in_dir(dir)
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(texts);
    assert_eq!(outcome.stdout, "", "the command must not have run");
    assert!(!dir.join("r.json").exists());
}

#[test]
fn without_seccomp_the_refusing_profile_is_named() {
    let dir = open_folder();
    refused(dir.path(), libc::EPERM, "notify", &["seccomp() is refused", "EPERM", "profile"]);
    refused(dir.path(), libc::ENOSYS, "notify", &["seccomp() is refused", "ENOSYS"]);
    refused(dir.path(), libc::EINVAL, "notify", &["Linux 5.9", "CONFIG_SECCOMP_FILTER"]);
}

#[test]
fn if_neither_backend_can_be_had_both_reasons_are_given() {
    let dir = open_folder();
    refused(dir.path(), libc::EPERM, "auto", &["seccomp() is refused", "CAP_BPF", "sudo"]);
}

#[test]
fn one_recorder_under_another_says_that_there_is_one_already() {
    let dir = scratch();
    let inner = [STRAIT, "record", "--backend", "notify", "-o", "i.json", "--", "/bin/echo", "hi"];
    let outcome = notify(dir.path(), &[], &inner).expect_exit(125).run();
    assert_eq!(outcome.stdout, "", "the inner command must not have run");
    outcome.says(&["another supervisor", "Run Strait outside of it"]);
    assert!(!dir.path().join("i.json").exists());
    assert!(read(dir.path())["caveats"].to_string().contains("supervisor-refused"));
}

#[test]
fn a_supervisor_of_the_workload_is_refused_and_reported() {
    let dir = scratch();
    let program = Fixture::Dynamic("own_filter").path();
    let outcome = notify(dir.path(), &[], &[&program, "notify"]);
    let (_, said) = outcome.spawn().finish();
    assert!(said.contains("EBUSY"), "{said}");
    let caveats =
        json!([{"kind": "supervisor-refused"}, {"kind": "traced-by", "tracer": "notify"}]);
    assert_eq!(read(dir.path())["caveats"], caveats);
}

#[test]
fn filters_of_the_workloads_own_have_their_effect() {
    let dir = scratch();
    let program = Fixture::Dynamic("own_filter").path();
    let alone = std::process::Command::new(&program).arg("errno").status().unwrap();
    let (status, _) = notify(dir.path(), &[], &[&program, "errno"]).spawn().finish();
    assert_eq!(Some(status), alone.code());
}

#[test]
fn what_others_start_is_not_recorded_by_it() {
    for scope in [
        &["--containers", "-o", "out", "--", "true"][..],
        &["--container", "web"],
        &["--pid", "1"],
        &["--cgroup", "/sys/fs/cgroup"],
    ] {
        let run = strait().args(["record", "--backend", "notify"]).args(scope);
        run.expect_exit(2).run().says_one_paragraph().says(&[scope[0], "--backend notify", "root"]);
    }
}

#[test]
fn another_user_takes_root() {
    let dir = open_folder();
    let outcome = notify(dir.path(), &["--user", "daemon"], &["/bin/echo", "hello"])
        .through(as_nobody(""))
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["change the user"]);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_command_that_cannot_be_run_is_as_with_the_probe() {
    let dir = scratch();
    std::fs::write(dir.path().join("text"), "no program").unwrap();
    std::fs::write(dir.path().join("broken"), "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(
        dir.path().join("broken"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    for (command, status) in [("/no/such/command", 127), ("./text", 126), ("./broken", 126)] {
        notify(dir.path(), &[], &[command]).expect_exit(status).run().says_one_paragraph();
        assert!(!dir.path().join("r.json").exists());
    }
}
