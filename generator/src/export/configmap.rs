//! A ConfigMap with the profile, and a DaemonSet that installs it on every node.

use serde_json::{Value, json};

use super::row::{Kind, Row};
use super::{ExportError, Exported, File, Named, Options, yaml};

pub(super) const TARGET: Row = Row {
    name: "configmap",
    help: "A ConfigMap, and a DaemonSet that installs it on every node",
    kind: Kind::Manifest,
    export: |_, options, named| export(options, named),
    ..Row::PLAIN
};

/// Runs on every node; see the file itself.
const SCRIPT: &str = strait_profiles::install::INSTALL;
const READY: &str = strait_profiles::install::READY;
/// Anything with a POSIX shell, cmp, cp, grep, mkdir, mv, rm and sleep.
const IMAGE: &str = "docker.io/library/busybox:1.37.0";
/// Kubernetes' own limit is 1 MiB for all of an object.
const MOST_BYTES: usize = 900_000;

fn export(options: &Options, named: &Named) -> Result<Exported, ExportError> {
    if named.json.len() > MOST_BYTES {
        return Err(ExportError::Unsuitable {
            target: "a ConfigMap",
            reason: format!("it has {} bytes, and {MOST_BYTES} fit", named.json.len()),
        });
    }
    let name = format!("{}-seccomp", options.name);
    if name.len() > 63 {
        return Err(ExportError::Unsuitable {
            target: "a ConfigMap",
            reason: format!("`{name}` is longer than 63 characters: give a shorter --name"),
        });
    }
    let mut metadata = json!({
        "name": name,
        "labels": {
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/managed-by": "strait",
        },
    });
    if let Some(namespace) = &options.namespace {
        metadata["namespace"] = json!(namespace.as_str());
    }
    let mut data = serde_json::Map::new();
    data.insert(named.file_name(), json!(named.json));
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data,
    });
    let daemon = json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": pod(options, &name),
            },
        },
    });
    let path = named.path();
    Ok(Exported {
        files: vec![
            File::text("configmap.yaml", yaml::document(&config)),
            File::text("daemonset.yaml", yaml::document(&daemon)),
        ],
        warnings: Vec::new(),
        notes: vec![
            format!(
                "`kubectl rollout status daemonset/{name}` ends when every node has the profile; then write \
                 localhostProfile: {path} into the pods"
            ),
            "keep the earlier releases' entries in the ConfigMap until no pod uses them: what is no longer \
             in it is removed from the nodes, and a pod that names it does not start again"
                .to_owned(),
            format!("the installer's image is {IMAGE}: take any other with a shell"),
        ],
    })
}

fn pod(options: &Options, config: &str) -> Value {
    json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "priorityClassName": "system-node-critical",
        "terminationGracePeriodSeconds": 5,
        // A profile has to be wherever its workload may run.
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        // The kubelet's folder belongs to root.
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "install",
            "image": IMAGE,
            "command": ["/bin/sh", "-c", SCRIPT],
            "env": [
                {"name": "NAME", "value": options.name.as_str()},
                {"name": "SOURCE", "value": "/profiles"},
                {"name": "SECCOMP", "value": "/kubelet-seccomp"},
                {"name": "PAUSE", "value": "10"},
            ],
            "readinessProbe": {
                "exec": {"command": ["/bin/sh", "-c", READY]},
                "periodSeconds": 2,
                "failureThreshold": 1,
            },
            "resources": {
                "requests": {"cpu": "1m", "memory": "8Mi"},
                "limits": {"memory": "32Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            },
            "volumeMounts": [
                {"name": "profiles", "mountPath": "/profiles", "readOnly": true},
                {"name": "kubelet-seccomp", "mountPath": "/kubelet-seccomp"},
            ],
        }],
        "volumes": [
            {"name": "profiles", "configMap": {"name": config}},
            {
                "name": "kubelet-seccomp",
                "hostPath": {"path": "/var/lib/kubelet/seccomp", "type": "DirectoryOrCreate"},
            },
        ],
    })
}
