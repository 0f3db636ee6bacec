//! A recording of a command is called as it was asked to be, and is then a target of its own.

use crate::support::{kernel, scratch, strait};

#[test]
fn a_command_can_be_given_a_name() {
    kernel::require_root();
    let dir = scratch();
    for (name, command) in [("api", "echo"), ("web", "echo")] {
        let run = strait().args(["record", "--name", name, "--", &format!("/bin/{command}")]);
        run.in_dir(dir.path()).run();
        let path = dir.path().join(format!("{name}.recording.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let recording = strait_generator::recording::v1::parse(&text).unwrap();
        assert_eq!(recording.target.name, name);
        assert_eq!(recording.target.command, ["/bin/echo"]);
    }
    let generate = |args: &[&str], code| {
        let run = strait().arg("generate").args(args.iter().copied()).in_dir(dir.path());
        run.expect_exit(code).run()
    };
    generate(&["api.recording.json", "web.recording.json"], 1).says(&[
        "command `api`",
        "command `web`",
        "--allow-mixed",
    ]);
    generate(&[".", "-o", "profiles/"], 0);
    for name in ["api", "web"] {
        assert!(dir.path().join(format!("profiles/{name}.json")).is_file(), "{name}");
    }
}
