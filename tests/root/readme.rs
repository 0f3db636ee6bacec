//! What README.md shows is what happens, but for the numbers.

use std::path::Path;
use std::process::Command;

use crate::support::run::{STRAIT, status};
use crate::support::{kernel, scratch, scrub};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A command, and the lines that it is said to write.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The blocks of commands with their output, each as its steps.
fn transcripts(text: &str) -> Vec<Vec<Step>> {
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(steps).collect()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), shown: Vec::new() });
            }
            (None, Some(step)) => step.shown.push(line.to_owned()),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    // An empty line keeps two commands apart.
    for step in &mut steps {
        if step.shown.last().is_some_and(String::is_empty) {
            step.shown.pop();
        }
    }
    steps
}

/// A line without what differs from run to run and from machine to machine.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for one in line.trim_end().chars() {
        match (one.is_ascii_digit(), text.ends_with('#')) {
            (true, true) => {}
            (true, false) => text.push('#'),
            (false, _) => text.push(one),
        }
    }
    text.replace("#.#", "#")
}

/// Whether the lines are what is shown, where a line of dots stands for any.
fn matches(shown: &[String], lines: &[String]) -> bool {
    match (shown, lines) {
        ([], []) => true,
        ([dots, rest @ ..], _) if dots == "…" => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        ([one, rest @ ..], [line, others @ ..]) => one == line && matches(rest, others),
        _ => false,
    }
}

/// The exit status, and what is written.
fn sh(dir: &Path, script: &str) -> (i32, String) {
    let mut command = Command::new("/bin/sh");
    scrub(&mut command, dir);
    let folder = Path::new(STRAIT).parent().unwrap().display();
    let output = command
        .args(["-c", &format!("exec 2>&1; {script}")])
        .env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("STRAIT", STRAIT)
        .env("ROOT", ROOT)
        .output()
        .unwrap();
    (status(output.status), String::from_utf8(output.stdout).unwrap())
}

fn show(steps: &[Step], dir: &Path, expected: i32) {
    let tidy = |lines: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        lines.map(without_numbers).collect()
    };
    for step in steps {
        // The tests are root's already.
        let command = step.command.strip_prefix("sudo ").unwrap_or(&step.command);
        let (status, written) = sh(dir, command);
        let shown = tidy(&mut step.shown.iter().map(String::as_str));
        let lines = tidy(&mut written.lines());
        assert!(matches(&shown, &lines), "{command}\nshown:\n{shown:#?}\nwritten:\n{written}");
        assert_eq!(status, expected, "{command}");
    }
}

#[test]
fn the_transcripts_are_what_happens() {
    kernel::require_root();
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let [main_job, diff] = &transcripts(&text)[..] else { panic!("two transcripts") };
    let dir = scratch();
    // The service of the example for CI, in the release that the environment names.
    let tests = "printf '#!/bin/sh -e\\nexport RELEASE=${RELEASE:-1}\\n%s 1; %s 2\\n' \
                 $ROOT/tests/fixtures/ci/run-tests.sh $ROOT/tests/fixtures/ci/run-tests.sh \
                 >run-tests.sh; chmod +x run-tests.sh";
    assert_eq!(sh(dir.path(), tests), (0, String::new()));
    show(main_job, dir.path(), 0);
    let next = "mkdir profiles; mv app.json app.evidence.json profiles/;
                RELEASE=2 strait record --quiet -o new.recording.json -- ./run-tests.sh;
                strait generate --quiet new.recording.json -o new.json";
    assert_eq!(sh(dir.path(), next), (0, String::new()));
    show(diff, dir.path(), 10);
}
