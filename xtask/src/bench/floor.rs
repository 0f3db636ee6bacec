//! What any tracing of system calls costs: the measure for what the probe costs.

use anyhow::{Context, Result};
use aya::programs::RawTracePoint;

use super::Lab;

/// The probe's program that does nothing, alone.
pub struct Floor(aya::Ebpf);

impl Floor {
    /// Loads it, and attaches nothing yet.
    pub fn load(lab: &Lab) -> Result<Self> {
        let mut object = aya::Ebpf::load_file(&lab.object)
            .with_context(|| format!("cannot load {}", lab.object.display()))?;
        let program: &mut RawTracePoint = Self::program(&mut object)?;
        program.load().context("the kernel refuses the empty program")?;
        Ok(Self(object))
    }

    fn program(object: &mut aya::Ebpf) -> Result<&mut RawTracePoint> {
        let program = object.program_mut("floor").context("the object has no program `floor`")?;
        program.try_into().context("the program `floor` is no raw tracepoint")
    }

    /// Does something while it is attached.
    pub fn attached<T>(&mut self, action: impl FnOnce() -> Result<T>) -> Result<T> {
        let program = Self::program(&mut self.0)?;
        let link = program.attach("sys_enter").context("cannot attach the empty program")?;
        let result = action();
        program.detach(link).context("cannot detach the empty program")?;
        result
    }
}
