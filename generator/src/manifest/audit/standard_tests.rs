use super::*;
use crate::manifest::Manifest;

/// The fields that keep the container of a pod from a level. `spec` and `container` are YAML in flow style,
/// and what keeps every pod from `restricted` is there already.
fn fields(spec: &str, security: &str, container: &str, from: Level) -> Vec<String> {
    let text = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {{{spec} containers: [{{name: c, image: i, \
         {container} securityContext: {{{security} allowPrivilegeEscalation: false, runAsNonRoot: true, \
         capabilities: {{drop: [ALL]}}, seccompProfile: {{type: Localhost, localhostProfile: x.json}}}}}}]}}}}"
    );
    let manifest = Manifest::parse(&text).unwrap();
    let pod = &manifest.pods[0];
    obstacles(&manifest.tree, pod, &pod.containers[0])
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
    let found = obstacles(&manifest.tree, pod, &pod.containers[0]);
    assert_eq!(level(&found), Level::Baseline);
    let fields: Vec<&str> = found.iter().map(|obstacle| obstacle.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "securityContext.runAsNonRoot",
            "securityContext.allowPrivilegeEscalation",
            "securityContext.seccompProfile.type",
            "securityContext.capabilities.drop"
        ]
    );
}

#[test]
fn capabilities_are_judged_by_level() {
    let of = |add: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, spec: {{containers: [{{name: c, securityContext: {{capabilities: \
             {{add: [{add}]}}}}}}]}}}}"
        );
        let manifest = Manifest::parse(&text).unwrap();
        let pod = &manifest.pods[0];
        let found = obstacles(&manifest.tree, pod, &pod.containers[0]);
        found.into_iter().filter(|one| one.field.contains("add")).map(|one| one.from).next()
    };
    assert_eq!(of("NET_BIND_SERVICE"), None);
    assert_eq!(of("CHOWN"), Some(Level::Restricted));
    assert_eq!(of("NET_RAW"), Some(Level::Baseline));
    assert_eq!(of("ALL"), Some(Level::Baseline));
}
