use super::*;
use crate::manifest::Manifest;

/// The fields that keep the container of a pod from a level, in the newest version. `spec` and `container` are YAML in flow style,
/// and what keeps every pod from `restricted` is there already.
fn fields(spec: &str, security: &str, container: &str, from: Level) -> Vec<String> {
    fields_in("1.37", &format!("{spec}|{security}|{container}"), from)
}

/// The same in a version; what is added is for the pod, the security context and the container, between bars.
fn fields_in(version: &str, added: &str, from: Level) -> Vec<String> {
    let [spec, security, container] = added.split('|').collect::<Vec<_>>().try_into().unwrap();
    let hardened = "allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, \
                    seccompProfile: {type: Localhost, localhostProfile: x.json}";
    // Of two values for one field the last counts, which is the one that is added.
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{{spec} containers: [{{name: c, image: i, \
         {container} securityContext: {{{hardened}, {security} }}}}]}}}}"
    );
    let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let pod = &manifest.pods[0];
    obstacles(&manifest.tree, pod, &pod.containers[0], version.parse().unwrap())
        .into_iter()
        .filter(|obstacle| obstacle.from == from)
        .map(|obstacle| obstacle.field)
        .collect()
}

#[test]
fn nothing_is_in_the_way_of_a_hardened_container() {
    for from in [Level::Baseline, Level::Restricted] {
        assert_eq!(fields("", "", "", from), [] as [&str; 0]);
    }
}

#[test]
fn what_the_pod_says_may_be_in_the_way_of_baseline() {
    for (spec, field) in [
        ("hostNetwork: true,", "hostNetwork"),
        ("hostPID: true,", "hostPID"),
        ("hostIPC: true,", "hostIPC"),
        ("volumes: [{name: v, hostPath: {path: /}}],", "volumes[].hostPath"),
        (
            "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]},",
            "securityContext.sysctls",
        ),
        (
            "securityContext: {seccompProfile: {type: Unconfined}},",
            "securityContext.seccompProfile.type",
        ),
        (
            "securityContext: {appArmorProfile: {type: Unconfined}},",
            "securityContext.appArmorProfile.type",
        ),
        (
            "securityContext: {seLinuxOptions: {type: spc_t}},",
            "securityContext.seLinuxOptions.type",
        ),
        ("securityContext: {seLinuxOptions: {user: x}},", "securityContext.seLinuxOptions.user"),
        (
            "securityContext: {windowsOptions: {hostProcess: true}},",
            "securityContext.windowsOptions.hostProcess",
        ),
    ] {
        assert_eq!(fields(spec, "", "", Level::Baseline), [field], "{spec}");
    }
}

#[test]
fn what_the_container_says_may_be_in_the_way_of_baseline() {
    for (security, container, field) in [
        ("privileged: true,", "", "securityContext.privileged"),
        ("procMount: Unmasked,", "", "securityContext.procMount"),
        ("", "ports: [{containerPort: 1, hostPort: 1}],", "ports[].hostPort"),
        ("", "livenessProbe: {httpGet: {host: h, port: 1}},", "livenessProbe.httpGet.host"),
        (
            "",
            "lifecycle: {preStop: {tcpSocket: {host: h, port: 1}}},",
            "lifecycle.preStop.tcpSocket.host",
        ),
    ] {
        assert_eq!(fields("", security, container, Level::Baseline), [field], "{field}");
    }
}

#[test]
fn what_is_allowed_is_not_in_the_way() {
    for (spec, security, container) in [
        ("hostNetwork: false,", "privileged: false,", "ports: [{containerPort: 1, hostPort: 0}],"),
        (
            "volumes: [{name: v, emptyDir: {}}, {name: w, secret: {}}, {name: n, hostPath: ~}],",
            "",
            "",
        ),
        ("securityContext: {seLinuxOptions: {type: container_t}},", "procMount: Default,", ""),
        (
            "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]},",
            "",
            "readinessProbe: {httpGet: {port: 1}},",
        ),
    ] {
        for from in [Level::Baseline, Level::Restricted] {
            assert_eq!(fields(spec, security, container, from), [] as [&str; 0], "{spec}");
        }
    }
}

#[test]
fn some_things_are_only_in_the_way_of_restricted() {
    let restricted = |spec, security| fields(spec, security, "", Level::Restricted);
    assert_eq!(restricted("volumes: [{name: v, nfs: {}}],", ""), ["volumes[].nfs"]);
    assert_eq!(restricted("", "runAsUser: 0,"), ["securityContext.runAsUser"]);
}

#[test]
fn a_bare_pod_reaches_baseline_and_the_fields_are_named() {
    let text = "{apiVersion: v1, kind: Pod, spec: {containers: [{name: c}]}}";
    let manifest = Manifest::parse(text).unwrap();
    let pod = &manifest.pods[0];
    let found = obstacles(&manifest.tree, pod, &pod.containers[0], Version::newest());
    assert_eq!(level(&found), Level::Baseline);
    let fields: Vec<&str> = found.iter().map(|obstacle| obstacle.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "securityContext.capabilities.drop",
            "securityContext.seccompProfile.type",
            "securityContext.runAsNonRoot",
            "securityContext.allowPrivilegeEscalation",
        ]
    );
}

#[test]
fn capabilities_have_a_level() {
    let of = |add: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, spec: {{containers: [{{name: c, securityContext: {{capabilities: \
             {{add: [{add}]}}}}}}]}}}}"
        );
        let manifest = Manifest::parse(&text).unwrap();
        let pod = &manifest.pods[0];
        let found = obstacles(&manifest.tree, pod, &pod.containers[0], Version::newest());
        found.into_iter().filter(|one| one.field.contains("add")).map(|one| one.from).next()
    };
    assert_eq!(of("NET_BIND_SERVICE"), None);
    assert_eq!(of("CHOWN"), Some(Level::Restricted));
    assert_eq!(of("NET_RAW"), Some(Level::Baseline));
    assert_eq!(of("ALL"), Some(Level::Baseline));
}

/// Before and from a version on: what is in the way of which level.
#[test]
fn the_standard_is_that_of_the_version() {
    use Level::{Baseline, Restricted};
    let sysctl =
        |name: &str| format!("securityContext: {{sysctls: [{{name: {name}, value: '1'}}]}},||");
    for (added, from, version, refused_before, refused_from) in [
        (sysctl("net.ipv4.ip_local_reserved_ports"), Baseline, 27, true, false),
        (sysctl("net.ipv4.tcp_keepalive_time"), Baseline, 29, true, false),
        (sysctl("net.ipv4.tcp_rmem"), Baseline, 32, true, false),
        (sysctl("net.ipv4.tcp_notsent_lowat"), Baseline, 37, true, false),
        ("|seLinuxOptions: {type: container_engine_t},|".into(), Baseline, 31, true, false),
        ("|appArmorProfile: {type: Unconfined},|".into(), Baseline, 30, false, true),
        ("volumes: [{name: v, image: {reference: x}}],||".into(), Restricted, 33, true, false),
        ("||livenessProbe: {tcpSocket: {host: h, port: 1}},".into(), Baseline, 34, false, true),
        (
            "||lifecycle: {preStop: {httpGet: {host: h, port: 1}}},".into(),
            Baseline,
            34,
            false,
            true,
        ),
        ("hostUsers: false,|runAsNonRoot: false,|".into(), Restricted, 35, true, false),
        ("hostUsers: false,|runAsUser: 0,|".into(), Restricted, 35, true, false),
        ("hostUsers: false,|procMount: Unmasked,|".into(), Baseline, 35, true, false),
        // Restricted makes no exception.
        ("hostUsers: false,|procMount: Unmasked,|".into(), Restricted, 35, false, true),
    ] {
        for minor in 25..=37 {
            let refused = !fields_in(&format!("1.{minor}"), &added, from).is_empty();
            let expected = if minor < version { refused_before } else { refused_from };
            assert_eq!(refused, expected, "{added} {from} 1.{minor}");
        }
    }
    assert_eq!(fields("hostUsers: true,", "runAsUser: 0,", "", Restricted).len(), 1);
}

/// Kubernetes refuses a pod for what it says itself, whatever its containers say.
#[test]
fn what_the_pod_says_counts_beside_what_the_container_says() {
    for (spec, security, field, from) in [
        ("runAsUser: 0", "runAsUser: 1000,", "runAsUser", Level::Restricted),
        ("runAsNonRoot: false", "runAsNonRoot: true,", "runAsNonRoot", Level::Restricted),
        (
            "appArmorProfile: {type: Unconfined}",
            "appArmorProfile: {type: RuntimeDefault},",
            "appArmorProfile.type",
            Level::Baseline,
        ),
        (
            "seLinuxOptions: {type: spc_t}",
            "seLinuxOptions: {type: container_t},",
            "seLinuxOptions.type",
            Level::Baseline,
        ),
        (
            "seLinuxOptions: {role: r}",
            "seLinuxOptions: {},",
            "seLinuxOptions.role",
            Level::Baseline,
        ),
        (
            "windowsOptions: {hostProcess: true}",
            "windowsOptions: {hostProcess: false},",
            "windowsOptions.hostProcess",
            Level::Baseline,
        ),
        ("seccompProfile: {}", "", "seccompProfile.type", Level::Baseline),
    ] {
        let spec = format!("securityContext: {{{spec}}},");
        let found = fields(&spec, security, "", from);
        assert_eq!(found, [format!("securityContext.{field}")], "{spec} {security}");
    }
}

#[test]
fn root_is_root_however_it_is_written() {
    for root in ["0", "0x0", "00", "-0", "0.0", "0o0", "!!int '0'", "'${UID}'", "0_0"] {
        let found = fields("", &format!("runAsUser: {root},"), "", Level::Restricted);
        assert_eq!(found, ["securityContext.runAsUser"], "{root}");
    }
    for other in ["1", "1000", "0x3e8", "65534"] {
        assert_eq!(fields("", &format!("runAsUser: {other},"), "", Level::Restricted).len(), 0);
    }
}

/// `os.name` is what the API server looks at; a node selector is only where the pod goes.
#[test]
fn only_a_pod_that_says_so_is_a_windows_pod_to_the_standard() {
    let open = "allowPrivilegeEscalation: true, capabilities: {}, seccompProfile: ~,";
    assert_eq!(fields("os: {name: windows},", open, "", Level::Restricted).len(), 0);
    for spec in
        ["nodeSelector: {kubernetes.io/os: windows},", "os: {name: linux},", "os: {name: Windows},"]
    {
        assert_eq!(fields(spec, open, "", Level::Restricted).len(), 3, "{spec}");
    }
    let adds = "capabilities: {add: [SYS_ADMIN]},";
    assert_eq!(fields("os: {name: windows},", adds, "", Level::Baseline).len(), 1);
}

#[test]
fn what_is_merged_counts() {
    let text = "\
kind: Pod
apiVersion: v1
metadata:
  annotations:
    <<: {container.apparmor.security.beta.kubernetes.io/other: unconfined}
spec:
  volumes:
  - <<: {name: v, hostPath: {path: /}}
  - <<: [{name: w, nfs: {}}, {emptyDir: {}}]
    nfs: ~
  containers:
  - {name: c, image: i, ports: [{<<: {hostPort: 1}}]}
";
    let manifest = Manifest::parse(text).unwrap();
    let pod = &manifest.pods[0];
    let found = obstacles(&manifest.tree, pod, &pod.containers[0], Version::newest());
    let baseline: Vec<&str> = found
        .iter()
        .filter(|obstacle| obstacle.from == Level::Baseline)
        .map(|obstacle| obstacle.field.as_str())
        .collect();
    assert_eq!(baseline, ["ports[].hostPort", "metadata.annotations", "volumes[].hostPath"]);
    assert!(!found.iter().any(|obstacle| obstacle.field == "volumes[].nfs"), "it is null here");
}

/// All sorts of containers are looked at.
#[test]
fn init_and_ephemeral_containers_are_containers() {
    let text = "{apiVersion: v1, kind: Pod, spec: {initContainers: [{name: a, securityContext: {privileged: true}}], \
                ephemeralContainers: [{name: b, securityContext: {privileged: true}}], containers: [{name: c}]}}";
    let manifest = Manifest::parse(text).unwrap();
    let pod = &manifest.pods[0];
    let levels: Vec<Level> = pod
        .containers
        .iter()
        .map(|one| level(&obstacles(&manifest.tree, pod, one, Version::newest())))
        .collect();
    assert_eq!(levels, [Level::Privileged, Level::Baseline, Level::Privileged]);
}
