//! An override file for docker compose.

use serde_json::json;

use super::{Exported, File, Named, Options, yaml};

pub(super) fn export(options: &Options, named: &Named) -> Exported {
    let service = options.container.as_ref().unwrap_or(&options.name);
    let file = format!("./{}", named.path());
    let mut fields = json!({});
    if let Some(image) = &options.image {
        fields["image"] = json!(image.to_string());
    }
    fields["security_opt"] = json!([format!("seccomp:{file}")]);
    let mut services = serde_json::Map::new();
    services.insert(service.to_string(), fields);
    let text = yaml::document(&json!({ "services": services }));
    Exported {
        files: vec![File::text("compose.override.yaml", text), named.file()],
        notes: vec![format!(
            "the service has to be called `{service}` (--container NAME); compose reads the profile \
                 as {file}, from the folder where it is started: run it beside the override file"
        )],
    }
}
