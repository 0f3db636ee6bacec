//! Whatever a program, a test, a container, an image, a file or a call is called: no output of any command does what the
//! name says.

mod files;
mod media;

use std::path::Path;
use std::process::Output;

use proptest::prelude::*;

use crate::support::{scratch, strait};
use files::{Files, SHOP};
use media::{BROKEN, Medium, assert_fit, assert_terminal, shape_of_html, shape_of_markdown};

/// A command line, and what it writes to standard output.
type Run = (Vec<String>, Medium);

fn run_of(medium: Medium, args: &[&str]) -> Run {
    (args.iter().map(|word| (*word).to_owned()).collect(), medium)
}

/// Commands that work.
fn uses(files: &Files) -> Vec<Run> {
    use Medium::{Html, Json, Markdown, Patch, Sarif, Terminal};
    let Files { old_recording, new_recording, other_recording, old, new, unknown, .. } = files;
    let Files { exceptions, manifest, folder, .. } = files;
    let mut runs = vec![
        run_of(Json, &["import", &files.strace, "-o", "-"]),
        run_of(Json, &["import", &files.audit, "-o", "-"]),
        run_of(Json, &["import", unknown, "-o", "-"]),
        run_of(Json, &["generate", new_recording]),
        run_of(Json, &["generate", "--allow-mixed", new_recording, other_recording]),
        run_of(Terminal, &["generate", new_recording, "-o", &format!("{old}.json")]),
        run_of(Terminal, &["diff", old, new_recording]),
        run_of(Terminal, &["explain", new, "mkdir", "socket(AF_INET)", "bpf"]),
        run_of(Terminal, &["explain", new_recording, "mkdir", "socket"]),
        run_of(Html, &["report", new_recording]),
        run_of(Terminal, &["coverage", new_recording, "--all"]),
        run_of(Json, &["coverage", old_recording, other_recording, "--format", "json"]),
        run_of(Json, &["merge", old_recording, new_recording]),
        run_of(Json, &["merge", "--allow-mixed", old_recording, other_recording]),
        run_of(Json, &["merge", old, new]),
        run_of(Json, &["merge", "--intersect", old, unknown]),
        run_of(Terminal, &["check", old, "--covers", new_recording]),
        run_of(Json, &["check", old, "--covers", new_recording, "--format", "json"]),
        run_of(Terminal, &["check", new, "--within", unknown]),
        run_of(Json, &["convert", unknown]),
        run_of(Terminal, &["lint", unknown]),
        run_of(Json, &["lint", unknown, "--format", "json"]),
        run_of(Patch, &["apply", SHOP, manifest]),
        run_of(Terminal, &["apply", SHOP, manifest, "-o", folder]),
        run_of(Terminal, &["audit", manifest]),
        run_of(Terminal, &["audit", manifest, "--require", "restricted"]),
        run_of(Json, &["audit", manifest, "--format", "json"]),
        run_of(Sarif, &["audit", manifest, "--format", "sarif"]),
        run_of(Terminal, &["bundle", folder, SHOP, "--release", "1"]),
        run_of(Terminal, &["bundle", folder, SHOP, "--release", "2", "--manifests", manifest]),
        run_of(Terminal, &["bundle", folder, "--manifests", manifest, "--prune", "--dry-run"]),
    ];
    for (format, medium) in
        [("text", Terminal), ("markdown", Markdown), ("json", Json), ("sarif", Sarif)]
    {
        runs.push(run_of(
            medium,
            &["diff", old, new, "--format", format, "--allow-file", exceptions],
        ));
        runs.push(run_of(medium, &["diff", old, new, "--format", format]));
        runs.push(run_of(medium, &["diff", new, unknown, "--format", format]));
    }
    runs
}

/// Exports of a profile with unknown calls.
fn exports(files: &Files) -> Vec<Run> {
    use Medium::{Plain, Unit, Yaml};
    let targets = [
        ("spo", Yaml),
        ("configmap", Yaml),
        ("kustomize", Yaml),
        ("helm", Plain),
        ("compose", Yaml),
        ("docker", Plain),
        ("podman", Plain),
        ("systemd", Unit),
        ("nomad", Plain),
        ("crio", Plain),
    ];
    let of = |(target, medium)| {
        let args = [
            "export",
            &files.unknown,
            "--to",
            target,
            "--name",
            "app",
            "--artifact",
            "reg.io/app:1",
        ];
        run_of(medium, &args)
    };
    let mut runs: Vec<Run> = targets.map(of).to_vec();
    let layout = format!("{}.layout", files.folder);
    let args = ["export", &files.unknown, "--to", "oci-artifact", "--name", "app", "-o", &layout];
    runs.push(run_of(Plain, &args));
    runs
}

/// Command lines and files that are refused.
fn errors(files: &Files, name: &str) -> Vec<Run> {
    let name = name.replace('\0', "");
    let name = name.as_str();
    let Files { old_recording, other_recording, new, schema, missing, broken, manifest, .. } =
        files;
    let lines: &[&[&str]] = &[
        &[name],
        &["--color", name],
        &["generate", "--args", name, missing],
        &["import", missing],
        &["import", schema],
        &["import", broken],
        &["import", manifest],
        &["import", &files.no_log],
        &["import", &files.strace, &files.audit],
        &["import", "--from", name, &files.strace],
        &["import", "--name", &format!("{name}/"), &files.strace],
        &["generate", missing],
        &["generate", schema],
        &["generate", broken],
        &["generate", "--cap-add", name, old_recording],
        &["generate", old_recording, "-o", &format!("{missing}/x.json")],
        &["diff", new, missing],
        &["diff", new, schema],
        &["diff", new, new, "-o", new],
        &["diff", new, new, "--allow-file", &files.bad_exceptions],
        &["diff", new, new, "--allow-file", schema],
        &["diff", new, new, "--evidence", schema],
        &["explain", new, name],
        &["explain", new, "--abi", name, "read"],
        &["explain", new, &format!("socket({name})")],
        &["report", schema],
        &["report", old_recording, other_recording],
        &["merge", old_recording, other_recording],
        &["merge", new, schema],
        &["check", new, "--kernel", name],
        &["check", new, "--caps", name],
        &["check", new, "--within", name],
        &["check", schema],
        &["lint", schema],
        &["convert", schema],
        &["convert", manifest],
        &["convert", manifest, "--name", name],
        &["convert", new, "--kernel", name],
        &["lint", broken],
        &["export", new, "--to", name],
        &["export", new, "--to", "spo", "--name", name],
        &["export", new, "--to", "spo"],
        &["export", new, "--to", "docker", "--name", "app", "--image", name],
        &["export", new, "--to", "docker", "--name", "app", "--release", name],
        &["export", new, "--to", "docker", "--name", "app", "--workload", name],
        &["apply", new, broken],
        &["apply", new, missing],
        &["apply", schema, manifest],
        &["apply", new, manifest, "-o", &files.folder],
        &["apply", new, manifest, "--map", &format!("shop={new}"), "-o", &files.folder],
        &["apply", new, manifest, "--map", name],
        &["apply", new, manifest, "--map", &format!("{name}={name}")],
        &["apply", new, manifest, "--prefix", name],
        &["audit", broken],
        &["audit", missing],
        &["bundle", missing, new, "--release", name],
        &["bundle", missing, new, "--release", "1"],
        &["bundle", new, new, "--release", "1"],
        &["verify", missing, "--", "true"],
        &["verify", schema, "--", "true"],
        &["record", "--user", name, "--", "true"],
        &["record", "-o", &format!("{missing}/x.json"), "--", "true"],
        &["record", "--for", name, "--containers"],
        &["mark", name],
        &["man", name],
        &["completions", name],
        &["inspect", name],
    ];
    lines.iter().map(|args| run_of(Medium::Refused, args)).collect()
}

fn output(dir: &Path, args: &[String]) -> Output {
    strait().args(args.iter().cloned()).in_dir(dir).command().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the commands print about files in which everything has one name.
fn printed(name: &str) -> Vec<(Run, Output)> {
    let dir = scratch();
    let files = Files::write(dir.path(), name);
    let runs = [uses(&files), exports(&files), errors(&files, name)].concat();
    // In order, since some write what others read.
    runs.into_iter().map(|run| (run.clone(), output(dir.path(), &run.0))).collect()
}

/// What must be the same whatever the name is.
fn shape(medium: Medium, text: &str) -> String {
    match medium {
        Medium::Markdown => shape_of_markdown(text).join("\n"),
        Medium::Html => format!("{:?}", shape_of_html(text)),
        Medium::Unit => {
            let setting = |line: &'_ str| line.split('=').next().unwrap_or_default().to_owned();
            let mut settings: Vec<String> = text.lines().map(setting).collect();
            settings.dedup();
            settings.join("\n")
        }
        Medium::Terminal | Medium::Sarif | Medium::Json | Medium::Yaml => String::new(),
        Medium::Patch | Medium::Plain | Medium::Refused => String::new(),
    }
}

fn assert_harmless(name: &str, plain: &[(Run, Output)]) {
    for (((args, medium), hostile), (_, plain)) in printed(name).into_iter().zip(plain) {
        let (stdout, stderr) = (text(&hostile.stdout), text(&hostile.stderr));
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        let result = std::panic::catch_unwind(|| {
            // What is no error is none because of a name either.
            let (expected, status) = (plain.status.code(), hostile.status.code());
            assert!(status == expected || medium == Medium::Refused, "{status:?} {expected:?}");
            assert_terminal(&stderr);
            assert_fit(medium, &stdout);
            assert_eq!(shape(medium, &stdout), shape(medium, &text(&plain.stdout)));
        });
        assert!(result.is_ok(), "{args:?} of {name:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    }
}

/// What the author of a name may have intended.
const NASTY: [&str; 34] = [
    "\nBROKEN",
    "\r\nBROKEN",
    "\rBROKEN",
    "\u{2028}BROKEN",
    "\u{85}BROKEN",
    "\n::error file=a,line=1::b",
    "::set-output name=a::b",
    "  ::stop-commands::x",
    "##[error]a",
    "\n##[group]a",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[message text='a']",
    "\u{1b}[2J\u{1b}]0;a\u{7}",
    "\u{9b}31m",
    "\u{202e}\u{2066}\u{200f}\u{61c}",
    "\u{200b}\u{200d}\u{2060}\u{feff}\u{ad}\u{180e}\u{fe0f}",
    "\u{e0041}\u{e007f}\u{fff9}\u{fffe}",
    "[a](http://e)",
    "![a](http://e)",
    "](http://e)",
    "<img src=x onerror=y>",
    "</details>",
    "</title><script>",
    "`",
    "``",
    "|",
    "\\|",
    "\\\\|",
    "@everyone #1 *a* ~~b~~ _c_",
    "\\",
    "%h%%n",
    "\" ${a} %{b} $c $$",
    "' # : - { .Values }",
    "\nExecStart=/bin/a",
];

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(NASTY.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z]{1,3}",
    ];
    prop::collection::vec(part, 1..6)
        .prop_map(|parts| parts.concat())
        .prop_filter("what is blank is no name", |name| !name.trim().is_empty())
}

const PLAIN: &str = "plain";

#[test]
fn no_command_prints_what_a_name_says() {
    let plain = printed(PLAIN);
    for names in NASTY.chunks(6) {
        assert_harmless(&names.concat(), &plain);
    }
    for name in ["::set-output name=a::b", "##[error]a", "`", "[a](http://e)"] {
        assert_harmless(name, &plain);
    }
    let config = ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&name(), |name| {
            assert_harmless(&name, &plain);
            Ok(())
        })
        .unwrap();
}

/// The fixture is not in vain: each name of it is somewhere in what is printed, with nothing to escape.
#[test]
fn a_plain_name_is_printed_as_it_is() {
    for ((args, _), output) in printed(PLAIN) {
        let all = text(&output.stdout) + &text(&output.stderr);
        assert!(!all.contains(BROKEN) && !all.contains("\\u{"), "{args:?}: {all}");
        assert!(!all.is_empty() || args[0] == "audit", "{args:?} prints nothing");
    }
}
