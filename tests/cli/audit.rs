//! `strait audit`: findings, levels, formats, and what it repairs.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::manifests::{expected, group};
use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// One pod with everything there is to object to, and one with nothing.
const PODS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: bad
spec:
  selector: {matchLabels: {app: bad}}
  template:
    metadata:
      labels: {app: bad}
      annotations:
        seccomp.security.alpha.kubernetes.io/pod: runtime/default
        container.seccomp.security.alpha.kubernetes.io/web: localhost/web.json
    spec:
      hostNetwork: true
      securityContext:
        sysctls: [{name: kernel.msgmax, value: '1'}]
      containers:
      - name: web
        image: example.org/web:1
        ports: [{containerPort: 80, hostPort: 80}]
        volumeMounts:
        - {name: logs, mountPath: /logs}
        - {name: conf, mountPath: /conf, readOnly: true}
        securityContext:
          privileged: true
          seccompProfile: {type: Unconfined}
          capabilities: {add: [SYS_ADMIN]}
      - name: odd
        image: example.org/odd:1
        securityContext:
          seccompProfile: {type: Localhost, localhostProfile: localhost/../x.json}
      volumes:
      - name: logs
        hostPath: {path: /var/log}
      - name: conf
        hostPath: {path: /etc/web}
---
apiVersion: v1
kind: Pod
metadata:
  name: good
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: example.org/web:1
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
---
apiVersion: v1
kind: Pod
metadata: {name: windows}
spec:
  os: {name: windows}
  containers:
  - {name: iis, image: example.org/iis:1}
";

fn with(text: &str) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("pods.yaml"), text).unwrap();
    dir
}

fn audit(dir: &TempDir, arguments: &[&str]) -> Strait {
    strait().args(["audit", "pods.yaml"]).args(arguments.to_vec()).in_dir(dir.path())
}

#[test]
fn everything_is_found() {
    let dir = with(PODS);
    insta::assert_snapshot!("audit", audit(&dir, &[]).run().stdout);
}

#[test]
fn json_is_what_its_schema_says() {
    let dir = with(PODS);
    let report = audit(&dir, &["--format", "json"]).run().json();
    let schema: Value = serde_json::from_str(strait_profiles::schema::AUDIT_V1).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{report:#}");
    assert_eq!(report["schema"], "strait.audit/v1");
    assert_eq!(report["not_understood"], 0);
    let containers = report["files"][0]["containers"].as_array().unwrap();
    let levels: Vec<&Value> = containers.iter().map(|container| &container["level"]).collect();
    assert_eq!(levels, ["privileged", "privileged", "restricted", "baseline"]);
}

#[test]
fn sarif_points_to_lines() {
    let dir = with(PODS);
    let log = audit(&dir, &["--format", "sarif"]).run().json();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let privileged = results.iter().find(|result| result["ruleId"] == "privileged").unwrap();
    assert_eq!(privileged["level"], "error");
    assert_eq!(
        privileged["locations"][0]["physicalLocation"],
        json!({
            "artifactLocation": {"uri": "pods.yaml"},
            "region": {"startLine": 25, "startColumn": 23},
        })
    );
    let mut prints: Vec<&Value> =
        results.iter().map(|result| &result["partialFingerprints"]["finding/v1"]).collect();
    let all = prints.len();
    prints.sort_by_key(|print| print.to_string());
    prints.dedup();
    assert_eq!(prints.len(), all, "no two findings are one");
}

/// Logs of CI obey lines that begin with two colons, terminals escape sequences.
#[test]
fn a_name_in_a_manifest_is_not_obeyed() {
    let dir = with(
        "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: \"a\\e[2J\\n::error::b\", image: x}\n",
    );
    let outcome = audit(&dir, &["--require", "restricted"]).expect_exit(10).run();
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(text.contains("a\\u{1b}[2J\\n::error::b"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("::")), "{text}");
    }
}

#[test]
fn a_level_can_be_required() {
    let dir = with(PODS);
    audit(&dir, &["--require", "baseline"]).expect_exit(10).run().says(&["web of Deployment bad"]);
    let good = PODS.split("---\n").nth(1).unwrap();
    let dir = with(good);
    audit(&dir, &["--require", "restricted"]).run();
    let dir = with(&good.replace("runAsNonRoot: true", "runAsNonRoot: false"));
    audit(&dir, &["--require", "baseline"]).run();
    audit(&dir, &["--require", "restricted"]).expect_exit(10).run().says(&["below restricted"]);
}

#[test]
fn annotations_are_replaced_by_what_means_the_same() {
    for (path, text) in group("fix") {
        let dir = with(&text);
        audit(&dir, &["--fix"]).run();
        let fixed = std::fs::read_to_string(dir.path().join("pods.yaml")).unwrap();
        assert_eq!(fixed, expected(&path), "{}", path.display());
        audit(&dir, &["--fix"]).run();
        let again = std::fs::read_to_string(dir.path().join("pods.yaml")).unwrap();
        assert_eq!(again, fixed);
    }
}

#[test]
fn a_report_can_go_to_a_file_and_input_can_come_from_a_pipe() {
    let dir = with(PODS);
    let to_file = audit(&dir, &["--format", "json", "-o", "report.json"]).run();
    assert_eq!(to_file.stdout, "");
    assert!(dir.path().join("report.json").exists());
    let piped = strait().args(["audit", "-"]).stdin(PODS).run();
    assert!(piped.stdout.contains("standard input:25:23"), "{}", piped.stdout);
    strait().args(["audit", "-", "--fix"]).stdin(PODS).expect_exit(2).run();
}

#[test]
fn what_is_no_manifest_is_named() {
    let dir = with("a: [");
    audit(&dir, &[]).expect_exit(1).run().says_one_paragraph().says(&["pods.yaml:", "not YAML"]);
    let dir = with("a: 1\n");
    audit(&dir, &[]).run().says(&["there is no pod"]);
}

/// A pod that reaches restricted.
fn good() -> &'static str {
    PODS.split("---\n").nth(1).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = scratch();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn audit_folder(dir: &TempDir, arguments: &[&str]) -> Strait {
    strait().args(["audit", "."]).args(arguments.to_vec()).in_dir(dir.path())
}

#[test]
fn what_is_not_understood_fails_a_requirement() {
    let release =
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop}\n";
    let database =
        "apiVersion: example.org/v1\nkind: Database\nmetadata: {name: main}\nspec: {replicas: 3}\n";
    let config = "apiVersion: v1\nkind: ConfigMap\ndata: {}\n";
    let all = format!("{release}---\n{database}---\n{config}");
    let dir = folder(&[("good.yaml", good().as_bytes()), ("other.yaml", all.as_bytes())]);
    let restricted = ["--require", "restricted"];
    audit_folder(&dir, &restricted).expect_exit(10).run().says(&[
        "not understood, so not known to reach restricted: HelmRelease shop, Database main.",
    ]);
    let outcome = audit_folder(&dir, &["--require", "restricted", "--ignore-unknown"]).run();
    assert!(
        outcome
            .stdout
            .contains("other.yaml:1:1: warning: HelmRelease shop: what runs is in a chart")
    );
    assert!(outcome.stdout.contains("Database main: no pod was found in it"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("ConfigMap"), "{}", outcome.stdout);
    audit_folder(&dir, &[]).run();
    audit_folder(&dir, &["--ignore-unknown"]).expect_exit(2).run();

    let report = audit_folder(&dir, &["--format", "json"]).run().json();
    assert_eq!(report["not_understood"], 2);
    let sarif = audit_folder(&dir, &["--format", "sarif"]).run().json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result["ruleId"] == "not-understood").count(), 2);
}

#[test]
fn a_pod_in_an_unknown_kind_has_to_reach_the_level_too() {
    let job = "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: train}\nspec:\n  pytorchReplicaSpecs:\n    \
               Master:\n      template:\n        spec:\n          containers:\n          - {name: pytorch, image: i, \
               securityContext: {privileged: true}}\n";
    let dir = folder(&[("good.yaml", good().as_bytes()), ("job.yaml", job.as_bytes())]);
    for also in [&[][..], &["--ignore-unknown"]] {
        audit_folder(&dir, &[&["--require", "baseline"], also].concat())
            .expect_exit(10)
            .run()
            .says(&["below baseline: pytorch of PyTorchJob train"]);
    }
}

#[test]
fn one_file_does_not_stop_a_folder() {
    let template = "kind: Pod\n{{- if .Values.web }}\nmetadata: {name: x}\n{{- end }}\n";
    let comment =
        "# {{- if .Values.web }}\nkind: Pod\napiVersion: v1\nspec: {containers: [{name: x}]}\n";
    let dir = folder(&[
        ("broken.yaml", b"a: ["),
        ("comment.yaml", comment.as_bytes()),
        ("good.yaml", good().as_bytes()),
        ("latin-1.yaml", b"a: \xe4\n"),
        ("line.yaml", "# \u{2028}kind: Pod\n".as_bytes()),
        ("template.yaml", template.as_bytes()),
    ]);
    for fix in [&[][..], &["--fix"]] {
        let outcome = audit_folder(&dir, fix).run().says(&[
            "skipped ./broken.yaml:1:4: this is not YAML",
            "skipped ./comment.yaml:1:3: this is a template",
            "skipped ./latin-1.yaml:1:4: this is not text in UTF-8",
            "skipped ./line.yaml:1:3: U+2028 ends a line for Kubernetes",
            "skipped ./template.yaml:2:1: this is a template",
        ]);
        assert_eq!(outcome.stdout.matches("[not-looked-at]").count(), 5, "{}", outcome.stdout);
        assert!(outcome.stdout.contains("Pod good, web: restricted"), "{}", outcome.stdout);
    }
    let restricted = ["--require", "restricted"];
    audit_folder(&dir, &restricted).expect_exit(10).run().says(&["./template.yaml"]);
    audit_folder(&dir, &["--require", "restricted", "--ignore-unknown"]).run();
    let report = audit_folder(&dir, &["--format", "json"]).run().json();
    let schema: Value = serde_json::from_str(strait_profiles::schema::AUDIT_V1).unwrap();
    assert!(jsonschema::is_valid(&schema, &report), "{report:#}");
    assert_eq!(report["not_understood"], 5);

    std::fs::remove_file(dir.path().join("good.yaml")).unwrap();
    audit_folder(&dir, &[]).expect_exit(1).run().says(&["none of 5 files can be audited"]);
}

#[test]
fn levels_are_those_of_the_version_that_is_named() {
    let probe = "    livenessProbe: {httpGet: {host: example.org, port: 80}}\n";
    let dir = with(&format!("{}{probe}", good()));
    let required = |version: &'static str| ["--require", "restricted", "--kubernetes", version];
    audit(&dir, &required("1.33")).run();
    audit(&dir, &required("v1.34.2")).expect_exit(10).run().says(&["below restricted"]);
    let outcome = audit(&dir, &[])
        .run()
        .says(&["levels are those of Kubernetes 1.37, the newest version known"]);
    assert!(outcome.stdout.contains("livenessProbe.httpGet.host: not set"), "{}", outcome.stdout);
    let report = audit(&dir, &["--kubernetes", "1.33", "--format", "json"]).run().json();
    assert_eq!(report["pod_security_standards"], "1.33");
    for unknown in ["1.24", "1.99", "latest", "", "34"] {
        audit(&dir, &["--kubernetes", unknown]).expect_exit(2).run();
    }
}
