//! `strait verify --containers` knows under which filter a container ran, also where only the kernel can tell.

use std::os::unix::fs::chown;
use std::path::Path;

use serde_json::{Value, json};

use crate::runtimes::{Bundle, Runtime, Way, require_working};
use crate::support::run::Outcome;
use crate::support::{scratch, strait};

const ECHO: [&str; 3] = ["/bin/busybox", "echo", "started"];

/// A profile that allows every call but these.
fn all_but(refused: &[&str]) -> Value {
    let names = strait_recorder::host::MACHINE
        .native()
        .syscalls()
        .map(|(_, name)| name)
        .filter(|name| !refused.contains(name));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": names.collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW"}],
    })
}

/// A container whose bundle is another user's, so that nothing in it is believed.
fn bundle(profile: &Value) -> Bundle {
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], Some(profile), &ECHO);
    for path in [bundle.path().to_owned(), bundle.path().join("config.json")] {
        chown(path, Some(65534), None).unwrap();
    }
    bundle
}

fn verify(dir: &Path, bundle: &Bundle, exit: i32) -> Outcome {
    let path = bundle.path().to_str().unwrap();
    strait()
        .args(["-v", "verify", "p.json", "--containers", "--only", bundle.id(), "--"])
        .args(["runc", "run", "--bundle", path, bundle.id()])
        .in_dir(dir)
        .expect_exit(exit)
        .run()
        .says(&["what its runtime was told to install is not known; asking the kernel"])
}

#[test]
fn a_container_whose_filter_only_the_kernel_knows_is_identified_by_it() {
    require_working(Runtime::Runc);
    let dir = scratch();
    let profile = all_but(&["getpgid"]);
    std::fs::write(dir.path().join("p.json"), profile.to_string()).unwrap();
    let same = bundle(&profile);
    let outcome = verify(dir.path(), &same, 0);
    let says = format!("{} under p.json; nothing was refused", same.id());
    assert_eq!(outcome.says(&[&says]).stdout, "started\n");
    let other = bundle(&all_but(&["chown"]));
    verify(dir.path(), &other, 3).says(&["ran under another profile than p.json", "chown"]);
}
