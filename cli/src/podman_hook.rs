//! `strait podman-hook`, which podman runs under `strait verify --inject`.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::Outcome;
use strait_recorder::output::Output;
use strait_recorder::record::leave_alone;

/// The largest configuration of a container. podman's have some ten kilobytes.
const LARGEST: u64 = 16 << 20;

/// Put podman's own profile back into the configuration of a pod's infra container
#[derive(Args, Debug)]
pub struct PodmanHookArgs {
    /// podman's own default profile
    #[arg(long)]
    default: Option<PathBuf>,
    /// What infra containers run, by podman's settings
    #[arg(long)]
    infra_command: Option<String>,
}

/// Runs `strait podman-hook`.
pub fn main(args: &PodmanHookArgs) -> Outcome {
    let mut config = String::new();
    let read = std::io::stdin().take(LARGEST + 1).read_to_string(&mut config);
    let read = read.context("cannot read the configuration of a container")?;
    if read as u64 > LARGEST {
        return Err(anyhow!("the configuration of a container has more than 16 MiB").into());
    }
    let config = leave_alone(&config, args.default.as_deref(), args.infra_command.as_deref())?;
    Output::Stdout.write(config.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
