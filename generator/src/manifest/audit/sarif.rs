//! Audits as SARIF, for code hosts and editors.

use super::text::about;
use super::{Audit, Rule};
use crate::sarif::{Log, Message, Result as Finding, Rule as SarifRule};

/// Writes audits as a SARIF 2.1.0 log that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(audits: &[Audit]) -> Result<String, serde_json::Error> {
    let rules = Rule::ALL.iter().map(|rule| SarifRule {
        id: rule.id().to_owned(),
        summary: rule.summary().to_owned(),
        help: rule.help().to_owned(),
        level: rule.severity().into(),
    });
    let results = audits.iter().flat_map(|audit| {
        audit.findings.iter().map(|finding| Finding {
            rule: finding.rule.id().to_owned(),
            level: finding.rule.severity().into(),
            detail: None,
            message: Message::new(about(finding)),
            file: audit.file.clone(),
            line: Some(finding.at.line),
            column: Some(finding.at.column),
            logical: Some(finding.path.clone()).filter(|path| !path.is_empty()),
        })
    });
    Log::new(rules.collect(), results.collect()).print()
}
