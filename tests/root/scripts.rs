//! Scripts and workflows as linters see them: shellcheck and zizmor find nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{kernel, python_tool, scratch};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What is found and right as it is, in scripts that are copied as they are into what Strait writes.
const KNOWN: [(&str, &str); 1] = [
    // A DaemonSet sets NAME and SECCOMP.
    ("profiles/install/install.sh", "SC2153"),
];

/// All files below a folder, without hidden ones and what cargo builds.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('.') || name == "target" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// What shellcheck says of a script that it is given, or finds at a path.
fn shellcheck(arguments: &[&str], script: &str) -> String {
    kernel::require("shellcheck", "shellcheck");
    let mut child = Command::new("shellcheck")
        .args(["--external-sources", "--check-sourced", "--source-path=SCRIPTDIR"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat()
}

/// The scripts below a folder, and the shell of those that do not name one themselves.
fn scripts() -> Vec<(PathBuf, Option<&'static str>)> {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let mut scripts = Vec::new();
    for path in files(&root) {
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        let names_shell = first.starts_with("#!") && first.ends_with("sh");
        match suffix {
            _ if names_shell || first.starts_with("# shellcheck shell=") => {
                scripts.push((path, None))
            }
            Some("sh") => scripts.push((path, Some("sh"))),
            Some("bash") => scripts.push((path, Some("bash"))),
            _ => {}
        }
    }
    scripts
}

#[test]
fn shellcheck_finds_nothing_in_scripts() {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let scripts = scripts();
    let gate = root.join("ci/gate.sh");
    assert!(scripts.iter().any(|(path, _)| *path == gate), "{scripts:?}");
    assert!(scripts.len() > 15, "{scripts:?}");
    // The parts of the gate are read as parts, with the settings that they share.
    for (path, shell) in scripts.iter().filter(|(path, _)| !path.starts_with(root.join("ci/gate")))
    {
        let shell = shell.map(|shell| format!("--shell={shell}"));
        let known = KNOWN.iter().find(|(script, _)| path.ends_with(script));
        let known = known.map(|(_, code)| format!("--exclude={code}"));
        let mut arguments: Vec<&str> = shell.iter().chain(&known).map(String::as_str).collect();
        arguments.push(path.to_str().unwrap());
        assert_eq!(shellcheck(&arguments, ""), "", "{}", path.display());
    }
}

#[test]
fn shellcheck_would_find_something() {
    let said = shellcheck(&["--shell=sh", "-"], "strait compare $RECORDINGS\n");
    assert!(said.contains("SC2086"), "{said}");
}

/// The strings of the fields of a name, anywhere in a document; a list of them is one.
fn fields<'a>(value: &'a Value, name: &str, found: &mut Vec<String>) {
    let text = |value: &'a Value| value.as_str().map(str::to_owned);
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == name {
                    found.extend(text(value));
                    found.extend(
                        value.as_array().map(|list| {
                            list.iter().filter_map(text).collect::<Vec<_>>().join("\n")
                        }),
                    );
                }
                fields(value, name, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, name, found)),
        _ => {}
    }
}

#[test]
fn shellcheck_finds_nothing_in_what_the_action_and_the_template_run() {
    for (file, field, shell, count) in
        [("action.yml", "run", "bash", 3), ("ci/gitlab.yml", "script", "sh", 2)]
    {
        let document: Value = serde_norway::from_str(&read(&Path::new(ROOT).join(file))).unwrap();
        let mut scripts = Vec::new();
        fields(&document, field, &mut scripts);
        assert_eq!(scripts.len(), count, "{file}: {scripts:?}");
        for script in scripts {
            assert!(!script.contains("${{"), "an expression in a script is code: {script}");
            let said = shellcheck(&[&format!("--shell={shell}"), "-"], &script);
            assert_eq!(said, "", "{file}:\n{script}");
        }
    }
}

/// The YAML of the instructions that is a whole workflow.
fn workflows() -> Vec<String> {
    let text = read(&Path::new(ROOT).join("ci/README.md"));
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.filter(|block| block.contains("jobs:")).map(str::to_owned).collect()
}

fn zizmor(persona: &str, paths: &[&Path]) -> (bool, String) {
    let output = Command::new(python_tool("zizmor"))
        .env_clear()
        // Nothing of this is asked of GitHub, and no configuration of another repository counts.
        .args(["--offline", "--no-config", "--no-progress", "--color=never", "--persona", persona])
        .args(paths)
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.success(), said.concat())
}

#[test]
fn zizmor_finds_nothing() {
    let dir = scratch();
    let folder = dir.path().join(".github/workflows");
    std::fs::create_dir_all(&folder).unwrap();
    let workflows = workflows();
    assert!(!workflows.is_empty());
    for (number, workflow) in workflows.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yml")), workflow).unwrap();
    }
    let (fine, said) = zizmor("regular", &[&folder]);
    assert!(fine && said.contains("No findings"), "{said}");
    let (fine, said) = zizmor("auditor", &[&Path::new(ROOT).join("action.yml")]);
    assert!(fine && said.contains("No findings"), "{said}");
}

#[test]
fn zizmor_would_find_something() {
    let dir = scratch();
    let action = read(&Path::new(ROOT).join("action.yml"));
    let (before, after) = action.split_once("upload-artifact@").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let path = dir.path().join("action.yml");
    std::fs::write(&path, format!("{before}upload-artifact@v4\n{after}")).unwrap();
    let (fine, said) = zizmor("regular", &[&path]);
    assert!(!fine && said.contains("unpinned-uses"), "{said}");
}

#[test]
fn actions_are_pinned_by_the_hash_of_a_commit() {
    let mut count = 0;
    for path in files(Path::new(ROOT)) {
        if !matches!(
            path.extension().and_then(|suffix| suffix.to_str()),
            Some("md" | "yml" | "yaml")
        ) {
            continue;
        }
        let text = read(&path);
        for line in text.lines().map(|line| line.trim_start().trim_start_matches("- ")) {
            let Some(action) = line.strip_prefix("uses: ") else { continue };
            count += 1;
            let (name, version) = action.split_once('@').unwrap();
            let (hash, comment) = version.split_once(" # ").unwrap_or((version, ""));
            let pinned = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(pinned, "{}: {line}", path.display());
            // This repository has no release that could be named.
            assert!(
                comment.starts_with('v') || name == "your/strait",
                "{}: {line}",
                path.display()
            );
        }
    }
    assert!(count >= 6, "{count}");
}
