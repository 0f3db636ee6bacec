//! `--machine`: the machines that an answer is about.

use clap::ValueEnum;

use strait_generator::machine::{Machine, Machines};

/// Machines, as they are called on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MachineArg {
    /// 64-bit x86, with its 32-bit ABIs
    #[value(name = "x86_64")]
    X86_64,
    /// 64-bit arm; 32-bit arm is not modelled
    #[value(name = "aarch64")]
    Aarch64,
    /// All of these: a profile covers each machine's own ABI, whatever it lists
    #[default]
    All,
}

impl From<MachineArg> for Machines {
    fn from(arg: MachineArg) -> Self {
        match arg {
            MachineArg::X86_64 => Machine::X86_64.into(),
            MachineArg::Aarch64 => Machine::Aarch64.into(),
            MachineArg::All => Self::ALL,
        }
    }
}
