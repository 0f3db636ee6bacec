//! `--caps` and `--kernel`: the workload for which a dialect or a baseline is resolved.

use clap::Args;

use super::exit::Failure;
use super::{capabilities_or_default, kernel};
use strait_generator::profile::Workload;

/// What is known of the workload.
#[derive(Args, Clone, Debug)]
pub struct WorkloadArgs {
    /// Capabilities of the workload: names, ALL or NONE [default: the 14 that Docker gives]
    #[arg(long, value_name = "CAP", value_delimiter = ',', help_heading = "The workload")]
    caps: Vec<String>,
    /// Kernel of the workload, such as 6.1 [default: one that is new enough for all rules]
    #[arg(long, value_name = "VERSION", help_heading = "The workload")]
    kernel: Option<String>,
}

impl WorkloadArgs {
    /// The workload that these arguments describe.
    pub fn workload(&self) -> Result<Workload, Failure> {
        Ok(Workload {
            capabilities: capabilities_or_default(&self.caps)?,
            kernel: self.kernel.as_deref().map(kernel).transpose()?,
        })
    }
}
