//! Which kinds have a pod template, and where: `profiles/kubernetes/workloads.json`.

use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Table {
    kinds: Vec<Workload>,
}

/// Kinds that have their pod template in one place.
#[derive(Debug, Deserialize)]
pub struct Workload {
    groups: Vec<String>,
    kinds: Vec<String>,
    /// Keys that lead to the object with the pod's `metadata` and `spec`.
    pub template: Vec<String>,
    /// Whether the pod's own security context takes a profile.
    #[serde(default = "yes")]
    pub pod_level: bool,
}

fn yes() -> bool {
    true
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = strait_profiles::kubernetes::WORKLOADS;
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

/// What is known about a kind of a group; `None` if it has no pod template that we know of.
#[must_use]
pub fn find(group: &str, kind: &str) -> Option<&'static Workload> {
    TABLE.kinds.iter().find(|workload| {
        workload.groups.iter().any(|name| name == group)
            && workload.kinds.iter().any(|name| name == kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_workload_only_to_knative() {
        assert!(find("", "Service").is_none());
        assert!(find("serving.knative.dev", "Service").is_some_and(|found| !found.pod_level));
        assert!(find("apps", "Deployment").is_some_and(|found| found.pod_level));
        assert_eq!(find("", "Pod").map(|found| found.template.len()), Some(0));
        assert!(find("example.org", "Deployment").is_none());
    }
}
