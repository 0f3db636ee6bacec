//! How long the commands take that compare profiles and put recordings together.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Lab;
use super::report::{Bound, Limit, Line};
use super::start::high_water_mark;
use super::stats::Spread;
use crate::run::{self, Tool};
use crate::{tree, ui};

/// As of 10 000 test jobs.
const RECORDINGS: usize = 10_000;
/// Of the profile that has more rules than any real one.
const CALLS: usize = 400;
const RULES: usize = 2000;

/// A command, what it is about, and its bounds.
struct Decision {
    name: String,
    args: Vec<PathBuf>,
    seconds: f64,
    mebibytes: Option<f64>,
}

pub fn measure(lab: &Lab, rounds: u32) -> Result<Vec<Line>> {
    ui::step("profiles and recordings");
    let mut lines = Vec::new();
    for decision in decisions(lab)? {
        let (mut times, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (time, peak) = run(lab, &decision)?;
            times.push(time);
            memory.push(peak);
        }
        lines.extend(decision.lines(&Spread::from_figures(&times), &Spread::from_figures(&memory)));
    }
    Ok(lines)
}

fn decisions(lab: &Lab) -> Result<Vec<Decision>> {
    let folder = lab.scratch.path().join("decisions");
    std::fs::create_dir_all(&folder).context("cannot make a folder")?;
    let file = |name: &str| folder.join(name);
    let (recording, profile, stricter) = (file("r.json"), file("p.json"), file("strict.json"));
    Tool::new(&lab.strait)
        .args(["record", "--quiet", "-o"])
        .arg(&recording)
        .args(["--", "sh", "-c", "ls -l /etc | sort | tail -n 1 && getent hosts localhost"])
        .quiet("recording a command")?;
    for (into, level) in [(&profile, "standard"), (&stricter, "strict")] {
        Tool::new(&lab.strait)
            .args(["generate", "--quiet", "--args", level, "-o"])
            .args([into, &recording])
            .quiet("making a profile")?;
    }
    let large = file("large.json");
    std::fs::write(&large, large_profile()?.to_string()).context("cannot write a profile")?;
    let shards = shards(&recording, &file("shards"))?;

    let command = |args: &[&dyn AsRef<Path>]| -> Vec<PathBuf> {
        args.iter().map(|word| word.as_ref().to_owned()).collect()
    };
    let within = |profile: &Path| command(&[&"check", &profile, &"--within", &"docker-default"]);
    let mut merge = command(&[&"merge", &"-o", &file("merged.json")]);
    merge.extend(shards);
    let [quick, slow] = [0.05, 1.0];
    let named = |name: &str, args, seconds, mebibytes| {
        let name = name.to_owned();
        Decision { name, args, seconds, mebibytes }
    };
    Ok(vec![
        named("strait check: a profile within docker-default", within(&profile), quick, None),
        named(
            &format!("strait check: {CALLS} calls with {RULES} rules about arguments"),
            within(&large),
            slow,
            Some(500.0),
        ),
        named(
            "strait diff: of two profiles",
            command(&[&"diff", &stricter, &profile]),
            quick,
            None,
        ),
        named(
            "strait explain: a call under a profile",
            command(&[&"explain", &profile, &"socket(AF_NETLINK, SOCK_RAW, 0)"]),
            quick,
            None,
        ),
        named(&format!("strait merge: {RECORDINGS} recordings"), merge, 3.0, Some(200.0)),
    ])
}

/// The time in seconds, and the most memory in MiB.
fn run(lab: &Lab, decision: &Decision) -> Result<(f64, f64)> {
    let mut tool = Tool::new(&lab.strait).args(&decision.args).arg("--quiet");
    let [out, complaints] = ["out", "complaints"].map(|name| lab.scratch.path().join(name));
    let file = |path: &Path| std::fs::File::create(path).context("cannot make a file");
    tool.command().stdout(file(&out)?).stderr(file(&complaints)?);
    let before = Instant::now();
    let mut running = tool.start(&decision.name)?;
    let pid = running.pid();
    let mut peak = 0.0_f64;
    let status = run::wait_for("a command's end", Duration::from_secs(60), || {
        peak = high_water_mark(pid).map_or(peak, |now| now.max(peak));
        running.ended()
    })?;
    let time = before.elapsed().as_secs_f64();
    // 10 says that something was found, which is no matter here.
    if !matches!(status.code(), Some(0 | 10)) {
        let complaints = std::fs::read_to_string(complaints).unwrap_or_default();
        anyhow::bail!("{} ended with {status}: {complaints}", decision.name);
    }
    Ok((time, peak))
}

impl Decision {
    fn lines(&self, time: &Spread, memory: &Spread) -> Vec<Line> {
        let line = |unit, figure: Spread, what, value, limit| Line {
            name: self.name.clone(),
            unit,
            figure: Some(figure),
            ratio: None,
            remark: String::new(),
            bound: Some(Bound { what, value, limit: Limit::Below(limit) }),
        };
        let milliseconds =
            Spread { median: time.median * 1e3, min: time.min * 1e3, max: time.max * 1e3 };
        let mut lines =
            vec![line("ms", milliseconds, "ms:", milliseconds.median, self.seconds * 1e3)];
        if let Some(limit) = self.mebibytes {
            let name = format!("{}, memory", self.name);
            lines.push(Line { name, ..line("MiB", *memory, "MiB at most:", memory.max, limit) });
        }
        lines
    }
}

/// More calls and rules than any real profile has.
fn large_profile() -> Result<Value> {
    let names = names()?;
    anyhow::ensure!(names.len() >= CALLS, "there are names of {} calls only", names.len());
    let rule = |nth: usize| {
        let call = &names[nth % CALLS];
        let comparison = |index: usize, mask: u64, value: usize| json!({"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value});
        json!({
            "names": [call],
            "action": "SCMP_ACT_ALLOW",
            "args": [
                comparison(nth % 3, 0xffff_ffff, nth / CALLS * 17 + nth % 5),
                comparison(3 + nth % 3, 0xff, nth % 251),
            ],
        })
    };
    Ok(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": (0..RULES).map(rule).collect::<Vec<_>>(),
    }))
}

/// Names of calls: of those whose arguments are known, and of those that the Docker default has.
fn names() -> Result<Vec<String>> {
    let profiles = tree::root()?.join("profiles");
    let read = |name: &str| -> Result<Value> {
        let path = profiles.join(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    };
    let arguments = read("arguments.json")?;
    let calls = arguments["calls"].as_object().context("arguments.json has no calls")?;
    let default = read("baselines/docker-default.json")?;
    let always = default["always"].as_array().context("the Docker default has no calls")?;
    let always = always.iter().filter_map(Value::as_str).flat_map(str::split_whitespace);
    let names: BTreeSet<&str> = calls.keys().map(String::as_str).chain(always).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// The same recording again and again, as if from other jobs.
fn shards(recording: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).context("cannot make a folder")?;
    let text = std::fs::read_to_string(recording).context("cannot read the recording")?;
    let value: Value = serde_json::from_str(&text).context("the recording is no JSON")?;
    let id = value["id"].as_str().context("the recording has no id")?;
    let (head, tail) = text.split_once(id).context("the recording's id is written otherwise")?;
    (0..RECORDINGS)
        .map(|nth| {
            let path = folder.join(format!("{nth}.json"));
            let mut text = head.to_owned();
            write!(text, "{nth}-{id}{tail}")?;
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_profile_is_large() {
        let profile = large_profile().unwrap();
        let rules = profile["syscalls"].as_array().unwrap();
        let calls: BTreeSet<_> = rules.iter().map(|rule| rule["names"][0].as_str()).collect();
        assert_eq!((rules.len(), calls.len()), (RULES, CALLS));
    }
}
