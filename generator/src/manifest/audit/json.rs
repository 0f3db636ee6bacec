//! `strait.audit/v1`, audits as JSON. A public contract: JSON Schema in `profiles/schema/audit-v1.json`.

use serde::Serialize;

use super::{Audit, Blocking, ContainerLevel, Finding, Version};
use crate::manifest::error::Position;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.audit/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolV1,
    pod_security_standards: String,
    not_understood: usize,
    files: Vec<AuditV1<'a>>,
}

#[derive(Serialize)]
struct ToolV1 {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct AuditV1<'a> {
    file: &'a str,
    findings: Vec<FindingV1<'a>>,
    containers: Vec<ContainerV1<'a>>,
}

#[derive(Serialize)]
struct FindingV1<'a> {
    rule: &'static str,
    severity: String,
    #[serde(flatten)]
    at: PositionV1,
    path: &'a str,
    workload: &'a str,
    container: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct PositionV1 {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct ContainerV1<'a> {
    workload: &'a str,
    container: &'a str,
    #[serde(flatten)]
    at: PositionV1,
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level_after: Option<String>,
    in_the_way: Vec<BlockingV1<'a>>,
}

#[derive(Serialize)]
struct BlockingV1<'a> {
    level: String,
    field: &'a str,
    asks: &'a str,
    #[serde(flatten)]
    at: PositionV1,
}

impl From<Position> for PositionV1 {
    fn from(Position { line, column }: Position) -> Self {
        Self { line, column }
    }
}

/// Writes audits, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(audits: &[Audit], version: Version) -> Result<String, serde_json::Error> {
    let file = File {
        schema: SCHEMA,
        tool: ToolV1 { name: crate::tool::NAME, version: crate::tool::VERSION },
        pod_security_standards: version.to_string(),
        not_understood: audits.iter().map(|audit| audit.not_understood().count()).sum(),
        files: audits.iter().map(AuditV1::new).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

impl<'a> AuditV1<'a> {
    fn new(audit: &'a Audit) -> Self {
        Self {
            file: &audit.file,
            findings: audit.findings.iter().map(FindingV1::new).collect(),
            containers: audit.levels.iter().map(ContainerV1::new).collect(),
        }
    }
}

impl<'a> FindingV1<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            rule: finding.rule.id(),
            severity: finding.rule.severity().to_string(),
            at: finding.at.into(),
            path: &finding.path,
            workload: &finding.owner,
            container: finding.container.as_deref(),
            message: &finding.message,
        }
    }
}

impl<'a> ContainerV1<'a> {
    fn new(container: &'a ContainerLevel) -> Self {
        Self {
            workload: &container.owner,
            container: &container.container,
            at: container.at.into(),
            level: container.level.to_string(),
            level_after: container.after.map(|level| level.to_string()),
            in_the_way: container.obstacles.iter().map(BlockingV1::new).collect(),
        }
    }
}

impl<'a> BlockingV1<'a> {
    fn new(blocking: &'a Blocking) -> Self {
        Self {
            level: blocking.level.to_string(),
            field: &blocking.field,
            asks: &blocking.asks,
            at: blocking.at.into(),
        }
    }
}
