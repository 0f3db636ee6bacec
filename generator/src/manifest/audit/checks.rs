//! The checks of one pod.

use std::collections::HashMap;

use super::{Finding, Rule};
use crate::manifest::Manifest;
use crate::manifest::apply::effective;
use crate::manifest::fix::deprecated;
use crate::manifest::name::check_place;
use crate::manifest::pod::{Container, Pod};
use crate::manifest::tree::NodeId;

/// What there is to say about a pod.
pub(super) fn check(manifest: &Manifest<'_>, pod: &Pod) -> Vec<Finding> {
    let tree = &manifest.tree;
    let volumes = pod.volumes(tree);
    // Of several with one name the first counts.
    let by_name =
        volumes.iter().rev().map(|volume| (tree.find_text(*volume, &["name"]), *volume)).collect();
    let mut checks = Checks { manifest, pod, volumes: by_name, found: Vec::new() };
    checks.annotations();
    if pod.windows {
        let message = "a Windows pod, which must not have a seccomp profile: it is left unchanged";
        checks.add(Rule::Windows, pod.spec, None, message);
    }
    checks.pod();
    for container in &pod.containers {
        if !pod.windows {
            checks.seccomp(container);
            checks.privileges(container);
        }
        checks.host_paths(container);
    }
    checks.found
}

struct Checks<'a> {
    manifest: &'a Manifest<'a>,
    pod: &'a Pod,
    volumes: HashMap<Option<&'a str>, NodeId>,
    found: Vec<Finding>,
}

impl Checks<'_> {
    fn add(
        &mut self,
        rule: Rule,
        at: NodeId,
        container: Option<&Container>,
        message: impl Into<String>,
    ) {
        self.found.push(Finding {
            rule,
            at: self.manifest.tree.position(at),
            path: self.manifest.tree.path(at),
            owner: self.pod.owner.clone(),
            container: container.map(|container| container.name.clone()),
            message: message.into(),
        });
    }

    fn annotations(&mut self) {
        let containers = self.pod.containers.iter().rev();
        let containers: HashMap<&str, &Container> =
            containers.map(|container| (container.name.as_str(), container)).collect();
        for annotation in deprecated(&self.manifest.tree, self.pod) {
            let instead = match annotation.container() {
                Some(name) => format!("container {name}'s securityContext.seccompProfile"),
                None => "the pod's securityContext.seccompProfile".to_owned(),
            };
            let way_out = match annotation.field() {
                Some(_) if self.pod.by_shape => "Replace it by hand",
                Some(_) => "`strait audit --fix` replaces it",
                None => "Its value is unknown: correct it by hand",
            };
            let container = annotation.container().and_then(|name| containers.get(name).copied());
            let message = format!(
                "annotation {}: {} is ignored since Kubernetes 1.27; the field for it is {instead}. {way_out}",
                annotation.key, annotation.value,
            );
            self.add(Rule::DeprecatedAnnotation, annotation.node, container, message);
        }
    }

    fn pod(&mut self) {
        let tree = &self.manifest.tree;
        for (field, what) in [
            ("hostNetwork", "the host's network"),
            ("hostPID", "the host's processes"),
            ("hostIPC", "the host's shared memory"),
        ] {
            if let Some(node) = self.pod.find(tree, &[field])
                && tree.boolean(node) == Some(true)
            {
                let message = format!("{field}: true gives the pod {what}");
                self.add(Rule::HostNamespace, node, None, message);
            }
        }
        let mounts = self.pod.find(tree, &["automountServiceAccountToken"]);
        if mounts.and_then(|node| tree.boolean(node)) != Some(false) {
            let message = "gets a token of its service account; set automountServiceAccountToken: false if it \
                           does not talk to the cluster";
            self.add(Rule::ServiceAccountToken, mounts.unwrap_or(self.pod.spec), None, message);
        }
    }

    fn seccomp(&mut self, container: &Container) {
        let tree = &self.manifest.tree;
        let at = |keys: &[&str]| {
            let own = container.find(tree, keys);
            own.or_else(|| self.pod.find(tree, keys)).unwrap_or(container.node)
        };
        let kind = ["securityContext", "seccompProfile", "type"];
        let name = ["securityContext", "seccompProfile", "localhostProfile"];
        match effective(tree, self.pod, container) {
            None => self.add(
                Rule::NoProfile,
                container.node,
                Some(container),
                "asks for no seccomp profile, and unless the kubelet has seccompDefault gets none",
            ),
            Some(("Unconfined", _)) => self.add(
                Rule::Unconfined,
                at(&kind),
                Some(container),
                "type: Unconfined lets it make every system call",
            ),
            Some(("Localhost", name_given)) => {
                if let Err(error) = check_place(name_given.unwrap_or_default()) {
                    self.add(Rule::ProfileName, at(&name), Some(container), error.to_string());
                }
            }
            Some(_) => {}
        }
        if let Some(node) = container.find(tree, &["securityContext", "privileged"])
            && tree.boolean(node) == Some(true)
        {
            self.add(
                Rule::Privileged,
                node,
                Some(container),
                "privileged: true: a seccomp profile has no effect, whatever its field says",
            );
        }
    }

    fn privileges(&mut self, container: &Container) {
        let tree = &self.manifest.tree;
        let own = |key| container.find(tree, &["securityContext", key]);
        let is = |node: Option<NodeId>| node.and_then(|node| tree.boolean(node));
        let at = |node: Option<NodeId>| node.unwrap_or(container.node);
        let mut add = Vec::new();

        let escalation = own("allowPrivilegeEscalation");
        if is(escalation) != Some(false) {
            let message = "set allowPrivilegeEscalation: false (`strait apply --no-privilege-escalation` does): \
                           setuid programs gain nothing then, and with `strait generate --no-new-privs` the \
                           profile needs fewer calls";
            add.push((Rule::PrivilegeEscalation, at(escalation), message));
        }
        let own_non_root = own("runAsNonRoot");
        let non_root =
            own_non_root.or_else(|| self.pod.find(tree, &["securityContext", "runAsNonRoot"]));
        if is(non_root) != Some(true) {
            let message = "set runAsNonRoot: true, and runAsUser if the image's user is root";
            add.push((Rule::RunAsRoot, at(non_root), message));
        }
        let read_only = own("readOnlyRootFilesystem");
        if is(read_only) != Some(true) {
            let message =
                "set readOnlyRootFilesystem: true, with an emptyDir for what it has to write";
            add.push((Rule::WritableRoot, at(read_only), message));
        }
        let dropped = container.find(tree, &["securityContext", "capabilities", "drop"]);
        let drops_all = dropped.is_some_and(|list| {
            tree.items(list).iter().any(|name| tree.text(*name) == Some("ALL"))
        });
        if !drops_all {
            let message = "set capabilities.drop: [ALL], and add back what it needs";
            add.push((Rule::Capabilities, at(dropped), message));
        }
        for (rule, node, message) in add {
            self.add(rule, node, Some(container), message);
        }
    }

    fn host_paths(&mut self, container: &Container) {
        let tree = &self.manifest.tree;
        let mounts =
            container.find(tree, &["volumeMounts"]).map_or(&[][..], |node| tree.items(node));
        for mount in mounts {
            let volume = self.volumes.get(&tree.find_text(*mount, &["name"]));
            let path = volume.and_then(|volume| tree.find_text(*volume, &["hostPath", "path"]));
            let read_only = tree.find(*mount, &["readOnly"]).and_then(|node| tree.boolean(node));
            if let (Some(path), false) = (path, read_only == Some(true)) {
                let message =
                    format!("may write to {path} of the host; set readOnly: true on the mount");
                self.add(Rule::WritableHostPath, *mount, Some(container), message);
            }
        }
    }
}
