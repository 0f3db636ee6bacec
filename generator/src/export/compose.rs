//! An override file for docker compose.

use serde_json::{Map, Value, json};

use super::row::Row;
use super::{Exported, File, Named, Options, yaml};

pub(super) const TARGET: Row = Row {
    name: "compose",
    help: "An override file for docker compose",
    export: |_, options, named| Ok(export(options, named)),
    together: Some(export_all),
    ..Row::PLAIN
};

/// The fields of a service.
fn service(options: &Options, named: &Named) -> (String, Value) {
    let mut fields = json!({});
    if let Some(image) = &options.image {
        fields["image"] = json!(image.to_string());
    }
    fields["security_opt"] = json!([format!("seccomp:./{}", named.path())]);
    let service = options.container.as_ref().unwrap_or(&options.name);
    (service.to_string(), fields)
}

fn document(services: Map<String, Value>) -> File {
    File::text("compose.override.yaml", yaml::document(&json!({ "services": services })))
}

fn export(options: &Options, named: &Named) -> Exported {
    let (name, fields) = service(options, named);
    Exported {
        notes: vec![format!(
            "the service has to be called `{name}` (--container NAME); compose reads the profile \
                 as ./{}, from the folder where it is started: run it beside the override file",
            named.path()
        )],
        files: vec![document(Map::from_iter([(name, fields)])), named.file()],
        warnings: Vec::new(),
    }
}

/// One file for all services, which compose reads once.
fn export_all(all: &[(&Options, Named)]) -> Exported {
    let services: Map<String, Value> =
        all.iter().map(|(options, named)| service(options, named)).collect();
    let names: Vec<String> = services.keys().map(|name| format!("`{name}`")).collect();
    Exported {
        notes: vec![format!(
            "the services have to be called {}; compose reads their profiles from the folder where it is started: \
             run it beside the override file",
            names.join(", ")
        )],
        files: vec![document(services)],
        warnings: Vec::new(),
    }
}
