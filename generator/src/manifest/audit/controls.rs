//! The controls of the levels, one by one, as the API server decides about them.
//!
//! A setting of the pod counts beside that of a container, whichever is in force: Kubernetes refuses the pod for
//! either.

use super::{FACTS, Level, Names, Obstacle};
use crate::manifest::audit::Version;
use crate::manifest::pod::{Container, Pod};
use crate::manifest::tree::{NodeId, Tree};

pub(super) fn obstacles(
    tree: &Tree,
    pod: &Pod,
    container: &Container,
    version: Version,
) -> Vec<Obstacle> {
    let user_namespace = version >= FACTS.user_namespaces.since
        && pod.find(tree, &["hostUsers"]).and_then(|node| tree.boolean(node)) == Some(false);
    let windows = pod.find_text(tree, &["os", "name"]) == Some("windows");
    let mut check =
        Check { tree, pod, container, version, user_namespace, windows, found: Vec::new() };
    check.host_namespaces();
    check.sysctls();
    check.privileged();
    check.capabilities();
    check.host_ports();
    check.hosts();
    check.app_armor();
    check.selinux();
    check.seccomp();
    check.proc_mount();
    check.volumes();
    check.non_root();
    check.escalation();
    check.found
}

struct Check<'a> {
    tree: &'a Tree,
    pod: &'a Pod,
    container: &'a Container,
    version: Version,
    /// Whether the pod has a user namespace, and the version makes something of that.
    user_namespace: bool,
    /// Whether the pod says that it runs on Windows. Where it is scheduled does not count.
    windows: bool,
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

    fn restricted(&mut self, node: NodeId, field: &str, asks: &str) {
        self.add(Level::Restricted, node, field, asks);
    }

    fn allows(&self, names: &[Names], name: &str) -> bool {
        names.iter().any(|some| {
            some.since <= self.version && some.names.split(' ').any(|listed| listed == name)
        })
    }

    /// A key of the container's security context.
    fn own(&self, key: &str) -> Option<NodeId> {
        self.container.find(self.tree, &["securityContext", key])
    }

    /// A key of the security context of the pod, and of the container.
    fn both(&self, key: &str) -> impl Iterator<Item = NodeId> + use<> {
        let of_pod = self.pod.find(self.tree, &["securityContext", key]);
        of_pod.into_iter().chain(self.own(key))
    }

    fn boolean(&self, node: Option<NodeId>) -> Option<bool> {
        node.and_then(|node| self.tree.boolean(node))
    }

    fn items(&self, node: Option<NodeId>) -> &'a [NodeId] {
        node.map_or(&[], |node| self.tree.items(node))
    }

    fn host_namespaces(&mut self) {
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            if let Some(node) = self.pod.find(self.tree, &[field])
                && self.tree.boolean(node) != Some(false)
            {
                self.baseline(node, field, "false or not set");
            }
        }
    }

    fn sysctls(&mut self) {
        let sysctls = self.pod.find(self.tree, &["securityContext", "sysctls"]);
        for sysctl in self.items(sysctls) {
            let name = self.tree.find_text(*sysctl, &["name"]).unwrap_or_default();
            if !self.allows(&FACTS.baseline.sysctls, name) {
                self.baseline(*sysctl, "securityContext.sysctls", "only safe ones");
            }
        }
    }

    fn privileged(&mut self) {
        if let Some(node) = self.own("privileged")
            && self.tree.boolean(node) != Some(false)
        {
            self.baseline(node, "securityContext.privileged", "false or not set");
        }
        for options in self.both("windowsOptions") {
            if let Some(node) = self.tree.find(options, &["hostProcess"])
                && self.tree.boolean(node) != Some(false)
            {
                let field = "securityContext.windowsOptions.hostProcess";
                self.baseline(node, field, "false or not set");
            }
        }
    }

    fn capabilities(&mut self) {
        let of = |key| ["securityContext", "capabilities", key];
        let added = self.container.find(self.tree, &of("add"));
        for capability in self.items(added) {
            let name = self.tree.text(*capability).unwrap_or_default();
            let field = format!("securityContext.capabilities.add ({name})");
            if !self.allows(&FACTS.baseline.capabilities, name) {
                self.baseline(*capability, &field, "only what containers have by default");
            } else if !self.windows && !self.allows(&FACTS.restricted.capabilities, name) {
                self.restricted(*capability, &field, "NET_BIND_SERVICE only");
            }
        }
        let dropped = self.container.find(self.tree, &of("drop"));
        let is_all = |name: &NodeId| self.tree.text(*name) == Some("ALL");
        if !self.windows && !self.items(dropped).iter().any(is_all) {
            self.restricted(self.container.node, "securityContext.capabilities.drop", "ALL");
        }
    }

    fn host_ports(&mut self) {
        let ports = self.container.find(self.tree, &["ports"]);
        for port in self.items(ports) {
            if let Some(host) = self.tree.find(*port, &["hostPort"])
                && !self.tree.is_zero(host)
            {
                self.baseline(host, "ports[].hostPort", "not set");
            }
        }
    }

    /// A probe that names a host makes the node send requests elsewhere.
    fn hosts(&mut self) {
        if self.version < FACTS.baseline.hosts_refused_since {
            return;
        }
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
                if let Some(host) = self.container.find(self.tree, &keys)
                    && self.tree.text(host) != Some("")
                {
                    self.baseline(host, &keys.join("."), "not set");
                }
            }
        }
    }

    fn app_armor(&mut self) {
        let tree = self.tree;
        let annotations = tree.find(self.pod.template, &["metadata", "annotations"]);
        for (key, value) in annotations.map_or(Vec::new(), |node| tree.all_entries(node)) {
            // Of any container, also of one that is not there.
            let is_one = tree.text(key).is_some_and(|key| {
                key.starts_with("container.apparmor.security.beta.kubernetes.io/")
            });
            let text = tree.text(value).unwrap_or_default();
            let fine = matches!(text, "" | "runtime/default") || text.starts_with("localhost/");
            if is_one && !fine {
                self.baseline(value, "metadata.annotations", "an AppArmor profile");
            }
        }
        if self.version < FACTS.baseline.apparmor_fields_since {
            return;
        }
        for node in self.both("appArmorProfile") {
            let kind = tree.find_text(node, &["type"]).unwrap_or_default();
            if !self.allows(&FACTS.baseline.apparmor_types, kind) {
                self.baseline(node, "securityContext.appArmorProfile.type", "a profile");
            }
        }
    }

    fn selinux(&mut self) {
        let tree = self.tree;
        for options in self.both("seLinuxOptions") {
            if let Some(node) = tree.find(options, &["type"])
                && let kind = tree.text(node).unwrap_or("?")
                && !kind.is_empty()
                && !self.allows(&FACTS.baseline.selinux_types, kind)
            {
                self.baseline(node, "securityContext.seLinuxOptions.type", "a container's type");
            }
            for key in ["user", "role"] {
                if let Some(node) = tree.find(options, &[key])
                    && tree.text(node) != Some("")
                {
                    let field = format!("securityContext.seLinuxOptions.{key}");
                    self.baseline(node, &field, "not set");
                }
            }
        }
    }

    fn seccomp(&mut self) {
        let mut is_set = false;
        for node in self.both("seccompProfile") {
            is_set = true;
            let kind = self.tree.find(node, &["type"]);
            let text = kind.and_then(|node| self.tree.text(node)).unwrap_or_default();
            if !self.allows(&FACTS.baseline.seccomp_types, text) {
                let field = "securityContext.seccompProfile.type";
                self.baseline(kind.unwrap_or(node), field, "a profile");
            }
        }
        if !is_set && !self.windows {
            let field = "securityContext.seccompProfile.type";
            self.restricted(self.container.node, field, "RuntimeDefault or Localhost");
        }
    }

    fn proc_mount(&mut self) {
        let Some(node) = self.own("procMount") else { return };
        if self.tree.text(node) != Some("Default") {
            // Restricted makes no exception for user namespaces.
            let from = if self.user_namespace { Level::Restricted } else { Level::Baseline };
            self.add(from, node, "securityContext.procMount", "Default or not set");
        }
    }

    fn volumes(&mut self) {
        let tree = self.tree;
        for volume in self.pod.volumes(tree) {
            for (key, value) in tree.all_entries(volume) {
                let kind = tree.text(key).unwrap_or_default();
                if kind == "name" || tree.is_null(value) {
                    continue;
                }
                if kind == "hostPath" {
                    self.baseline(value, "volumes[].hostPath", "not set");
                } else if !self.allows(&FACTS.restricted.volume_types, kind) {
                    self.restricted(key, &format!("volumes[].{kind}"), "another type of volume");
                }
            }
        }
    }

    fn non_root(&mut self) {
        if self.user_namespace {
            return;
        }
        let field = "securityContext.runAsNonRoot";
        let of_pod = self.pod.find(self.tree, &["securityContext", "runAsNonRoot"]);
        let own = self.own("runAsNonRoot");
        let (for_pod, for_own) = (self.boolean(of_pod), self.boolean(own));
        if let Some(node) = of_pod.filter(|_| for_pod != Some(true)) {
            self.restricted(node, field, "true");
        }
        if own.is_some() && for_own != Some(true) || own.is_none() && of_pod.is_none() {
            self.restricted(own.unwrap_or(self.container.node), field, "true");
        }
        for node in self.both("runAsUser") {
            // What is no number yet, such as `${UID}`, may become 0.
            if !self.tree.is_number(node) || self.tree.is_zero(node) {
                self.restricted(node, "securityContext.runAsUser", "not 0");
            }
        }
    }

    fn escalation(&mut self) {
        if !self.windows && self.boolean(self.own("allowPrivilegeEscalation")) != Some(false) {
            let field = "securityContext.allowPrivilegeEscalation";
            self.restricted(self.container.node, field, "false");
        }
    }
}
