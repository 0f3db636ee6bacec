//! Pod Security Standards: which level a container reaches, and which fields are in the way of a higher one.
//! The facts are in `profiles/kubernetes/pod-security.json`.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::manifest::pod::{Container, Pod};
use crate::manifest::tree::{NodeId, Tree};

#[derive(Deserialize)]
struct Facts {
    version: String,
    baseline: Baseline,
    restricted: Restricted,
}

#[derive(Deserialize)]
struct Baseline {
    capabilities: String,
    sysctls: String,
    selinux_types: String,
    apparmor_types: String,
    seccomp_types: String,
}

#[derive(Deserialize)]
struct Restricted {
    capabilities: String,
    volume_types: String,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let text = include_str!("../../../../profiles/kubernetes/pod-security.json");
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

/// The version of the standard that the facts are of.
pub fn version() -> &'static str {
    &FACTS.version
}

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|listed| listed == word)
}

/// A level of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No restrictions.
    Privileged,
    /// No known way to more privileges.
    Baseline,
    /// Hardened.
    Restricted,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// A field that keeps a container from a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The level that it is kept from.
    pub from: Level,
    /// Where the field is; where it would be put, if it is missing.
    pub node: NodeId,
    /// The field's name below the pod's or container's own, such as `securityContext.privileged`.
    pub field: String,
    /// What the level asks of it.
    pub asks: String,
}

/// The level that is reached with these obstacles.
pub fn level(obstacles: &[Obstacle]) -> Level {
    match obstacles.iter().map(|obstacle| obstacle.from).min() {
        Some(Level::Baseline | Level::Privileged) => Level::Privileged,
        Some(Level::Restricted) => Level::Baseline,
        None => Level::Restricted,
    }
}

/// What keeps a container of a pod from baseline and restricted, the pod's own fields included.
pub fn obstacles(tree: &Tree, pod: &Pod, container: &Container) -> Vec<Obstacle> {
    let mut check = Check { tree, pod, container, found: Vec::new() };
    check.baseline_of_pod();
    check.baseline_of_container();
    check.volumes();
    check.restricted();
    check.found
}

struct Check<'a> {
    tree: &'a Tree,
    pod: &'a Pod,
    container: &'a Container,
    found: Vec<Obstacle>,
}

impl<'a> Check<'a> {
    fn add(&mut self, from: Level, node: NodeId, field: &str, asks: &str) {
        let (field, asks) = (field.to_owned(), asks.to_owned());
        self.found.push(Obstacle { from, node, field, asks });
    }

    fn baseline(&mut self, node: NodeId, field: &str, asks: &str) {
        self.add(Level::Baseline, node, field, asks);
    }

    /// The text of a key of the container's security context, or else of the pod's.
    fn inherited(&self, keys: &[&str]) -> Option<(NodeId, &'a str)> {
        let keys = [&["securityContext"], keys].concat();
        let tree = self.tree;
        [self.container.node, self.pod.spec].into_iter().find_map(|node| {
            let found = tree.find(node, &keys)?;
            Some((found, tree.text(found)?))
        })
    }

    fn baseline_of_pod(&mut self) {
        let (tree, spec) = (self.tree, self.pod.spec);
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            if let Some(node) = tree.find(spec, &[field])
                && tree.boolean(node) != Some(false)
            {
                self.baseline(node, field, "false or not set");
            }
        }
        let sysctls = tree.find(spec, &["securityContext", "sysctls"]);
        for sysctl in sysctls.map_or(&[][..], |node| tree.items(node)) {
            let name = tree.find_text(*sysctl, &["name"]).unwrap_or_default();
            if !lists(&FACTS.baseline.sysctls, name) {
                self.baseline(*sysctl, "securityContext.sysctls", "only safe ones");
            }
        }
        let annotations = tree.find(self.pod.template, &["metadata", "annotations"]);
        for (key, value) in annotations.map_or(&[][..], |node| tree.entries(node)) {
            let of = tree.text(*key).and_then(|key| {
                key.strip_prefix("container.apparmor.security.beta.kubernetes.io/")
            });
            let value_text = tree.text(*value).unwrap_or_default();
            let fine = matches!(value_text, "" | "runtime/default")
                || value_text.starts_with("localhost/");
            if of == Some(self.container.name.as_str()) && !fine {
                self.baseline(*value, "metadata.annotations", "an AppArmor profile");
            }
        }
    }

    fn baseline_of_container(&mut self) {
        let (tree, node) = (self.tree, self.container.node);
        if let Some(found) = tree.find(node, &["securityContext", "privileged"])
            && tree.boolean(found) != Some(false)
        {
            self.baseline(found, "securityContext.privileged", "false or not set");
        }
        if let Some((found, text)) = self.inherited(&["windowsOptions", "hostProcess"])
            && text != "false"
        {
            let field = "securityContext.windowsOptions.hostProcess";
            self.baseline(found, field, "false or not set");
        }
        if !self.pod.windows {
            self.capabilities();
        }
        let ports = tree.find(node, &["ports"]);
        for port in ports.map_or(&[][..], |ports| tree.items(ports)) {
            if let Some(host) = tree.find(*port, &["hostPort"])
                && tree.text(host) != Some("0")
            {
                self.baseline(host, "ports[].hostPort", "not set");
            }
        }
        self.host_probes();
        self.confinement();
        if let Some(found) = tree.find(node, &["securityContext", "procMount"])
            && tree.text(found) != Some("Default")
        {
            self.baseline(found, "securityContext.procMount", "Default or not set");
        }
    }

    fn capabilities(&mut self) {
        let tree = self.tree;
        let keys = ["securityContext", "capabilities", "add"];
        let added = tree.find(self.container.node, &keys);
        for capability in added.map_or(&[][..], |node| tree.items(node)) {
            let name = tree.text(*capability).unwrap_or_default();
            let field = format!("securityContext.capabilities.add ({name})");
            if !lists(&FACTS.baseline.capabilities, name) {
                self.baseline(*capability, &field, "only what containers have by default");
            } else if !lists(&FACTS.restricted.capabilities, name) {
                self.add(Level::Restricted, *capability, &field, "NET_BIND_SERVICE only");
            }
        }
    }

    /// A probe that names a host makes the node send requests elsewhere.
    fn host_probes(&mut self) {
        let tree = self.tree;
        let handlers = [
            &["livenessProbe"][..],
            &["readinessProbe"],
            &["startupProbe"],
            &["lifecycle", "postStart"],
            &["lifecycle", "preStop"],
        ];
        for handler in handlers {
            for action in ["httpGet", "tcpSocket"] {
                let keys = [handler, &[action, "host"]].concat();
                if let Some(host) = tree.find(self.container.node, &keys)
                    && tree.text(host) != Some("")
                {
                    self.baseline(host, &keys.join("."), "not set");
                }
            }
        }
    }

    /// AppArmor, SELinux and seccomp.
    fn confinement(&mut self) {
        if let Some((node, kind)) = self.inherited(&["appArmorProfile", "type"])
            && !lists(&FACTS.baseline.apparmor_types, kind)
        {
            self.baseline(node, "securityContext.appArmorProfile.type", "a profile");
        }
        if let Some((node, kind)) = self.inherited(&["seLinuxOptions", "type"])
            && !kind.is_empty()
            && !lists(&FACTS.baseline.selinux_types, kind)
        {
            self.baseline(node, "securityContext.seLinuxOptions.type", "a container's type");
        }
        for key in ["user", "role"] {
            if let Some((node, text)) = self.inherited(&["seLinuxOptions", key])
                && !text.is_empty()
            {
                let field = format!("securityContext.seLinuxOptions.{key}");
                self.baseline(node, &field, "not set");
            }
        }
        // The admission plugin looks at the pod's field and at the container's, whichever is in force.
        for node in [self.pod.spec, self.container.node] {
            let keys = ["securityContext", "seccompProfile", "type"];
            if let Some(found) = self.tree.find(node, &keys)
                && let Some(kind) = self.tree.text(found)
                && !lists(&FACTS.baseline.seccomp_types, kind)
            {
                self.baseline(found, "securityContext.seccompProfile.type", "a profile");
            }
        }
    }

    fn volumes(&mut self) {
        let tree = self.tree;
        let volumes = tree.find(self.pod.spec, &["volumes"]);
        for volume in volumes.map_or(&[][..], |node| tree.items(node)) {
            for (key, value) in tree.entries(*volume) {
                let kind = tree.text(*key).unwrap_or_default();
                if matches!(kind, "name" | "<<") || tree.is_null(*value) {
                    continue;
                }
                if kind == "hostPath" {
                    self.baseline(*value, "volumes[].hostPath", "not set");
                } else if !lists(&FACTS.restricted.volume_types, kind) {
                    let field = format!("volumes[].{kind}");
                    self.add(Level::Restricted, *key, &field, "another type of volume");
                }
            }
        }
    }

    fn restricted(&mut self) {
        let (tree, node) = (self.tree, self.container.node);
        let is = |keys: &[&str], expected: bool| {
            tree.find(node, keys).and_then(|found| tree.boolean(found)) == Some(expected)
        };
        let non_root = self.inherited(&["runAsNonRoot"]).and_then(|(node, _)| tree.boolean(node));
        if non_root != Some(true) {
            self.add(Level::Restricted, node, "securityContext.runAsNonRoot", "true");
        }
        if let Some((found, "0")) = self.inherited(&["runAsUser"]) {
            self.add(Level::Restricted, found, "securityContext.runAsUser", "not 0");
        }
        if self.pod.windows {
            return;
        }
        if !is(&["securityContext", "allowPrivilegeEscalation"], false) {
            let field = "securityContext.allowPrivilegeEscalation";
            self.add(Level::Restricted, node, field, "false");
        }
        if self.inherited(&["seccompProfile", "type"]).is_none() {
            let field = "securityContext.seccompProfile.type";
            self.add(Level::Restricted, node, field, "RuntimeDefault or Localhost");
        }
        let dropped = tree.find(node, &["securityContext", "capabilities", "drop"]);
        let drops_all = dropped.is_some_and(|list| {
            tree.items(list).iter().any(|name| tree.text(*name) == Some("ALL"))
        });
        if !drops_all {
            self.add(Level::Restricted, node, "securityContext.capabilities.drop", "ALL");
        }
    }
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
