//! A task of Nomad's docker driver.

use super::row::Row;
use super::{Exported, File, Named, Options};

pub(super) const TARGET: Row = Row {
    name: "nomad",
    help: "A task of Nomad's docker driver",
    export: |_, options, named| Ok(export(options, named)),
    ..Row::PLAIN
};

/// Where the client has the profile.
const FOLDER: &str = "/etc/nomad.d/seccomp";

fn export(options: &Options, named: &Named) -> Exported {
    let image = options.image.as_ref().map_or_else(|| "IMAGE".to_owned(), ToString::to_string);
    let (name, path) = (options.container.as_ref().unwrap_or(&options.name), named.path());
    let text = format!(
        "task \"{name}\" {{\n  driver = \"docker\"\n\n  config {{\n    image        = \"{image}\"\n    \
         security_opt = [\"seccomp={FOLDER}/{path}\"]\n  }}\n}}\n"
    );
    Exported {
        files: vec![File::text("task.nomad.hcl", text), named.file()],
        warnings: Vec::new(),
        notes: vec![format!(
            "Nomad's client reads the profile when the task starts: it has to be on every client as \
             {FOLDER}/{path}"
        )],
    }
}
