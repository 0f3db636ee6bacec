//! Files in which everything that others choose has one name, and that are called so themselves.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{put, recording};
use crate::support::strait;

/// A profile that the kubelet and others take by its name.
pub const SHOP: &str = "shop.json";

/// What the files are called.
#[derive(Clone, Debug)]
pub struct Files {
    pub old_recording: String,
    pub new_recording: String,
    pub other_recording: String,
    pub old: String,
    pub new: String,
    /// A profile with unknown calls.
    pub unknown: String,
    pub exceptions: String,
    pub bad_exceptions: String,
    pub manifest: String,
    pub broken: String,
    /// JSON of a schema that is not ours.
    pub schema: String,
    /// A file that is not there.
    pub missing: String,
    /// A folder that is not there.
    pub folder: String,
    /// Logs.
    pub strace: String,
    pub audit: String,
    /// No log.
    pub no_log: String,
}

/// The name as far as a file can have it.
fn file_name(name: &str) -> String {
    let mut file = String::new();
    for char in name.chars().map(|char| if "/\0".contains(char) { '_' } else { char }) {
        if file.len() + char.len_utf8() > 180 {
            break;
        }
        file.push(char);
    }
    if file.starts_with('-') { format!("_{file}") } else { file }
}

fn a_recording(name: &str, minute: u32, calls: &[(&str, u32)]) -> Value {
    let mut made = recording(name, minute, calls);
    made["tool"] = json!({"name": name, "version": name});
    made["host"] = json!({"kernel": name, "arch": name});
    made["target"] = json!({
        "kind": "container", "name": name, "command": [name, name],
        "container": {
            "id": name, "engine": name, "name": name, "image": name, "image_digest": name,
            "labels": {name: name}, "runtime": name, "runtime_version": name, "profile": name,
            "filtered": true,
        },
    });
    made["programs"] = json!([{"path": name, "device": "8:1", "inode": 7}]);
    let all = made["abis"]["x86_64"]["syscalls"].as_object_mut().unwrap();
    for call in all.values_mut() {
        call["programs"] = json!({name: 2});
    }
    let called: serde_json::Map<String, Value> =
        all.keys().map(|call| (call.clone(), json!(1))).collect();
    made["samples"] = json!([
        {"name": name, "finished_ms": 5, "calls": {"x86_64": called}},
        {"name": format!("{name}2"), "finished_ms": 9, "calls": {"x86_64": called}},
    ]);
    made
}

fn a_manifest(name: &str) -> Value {
    let container = |name: &str, image: &str| {
        json!({
            "name": name, "image": image,
            "securityContext": {"capabilities": {"add": [name]}},
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": name,
            "annotations": {
                format!("container.seccomp.security.alpha.kubernetes.io/{name}"): name,
                "seccomp.security.alpha.kubernetes.io/pod": format!("localhost/{name}"),
            },
        },
        "spec": {
            "containers": [container(name, "registry/shop:1"), container("shop", name)],
            "volumes": [{"name": name, "hostPath": {"path": name}}],
        },
    })
}

impl Files {
    /// Writes them.
    pub fn write(dir: &Path, name: &str) -> Self {
        let file = file_name(name);
        let of = |rest: &str| format!("{file}{rest}");
        let files = Self {
            old_recording: of("1.recording.json"),
            new_recording: of("2.recording.json"),
            other_recording: of("3.recording.json"),
            old: of("1.json"),
            new: of("2.json"),
            unknown: of("3.json"),
            exceptions: of(".allow.json"),
            bad_exceptions: of(".bad.json"),
            manifest: of(".yaml"),
            broken: of(".broken.yaml"),
            schema: of(".schema.json"),
            missing: of(".missing"),
            folder: of(".folder"),
            strace: of(".strace"),
            audit: of(".audit"),
            no_log: of(".no_log"),
        };
        let few = [("read", 0), ("write", 1), ("exit_group", 231)];
        let more = [few.as_slice(), &[("mkdir", 83), ("socket", 41)]].concat();
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let strace = format!(
            "7 execve(\"/{quoted}\", [\"{quoted}\"], 0x7f) = 0\n7 arch_prctl(ARCH_SET_FS, 0x7f) = 0\n{name}\n7 no_call({name}) = 0\n"
        );
        std::fs::write(dir.join(&files.strace), strace).unwrap();
        let hex: String = format!("/{name}").bytes().map(|byte| format!("{byte:02X}")).collect();
        let audit = format!(
            "type=SECCOMP msg=audit(1700000000.123:4): pid=7 exe={hex} sig=0 arch=c000003e syscall=59 code=0x7ffc0000\n\
             type=SECCOMP msg=audit(1700000000.123:5): pid=7 exe={hex} sig=0 arch={name} syscall={name}\n\
             audit_lost={name}\n"
        );
        std::fs::write(dir.join(&files.audit), audit).unwrap();
        std::fs::write(dir.join(&files.no_log), format!("{name}\n")).unwrap();
        put(dir, &files.old_recording, &a_recording(name, 1, &few));
        put(dir, &files.new_recording, &a_recording(name, 2, &more));
        put(dir, &files.other_recording, &a_recording(&format!("{name}3"), 3, &few));
        for (from, to) in [(&files.old_recording, &files.old), (&files.new_recording, &files.new)] {
            strait().args(["generate", from, "-o", to]).in_dir(dir).run();
        }
        let text = std::fs::read_to_string(dir.join(&files.new)).unwrap();
        std::fs::write(dir.join(SHOP), &text).unwrap();
        let mut profile: Value = serde_json::from_str(&text).unwrap();
        let calls = profile["syscalls"].as_array_mut().unwrap();
        calls.push(json!({"names": [name, format!("{name}3")], "action": "SCMP_ACT_ALLOW"}));
        put(dir, &files.unknown, &profile);
        let exceptions = json!([
            {"call": "mkdir", "reason": name, "expires": "2999-01-01"},
            {"call": "bpf", "reason": name, "expires": "2999-01-01"},
            {"call": "mount", "reason": name, "expires": "2020-01-01"},
        ]);
        let schema = "strait.allow/v1";
        put(dir, &files.exceptions, &json!({"schema": schema, "exceptions": exceptions}));
        let exceptions = json!([{"call": name, "reason": "r", "expires": "2999-01-01"}]);
        put(dir, &files.bad_exceptions, &json!({"schema": schema, "exceptions": exceptions}));
        let manifest = strait_generator::export::yaml::document(&a_manifest(name));
        std::fs::write(dir.join(&files.manifest), manifest).unwrap();
        std::fs::write(dir.join(&files.broken), format!("a: [{name}: {{{name}")).unwrap();
        put(dir, &files.schema, &json!({"schema": name, name: name, "defaultAction": name}));
        files
    }
}
