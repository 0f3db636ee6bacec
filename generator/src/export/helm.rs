//! Values and a named template for a Helm chart.

use serde_json::json;

use super::row::Row;
use super::{Exported, File, Named, Options, on_every_node, yaml};

pub(super) const TARGET: Row = Row {
    name: "helm",
    help: "Values and a template of a chart",
    export: |_, options, named| Ok(export(options, named)),
    ..Row::PLAIN
};

fn export(options: &Options, named: &Named) -> Exported {
    let name = &options.name;
    let values = yaml::document(&json!({
        "seccompProfile": {"type": "Localhost", "localhostProfile": named.path()},
    }));
    let level =
        if options.container.is_some() { ("the container's", 12) } else { ("the pod's", 8) };
    let template = format!(
        "{{{{- /*\nIn {place} securityContext:\n\n  securityContext:\n    {{{{- include \"{name}.seccompProfile\" . | nindent {indent} }}}}\n*/ -}}}}\n\
         {{{{- define \"{name}.seccompProfile\" -}}}}\n\
         {{{{- with .Values.seccompProfile -}}}}\n\
         seccompProfile:\n  {{{{- toYaml . | nindent 2 }}}}\n\
         {{{{- end -}}}}\n{{{{- end -}}}}\n",
        place = level.0,
        indent = level.1,
    );
    Exported {
        files: vec![
            File::text("values.yaml", values),
            File::text("templates/_seccomp.tpl", template),
            named.file(),
        ],
        warnings: Vec::new(),
        notes: vec![
            format!(
                "merge values.yaml into the chart's, and include \"{name}.seccompProfile\" where the \
                 security context is"
            ),
            on_every_node(&named.path()),
        ],
    }
}
