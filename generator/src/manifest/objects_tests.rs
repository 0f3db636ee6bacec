//! What is found in objects, whatever their kind, and what is said of the rest.

use super::*;

/// Name and image of each container, by pod, and why objects are not understood.
fn found(text: &str) -> (Vec<Vec<String>>, Vec<String>) {
    let manifest = Manifest::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let names = |pod: &Pod| pod.containers.iter().map(|one| one.name.clone()).collect();
    let reasons = manifest.unknown.iter().map(|one| format!("{}: {}", one.owner, one.reason));
    (manifest.pods.iter().map(names).collect(), reasons.collect())
}

fn pods(text: &str) -> Vec<Vec<String>> {
    let (pods, unknown) = found(text);
    assert_eq!(unknown, [] as [&str; 0], "{text}");
    pods
}

#[test]
fn pods_are_found_by_shape_in_any_kind() {
    let head = "metadata: {name: x}\n";
    for (text, expected) in [
        (
            "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec:\n  pytorchReplicaSpecs:\n    Master:\n      \
             template:\n        spec:\n          containers: [{name: a, image: i}]\n    Worker:\n      template:\n        \
             spec:\n          initContainers: [{name: b, image: i}]\n          containers: [{name: c, image: i}]\n",
            vec![vec!["a"], vec!["b", "c"]],
        ),
        (
            "apiVersion: example.org/v1\nkind: X\nspec: {podTemplate: {spec: {containers: [{image: i, name: a}]}}, \
             jobs: [{podSpec: {containers: [{name: b, securityContext: {}}, {}]}}]}\n",
            vec![vec!["a"], vec!["b", ""]],
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - name: t\n    container: \
             {image: i}\n    sidecars: [{name: s, image: i}]\n  - name: u\n    script: {image: i, source: x}\n  - \
             name: v\n    containerSet: {containers: [{name: w, image: i}]}\n  - name: d\n    steps: [[{name: a, \
             template: t}]]\n",
            vec![vec!["s", "container"], vec!["script"], vec!["w"]],
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nspec: {workflowSpec: {templates: [{container: \
             {image: i}}]}}\n",
            vec![vec!["container"]],
        ),
        (
            "apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: [{image: i, script: x}, {name: b, image: i}], \
             sidecars: [{name: s, image: i}]}\n",
            vec![vec!["", "b", "s"]],
        ),
        (
            "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineSpec: {tasks: [{taskSpec: {steps: [{name: \
             a, image: i}]}}]}}\n",
            vec![vec!["a"]],
        ),
        (
            "apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {apiVersion: v1, kind: Service}\n- \
             {apiVersion: v1, kind: Pod, spec: {containers: [{name: a}]}}\n",
            vec![vec!["a"]],
        ),
        (
            "apiVersion: work.open-cluster-management.io/v1\nkind: ManifestWork\nspec: {workload: {manifests: [{kind: \
             Pod, apiVersion: v1, spec: {containers: [{name: a, image: i}]}}]}}\n",
            vec![vec!["a"]],
        ),
        (
            "x: &c {containers: [{name: a, image: i}]}\napiVersion: example.org/v1\nkind: X\nspec: {a: *c, b: {<<: \
             *c}}\n",
            vec![vec!["a"], vec!["a"]],
        ),
    ] {
        assert_eq!(pods(&format!("{head}{text}")), expected, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_listed() {
    for (text, reason) in [
        (
            "{apiVersion: example.org/v1, kind: Database, metadata: {name: x}, spec: {image: i}}",
            "Database x: no pod was",
        ),
        (
            "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: x}}",
            "HelmRelease x: what runs",
        ),
        (
            "{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization}",
            "Kustomization: it changes other",
        ),
        (
            "{apiVersion: tekton.dev/v1, kind: TaskRun, spec: {taskRef: {name: t}}}",
            "TaskRun: taskRef refers to",
        ),
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {workloadRef: {}}}",
            "Rollout: no containers were found",
        ),
        (
            "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3}}",
            "Deployment: no containers were found",
        ),
        ("{apiVersion: v1, kind: Pod, spec: {containers: []}}", "Pod: no containers were found"),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: '{{ x }}'}}",
            "Pod: no containers were found",
        ),
        ("{image: i}", ": not a Kubernetes object"),
        ("[{op: add, path: /spec/hostNetwork, value: true}]", ": not a Kubernetes object"),
        // The same kind of another group.
        ("{apiVersion: example.org/v1, kind: ConfigMap}", "ConfigMap: no pod was"),
        ("{apiVersion: example.org/v1, kind: AccessList, items: 3}", "AccessList: no pod was"),
        (
            "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, spec: {pattern: {containers: [{name: a, image: i}]}}}",
            "ClusterPolicy: its rules may make pods",
        ),
        (
            "{apiVersion: example.org/v1, kind: X, spec: {containers: [{name: a}, {name: b}]}}",
            "X: no pod was",
        ),
    ] {
        let (pods, unknown) = found(text);
        assert_eq!(pods, [] as [Vec<String>; 0], "{text}");
        assert!(
            matches!(unknown.as_slice(), [one] if one.starts_with(reason)),
            "{text}: {unknown:?}"
        );
    }
}

/// What is in such an object is looked at, but that is not all.
#[test]
fn what_is_partly_understood_is_listed_too() {
    for (text, key) in [
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, spec: {podSpecPatch: x, templates: [{container: {image: \
             i}}]}}",
            "podSpecPatch refers to",
        ),
        (
            "{apiVersion: tekton.dev/v1, kind: Pipeline, spec: {tasks: [{taskSpec: {steps: [{image: i}]}}, {taskRef: \
             {name: t}}]}}",
            "taskRef refers to",
        ),
        (
            "{apiVersion: monitoring.coreos.com/v1, kind: Prometheus, spec: {containers: [{name: p, image: i}]}}",
            "an operator adds",
        ),
    ] {
        let (pods, unknown) = found(text);
        assert_eq!(pods.len(), 1, "{text}");
        assert!(unknown.len() == 1 && unknown[0].contains(key), "{unknown:?}");
    }
}

#[test]
fn kinds_without_pods_need_no_finding() {
    for text in [
        "",
        "---\n# nothing\n---\n",
        "{apiVersion: v1, kind: List, items: []}",
        "{apiVersion: v1, kind: ConfigMap, data: {a: 'containers: [{image: i}]'}}",
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, spec: {properties: {containers: {}}}}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleList, items: [{apiVersion: \
         rbac.authorization.k8s.io/v1, kind: ClusterRole}]}",
    ] {
        assert_eq!(pods(text), [] as [Vec<String>; 0], "{text}");
    }
}

/// The level of each container, as YAML in flow style.
fn levels(text: &str) -> Vec<String> {
    let manifest = Manifest::parse(text).unwrap();
    let audit = audit::Audit::new("x", &manifest, audit::Version::newest());
    audit.levels.iter().map(|level| level.level.to_string()).collect()
}

#[test]
fn what_is_around_a_pod_counts_for_it() {
    let hard = "allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}";
    let workflow = |spec: &str, template: &str| {
        levels(&format!(
            "{{apiVersion: argoproj.io/v1alpha1, kind: Workflow, spec: {{{spec} templates: [{{{template} container: \
             {{image: i, securityContext: {{{hard}}}}}}}]}}}}"
        ))
    };
    assert_eq!(workflow("", ""), ["baseline"]);
    assert_eq!(workflow("securityContext: {runAsNonRoot: true},", ""), ["restricted"]);
    // The template's own takes the place of the workflow's.
    let own = "securityContext: {fsGroup: 1},";
    assert_eq!(workflow("securityContext: {runAsNonRoot: true},", own), ["baseline"]);
    assert_eq!(workflow("hostNetwork: true,", ""), ["privileged"]);
    assert_eq!(workflow("volumes: [{name: v, hostPath: {path: /}}],", ""), ["privileged"]);
    let defaults = "templateDefaults: {container: {securityContext: {privileged: true}}},";
    assert_eq!(workflow(defaults, ""), ["privileged"]);

    let run = |task: &str, run: &str| {
        levels(&format!(
            "{{apiVersion: tekton.dev/v1, kind: TaskRun, spec: {{{run} taskSpec: {{{task} steps: [{{name: a, image: i, \
             securityContext: {{allowPrivilegeEscalation: false}}}}]}}}}}}"
        ))
    };
    let template = "stepTemplate: {securityContext: {capabilities: {drop: [ALL]}}},";
    let pod = "podTemplate: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}},";
    assert_eq!(run("", ""), ["baseline"]);
    assert_eq!(run(template, pod), ["restricted"]);
    assert_eq!(run("stepTemplate: {securityContext: {privileged: true}},", pod), ["privileged"]);
    assert_eq!(run("", "podTemplate: {hostNetwork: true},"), ["privileged"]);
}

/// They may be another's business: an operator that takes some fields only, or an image's name for a label.
#[test]
fn what_is_found_by_shape_is_not_edited() {
    let text = "apiVersion: example.org/v1\nkind: X\nspec:\n  containers:\n  - name: web\n    image: web\n";
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!((manifest.pods.len(), manifest.editable().count()), (1, 0));
}

/// Aliases make much of little.
#[test]
fn a_search_comes_to_an_end() {
    let shared = format!("a: &s [{}]", "1, ".repeat(50));
    let object = "- {apiVersion: example.org/v1, kind: X, spec: *s}\n";
    let many = 20_000;
    let text = format!("{shared}\napiVersion: v1\nkind: List\nitems:\n{}", object.repeat(many));
    assert!(matches!(Manifest::parse(&text), Err(ManifestError::TooMuch { .. })));
    let cycle = "apiVersion: example.org/v1\nkind: X\nspec: &s {containers: [{image: i, name: a}], again: *s}\n";
    assert_eq!(pods(cycle), [["a"]]);
}

/// As kubectl 1.32 does. Others take the key's own, so it is listed as well.
#[test]
fn a_key_above_a_merge_key_is_overridden() {
    let pod = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{annotations: &b {{hostPID: true}}}}\nspec:\n  containers: [{{name: \
             c}}]\n{spec}"
        )
    };
    for (spec, level, ambiguous) in [
        ("  hostPID: false\n  <<: *b\n", "privileged", true),
        ("  <<: *b\n  hostPID: false\n", "baseline", false),
        ("  hostPID: true\n  <<: *b\n", "privileged", false),
        ("  <<: *b\n  <<: {hostPID: false}\n", "baseline", false),
        ("  <<: {hostPID: false}\n  <<: *b\n", "privileged", false),
        ("  <<: [*b, {hostPID: false}]\n", "privileged", false),
        ("  <<: [{hostPID: false}, *b]\n", "baseline", false),
        ("  hostPID: y\n", "privileged", false),
        ("  hostPID: n\n", "baseline", false),
    ] {
        let text = pod(spec);
        assert_eq!(levels(&text), [level], "{text}");
        let (_, unknown) = found(&text);
        assert_eq!(unknown.len(), usize::from(ambiguous), "{text}{unknown:?}");
    }
}

#[test]
fn volumes_that_merge_the_same_long_mapping_are_counted() {
    let long: String = (0..2000).map(|nth| format!("k{nth}: 1, ")).collect();
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{annotations: &l {{{long}}}}}\nspec:\n  containers: [{{name: \
         c}}]\n  volumes:\n{}",
        "  - {<<: *l}\n".repeat(5000)
    );
    assert!(matches!(Manifest::parse(&text), Err(ManifestError::TooMuch { .. })));
}
