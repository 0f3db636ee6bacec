//! `cargo xtask demo`: the main job on a real server. Record nginx, generate its profile, run it
//! under that profile with other requests than were recorded.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::nginx::{Request, Site};
use crate::run::{Running, Tool};
use crate::{setup, tree, ui};

const PATIENCE: Duration = Duration::from_secs(30);
const REFUSED: i32 = 12;

pub fn run(root: &Path) -> Result<()> {
    setup::run(root, setup::Level::Demo)?;
    tree::require_root("the demo")?;
    ui::step("building strait");
    let strait = tree::build_strait(root)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let recording = scratch.path().join("nginx.recording.json");
    let profile = scratch.path().join("nginx.json");

    ui::heading("1. Record nginx: requests, a reload, a shutdown");
    let record = Tool::new(&strait).args(["record", "-o"]).arg(&recording);
    drive(record, recorded_requests)?;
    ui::step(summary(&recording)?);

    ui::heading("2. Generate its profile, and compare it with the Docker default");
    let text = Tool::new(&strait).arg("generate").arg(&recording).stdout("`strait generate`")?;
    std::fs::write(&profile, &text)
        .with_context(|| format!("cannot write {}", profile.display()))?;
    ui::data(&text);

    ui::heading("3. Run nginx under that profile: other requests, a reload, a shutdown");
    let verify = Tool::new(&strait).arg("verify").arg(&profile);
    drive(verify, other_requests)?;
    ui::good("nginx ran under its profile, and no call was refused");
    Ok(())
}

/// Runs a fresh nginx under `strait`, from its start over some requests and a reload to its end.
fn drive(strait: Tool, requests: fn(&Site) -> Result<()>) -> Result<()> {
    let site = Site::new(2)?;
    let mut running = strait.arg("--").args(site.command()?).start("nginx under strait")?;
    site.wait_ready(&mut running)?;
    exercise(&site, &mut running, requests)?;
    let status = running.wait(PATIENCE)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(REFUSED) => bail!("a call was refused: see the report above"),
        _ => bail!("nginx under strait ended with {status}"),
    }
}

fn exercise(site: &Site, running: &mut Running, requests: fn(&Site) -> Result<()>) -> Result<()> {
    requests(site)?;
    site.reload(running)?;
    requests(site)?;
    site.quit()
}

const RANGE: &str = "Range: bytes=100-199\r\n";

fn recorded_requests(site: &Site) -> Result<()> {
    site.exchange(&[Request("GET", "/", "")], &[200])?;
    site.exchange(&[Request("GET", "/missing", "")], &[404])?;
    site.exchange(&[Request("GET", "/large.bin", RANGE)], &[206])?;
    site.exchange(&[Request("HEAD", "/", ""), Request("GET", "/", "")], &[200, 200])?;
    site.exchange(&[Request("GET", "/large.bin", "")], &[200])
}

fn other_requests(site: &Site) -> Result<()> {
    site.exchange(&[Request("GET", "/large.bin", "")], &[200])?;
    site.exchange(&[Request("DELETE", "/index.html", "")], &[405])?;
    site.exchange(&[Request("GET", "/index.html", "Accept-Encoding: gzip\r\n")], &[200])?;
    site.exchange(&[Request("GET", "/large.bin", "Range: bytes=-1\r\n")], &[206])?;
    site.exchange(
        &[Request("HEAD", "/large.bin", ""), Request("GET", "/no", ""), Request("GET", "/", "")],
        &[200, 404, 200],
    )
}

/// One line about a recording.
fn summary(path: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let recording: Value = serde_json::from_str(&text).context("the recording is not JSON")?;
    let abis = recording["abis"].as_object().context("the recording has no abis")?;
    let described: Vec<String> = abis
        .iter()
        .filter_map(|(abi, calls)| Some((abi, calls["syscalls"].as_object()?)))
        .map(|(abi, calls)| {
            let total: u64 = calls.values().filter_map(|call| call["count"].as_u64()).sum();
            format!("{abi}: {} different calls, {total} in all", calls.len())
        })
        .collect();
    let state = if recording["complete"] == true { "complete" } else { "INCOMPLETE" };
    Ok(format!("the recording is {state}; {}", described.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summarised(json: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        summary(file.path()).unwrap()
    }

    #[test]
    fn a_recording_is_summed_up_by_abi() {
        let calls = r#"{"read": {"count": 3}, "write": {"count": 4}}"#;
        let json =
            format!(r#"{{"complete": true, "abis": {{"x86_64": {{"syscalls": {calls}}}}}}}"#);
        assert_eq!(
            summarised(&json),
            "the recording is complete; x86_64: 2 different calls, 7 in all"
        );
    }

    #[test]
    fn an_incomplete_recording_is_called_so() {
        assert!(summarised(r#"{"complete": false, "abis": {}}"#).contains("INCOMPLETE"));
    }
}
