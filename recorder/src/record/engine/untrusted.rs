//! One entry point to everything in this folder that reads untrusted data, for fuzzing: none of it may panic, however
//! hostile its input is.

use std::path::Path;

use super::bundle::describe_config;
use super::naming::display_name;
use super::{Identity, ObservedTask, answers, cgroup, identify, lineage, runtime, storage};
use strait_generator::recording::Container;

/// Reads `bytes` as each of the things that engines, runtimes and processes say.
pub fn read(bytes: &[u8]) {
    if let Some(monitor) = lineage::parse_command_line(bytes) {
        for id in ["", "..", "1a99"] {
            let _ = (monitor.describe(id), monitor.bundle_of(id));
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let cgroups = cgroup::parse(&text);
    for names in cgroups.into_iter().take(4) {
        // No process has this number.
        let comm = text.chars().take(16).collect();
        let task = ObservedTask { pid: u32::MAX, comm, cgroups: names, ..ObservedTask::default() };
        let _ = identify(&task);
    }
    if let Ok(config) = serde_json::from_slice(bytes) {
        let described = describe_config(config, &text, Path::new("config.json"));
        named(&described.container);
    }
    if let Ok(found) = serde_json::from_slice(bytes) {
        named(&answers::describe(found, super::EngineKind::Docker).container);
    }
    if let Ok(event) = serde_json::from_slice(bytes) {
        let told = answers::describe_event(&event, super::EngineKind::Podman);
        told.iter().for_each(|told| named(&told.container));
    }
    let _ = storage::entries(bytes);
    let _ = super::docker::parse(bytes);
    let _ = runtime::upstream(&text);
}

/// Whatever a container is called, its file is one in the folder for it.
fn named(container: &Container) {
    let identity =
        Identity { id: "x".to_owned(), engine: None, runtime: None, pid: 1, owner: 0, began: 0 };
    let name = display_name(container, &identity);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    assert!(!name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(is_plain));
}
