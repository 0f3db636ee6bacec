//! The filters that Strait's own processes are under refuse nothing that they need: Strait watches itself.

use std::path::Path;

use serde_json::{Value, json};
use strait_generator::abi::Abi;

use crate::support::run::STRAIT;
use crate::support::{kernel, profiles, scratch, strait};

/// A profile that allows every call there is, so that what is refused under it is refused by another filter.
fn everything() -> Value {
    let names: Vec<_> = Abi::X86_64.syscalls().map(|(_, name)| name).collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    })
}

/// What is refused while `command` runs, by whichever filter.
fn refused(dir: &Path, command: &[&str]) -> Vec<String> {
    kernel::require_root();
    std::fs::write(dir.join("everything.json"), everything().to_string()).unwrap();
    std::fs::write(dir.join("base.json"), profiles::base().to_string()).unwrap();
    let mut outer = strait()
        .args(["verify", "everything.json", "--format", "json", "-o", "report.json", "--"])
        .args(command)
        .in_dir(dir)
        .spawn();
    outer.close();
    let _ = outer.status();
    let report = std::fs::read_to_string(dir.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let lists = [&report["refused"], &report["fallbacks"], &report["not_by_profile"]];
    let calls = lists.into_iter().flat_map(|list| list.as_array().unwrap());
    calls.map(|call| call["syscall"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn own_filters_refuse_nothing_that_is_needed() {
    let script =
        "ls >/dev/null; $STRAIT mark a; kill -USR1 $PPID; unshare --mount true; $STRAIT mark b";
    let script = script.replace("$STRAIT", STRAIT);
    for args in [
        &["record", "-o", "r.json"][..],
        &["record", "-o", "r.json", "--user", "nobody"],
        &["record", "--backend", "notify", "--linger", "0", "-o", "r.json"],
        &["record", "--containers", "-o", "out"],
        &["verify", "base.json", "--containers", "--inject", "-o", "v.json"],
    ] {
        let dir = scratch();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        let command: Vec<_> =
            [STRAIT].iter().chain(args).copied().chain(["--", "sh", "-c", &script]).collect();
        let refused = refused(dir.path(), &command);
        // A thread is made by `clone`, whose flags a filter can see.
        let needed: Vec<_> = refused.iter().filter(|call| *call != "clone3").collect();
        assert!(needed.is_empty(), "{args:?}: {needed:?}");
    }
}

#[test]
fn what_another_filter_refuses_is_seen() {
    let dir = scratch();
    let asks = "import os\ntry: os.getpgid(0)\nexcept OSError: pass";
    let command = [STRAIT, "verify", "base.json", "--", "python3", "-c", asks];
    let refused = refused(dir.path(), &command);
    assert!(refused.iter().any(|call| call == "getpgid"), "{refused:?}");
}
