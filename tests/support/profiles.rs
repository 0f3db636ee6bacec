//! Profiles to change: everything is allowed but some calls, of which what is added says something.

use serde_json::{Value, json};
use strait_generator::abi::Abi;

/// The calls that are left for what is added.
const LEFT: [&str; 4] = ["mknod", "mknodat", "getpgid", "sethostname"];

/// Allows all other calls.
pub fn base() -> Value {
    let all = Abi::X86_64.syscalls().map(|(_, name)| name).filter(|name| !LEFT.contains(name));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": all.collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW"}],
    })
}

/// The same with another field, or another value of one.
pub fn with_field(name: &str, value: Value) -> Value {
    let mut profile = base();
    profile[name] = value;
    profile
}

/// The same with more rules.
pub fn with_rules(rules: &[Value]) -> Value {
    let mut profile = base();
    profile["syscalls"].as_array_mut().expect("a list").extend(rules.iter().cloned());
    profile
}
