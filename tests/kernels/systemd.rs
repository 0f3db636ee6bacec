//! A machine as most users have it: systemd as its first process, cgroup v2 alone, and a Docker that has
//! systemd make the cgroups of its containers. All of it is this machine's own, but for the kernel.

use std::path::Path;

use serde_json::Value;
use strait_generator::abi::Abi;
use strait_generator::recording::{Container, ContainerOrigin, Recording, Start, TargetKind};

use crate::image::{Image, marker};
use crate::machine::boot;
use crate::platform::Platform;
use crate::{complete, count, json, read};

/// The script is a service, and nothing else is started. It has its console for itself.
const ARGUMENTS: &str = "systemd.unit=tested.service systemd.show_status=0 \
                         systemd.log_target=null apparmor=0";

const ABI: Abi = Platform::X86_64.abi();

fn image() -> Image<'static> {
    let image = Image::new(&Platform::X86_64, &Value::Null);
    for program in ["dockerd", "docker", "containerd", "containerd-shim-runc-v2"] {
        image.add_program(&Platform::X86_64.program(program));
    }
    for part in ["systemd", "systemd-executor", "systemd-shutdown"] {
        let path = Path::new("/lib/systemd").join(part);
        // Releases differ in their parts.
        if part == "systemd" || path.exists() {
            image.add_own(&path);
        }
    }
    image.link("/lib/systemd/systemd", "sbin/init");
    for unit in ["containerd", "docker", "tested"] {
        let name = format!("{unit}.service");
        image.add_fixture(&format!("systemd/{name}"), &format!("etc/systemd/system/{name}"));
    }
    image.add_fixture("systemd/run.sh", "run.sh");
    image
}

fn container(recording: &Recording) -> &Container {
    match &recording.target.kind {
        TargetKind::Container(container) => container,
        other => panic!("{other:?} is no container"),
    }
}

/// Recorded, made a profile of, and run under it.
pub fn docker_works_with_the_cgroups_of_systemd(kernel: &Path) {
    let out = boot(kernel, &image(), ARGUMENTS);
    let out = out.path();
    for (step, expected) in [
        ("import", "0"),
        ("driver", "0"),
        ("record", "0"),
        ("generate", "0"),
        ("verify", "12"),
        ("bare", "0"),
    ] {
        let status = read(&out.join(format!("{step}.status")));
        let log = read(&out.join(format!("{step}.log")));
        assert_eq!(status.trim(), expected, "{step}:\n{log}");
    }
    assert_eq!(read(&out.join("driver.log")).trim(), "systemd 2");
    let log = read(&out.join("record.log"));
    assert!(log.contains("0::/system.slice/docker-"), "{log}");

    let number = |name| ABI.syscall_number(name).unwrap();
    for (name, call, times) in [("web", marker(ABI), 3), ("api", number("mkdir"), 1)] {
        let recording = complete(&out.join(format!("containers/{name}.recording.json")));
        assert_eq!(recording.target.start, Start::Filter, "{name}");
        assert_eq!(count(&recording, ABI, call), times, "{name}");
        assert_eq!(count(&recording, ABI, number("pivot_root")), 0, "{name}");
        let container = container(&recording);
        let said = [&container.engine, &container.name, &container.image, &container.runtime];
        assert_eq!(said, ["docker", name, "small", "runc"]);
        assert_eq!(container.profile, "default", "{name}");
        assert_eq!(container.origin, Some(ContainerOrigin::Engine), "{name}");
    }

    let refused = json(&out.join("verify.json"))["refused"].clone();
    let calls: Vec<_> = refused.as_array().unwrap().iter().map(|one| &one["syscall"]).collect();
    assert_eq!(calls, ["vhangup"]);

    // runc puts it right below a slice, beside the unit in which it was called.
    let recording = complete(&out.join("containers/bare.recording.json"));
    assert_eq!((recording.target.start, count(&recording, ABI, marker(ABI))), (Start::Exec, 3));
}
