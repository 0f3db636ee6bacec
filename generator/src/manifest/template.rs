//! Templates (`{{ }}`) that happen to be YAML: their content is not that of the rendered manifest.

use super::Manifest;
use super::error::{ManifestError, Position};
use super::tree::Kind;

/// The first `{{` of a text that is not in quotes, as far as its line shows.
pub(super) fn first_action(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (mut quote, mut before) = (None, None);
        for (at, byte) in line.bytes().enumerate() {
            match (byte, quote) {
                (b'{', None) if before == Some(b'{') => return Some(start + at - 1),
                (b'"' | b'\'', None) => quote = Some(byte),
                (byte, Some(open)) if byte == open => quote = None,
                _ => {}
            }
            before = Some(byte);
        }
        start += line.len();
    }
    None
}

/// Refuses a template.
///
/// `{{` is fine within a string that need not be understood (Argo, consul-template and Prometheus have
/// it in arguments and texts), but not outside of strings (Helm executes it in comments too), nor in
/// the names and images by which profiles are matched.
pub(super) fn check(manifest: &Manifest<'_>) -> Result<(), ManifestError> {
    if !manifest.text.contains("{{") {
        return Ok(());
    }
    let templated =
        |byte| ManifestError::Templated { at: Position::from_byte(manifest.text, byte) };
    for pod in manifest.editable() {
        for container in &pod.containers {
            for key in ["name", "image"] {
                if let Some(node) = manifest.tree.get(container.node, key)
                    && manifest.tree.text(node).is_some_and(|text| text.contains("{{"))
                {
                    return Err(templated(manifest.tree.node(node).start.start));
                }
            }
        }
    }
    // In the order of the file, and without overlaps.
    let mut scalars = manifest
        .tree
        .ids()
        .map(|id| manifest.tree.node(id))
        .filter(|node| matches!(node.kind, Kind::Scalar { .. }))
        .map(|node| node.start.clone())
        .peekable();
    for (byte, _) in manifest.text.match_indices("{{") {
        while scalars.next_if(|span| span.end <= byte).is_some() {}
        if !scalars.peek().is_some_and(|span| span.contains(&byte)) {
            return Err(templated(byte));
        }
    }
    Ok(())
}
