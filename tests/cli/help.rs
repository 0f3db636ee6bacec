//! Help, completions, the manual, and command lines that are wrong.

use crate::support::strait;

#[test]
fn every_command_has_help_with_its_options() {
    for (command, texts) in [
        ("record", &["--output", "--user", "--linger", "--backend", "notify", "COMMAND"][..]),
        ("import", &["--output", "--from", "--name", "--machine", "strace -f", "FILE"]),
        ("generate", &["--output", "--allow-incomplete", "RECORDING"]),
        ("verify", &["--output", "--format", "--user", "PROFILE"]),
        ("check", &["--within", "--covers", "--caps", "--kernel", "PROFILE"]),
        ("coverage", &["--require", "--allow-mixed", "--format", "--all", "RECORDING"]),
        ("convert", &["--caps", "--kernel", "--machine", "--name", "--output", "PROFILE"]),
        ("diff", &["--fail-on", "--allow-file", "--format", "OLD", "NEW"]),
        ("explain", &["FILE", "CALL", "socket(AF_NETLINK"]),
        ("report", &["--output", "--allow-mixed", "RECORDING"]),
        ("merge", &["--allow-mixed", "--intersect", "--output"]),
        ("mark", &["NAME", "--if-recording", "STRAIT_MARK"]),
        ("export", &["--to", "--output", "--name", "--release", "--image", "oci-artifact"]),
        ("lint", &["--for", "--format", "kep-6061", "PROFILE"]),
        ("apply", &["--map", "--in-place", "--output", "--release", "--level", "PROFILE"]),
        (
            "audit",
            &["--require", "--ignore-unknown", "--kubernetes", "--format", "--fix", "MANIFEST"],
        ),
        ("bundle", &["--prune", "--dry-run", "--manifests", "--release"]),
        ("inspect", &["--format", "--output", "PID"]),
        ("scan", &["--root", "--format", "--output", "FILE"]),
        ("completions", &["bash", "zsh", "fish"]),
    ] {
        let help = strait().args([command, "--help"]).run().stdout;
        for word in texts {
            assert!(help.contains(word), "{command} --help lacks {word}:\n{help}");
        }
    }
}

#[test]
fn the_help_names_every_command() {
    let help = strait().arg("--help").run().stdout;
    for command in [
        "record",
        "import",
        "generate",
        "verify",
        "check",
        "coverage",
        "inspect",
        "report",
        "convert",
        "export",
        "lint",
        "apply",
        "audit",
        "bundle",
        "scan",
        "completions",
        "man",
    ] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = strait().arg("--version").run().stdout;
    assert_eq!(version, format!("strait {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_2() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["record"],
        &["record", "--no-such-option", "--", "/bin/true"],
        &["record", "--linger", "soon", "--", "/bin/true"],
        &["record", "--max-programs", "0", "--", "/bin/true"],
        &["import"],
        &["import", "a.log", "--from", "poem"],
        &["import", "-", "-"],
        &["import", "a.log", "-o", "a.log"],
        &["import", "a.log", "--name", "a/b"],
        &["record", "--backend", "ptrace", "--", "/bin/true"],
        &["record", "--backend", "notify", "--containers", "-o", "out"],
        &["record", "--backend", "notify", "--pid", "1"],
        &["generate"],
        &["verify"],
        &["verify", "p.json"],
        &["verify", "p.json", "--format", "poem", "--", "/bin/true"],
        &["inspect"],
        &["inspect", "0"],
        &["inspect", "init"],
        &["check"],
        &["check", "p.json", "--caps", "CAP_EVERYTHING"],
        &["check", "p.json", "--kernel", "new"],
        &["coverage"],
        &["coverage", "r.json", "--require", "2"],
        &["generate", "r.json", "--arch", "vax"],
        &["diff"],
        &["diff", "old.json"],
        &["diff", "old.json", "new.json", "--fail-on", "monday"],
        &["explain", "p.json"],
        &["merge"],
        &["report"],
        &["mark"],
        &["export", "p.json"],
        &["export", "p.json", "--to", "nowhere"],
        &["lint"],
        &["lint", "p.json", "--format", "poem"],
        &["apply"],
        &["apply", "p.json", "--level", "node"],
        &["audit"],
        &["audit", "m.yaml", "--require", "privileged"],
        &["bundle"],
        &["bundle", "dir", "p.json"],
        &["bundle", "dir", "--prune"],
        &["completions", "basic"],
    ] {
        let outcome = strait().args(arguments).expect_exit(2).run();
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        assert!(!outcome.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = strait().args(["completions", shell]).run().stdout;
        for word in ["record", "generate", "verify", "allow-incomplete"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = strait().args(["completions", "bash"]).run().stdout;
    let status = std::process::Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_manual_is_a_manual_page() {
    let page = strait().arg("man").run().stdout;
    for part in [".TH", ".SH NAME", "record", "generate", "verify"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_is_not_a_terminal_gets_no_colours() {
    for environment in [None, Some("NO_COLOR")] {
        let mut run = strait().args(["generate", "/no/such/file"]).expect_exit(1);
        if let Some(name) = environment {
            run = run.env(name, "1");
        }
        let outcome = run.run();
        assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
    }
}

#[test]
fn colours_can_be_asked_for() {
    let generate = |colour| {
        strait().args(["--color", colour, "generate", "/no/such/file"]).expect_exit(1).run().stderr
    };
    assert!(generate("always").contains('\u{1b}'));
    assert!(!generate("never").contains('\u{1b}'));
}
