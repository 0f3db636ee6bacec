//! `strait verify` takes what engines take.

use serde_json::{Value, json};

use crate::support::profiles::base;
use crate::support::run::Outcome;
use crate::support::{kernel, scratch, strait};

fn verify(profile: &Value) -> Outcome {
    kernel::require_root();
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile.to_string()).unwrap();
    strait().args(["verify", "p.json", "--", "/bin/true"]).in_dir(dir.path()).run()
}

#[test]
fn a_dialect_is_enforced_as_engines_resolve_it() {
    let mut profile = base();
    let fields = profile.as_object_mut().unwrap();
    fields.remove("architectures");
    let machine =
        json!([{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]);
    fields.insert("archMap".to_owned(), machine);
    let rules = fields.remove("syscalls").unwrap();
    fields.insert("Syscalls".to_owned(), rules);
    let rules = profile["Syscalls"].as_array_mut().unwrap();
    rules.push(
        json!({"name": "mknod", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_MKNOD"]}}),
    );
    verify(&profile).says(&["Docker's default capabilities", "nothing was refused"]);
}

#[test]
fn a_profile_without_exit_is_verified() {
    let mut profile = base();
    let names = profile["syscalls"][0]["names"].as_array_mut().unwrap();
    names.retain(|name| name != "exit");
    verify(&profile).says(&["warning", "`exit`", "nothing was refused"]);
}
