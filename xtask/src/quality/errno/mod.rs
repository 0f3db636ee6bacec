//! `cargo xtask quality --errno`: with which error programs do best when a call is refused.
//!
//! For each call that an application's events missed under `--generalize exact`: the run that missed it, once without a
//! refusal and once for each error, under a profile that refuses this call alone. What is not better for another error
//! is not tried: where programs go on with ENOSYS, which a profile answers, they have a fallback or do without.

mod effect;
mod missed;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::app::App;
use super::measure::{self, Lab};
use super::results::Results;
use super::stage::{Done, Mode};
use crate::{page, ui};
use effect::Effect;
use missed::Missed;

/// What a program does when a call is refused, for each error that was tried.
#[derive(Clone, Debug)]
struct Tried {
    missed: Missed,
    effects: Vec<(&'static str, Effect)>,
}

/// Tries the errors for all calls that were missed, and writes `docs/refusals.md` if everything was tried.
pub fn run(lab: &Lab, apps: &[App], results: &Results, jobs: u16, write: bool) -> Result<()> {
    let tried = measure::each(apps, jobs, |app, port| one(lab, app, results, port))?;
    let complete = tried.len() == apps.len();
    let mut tried: Vec<Tried> = tried.into_iter().flatten().collect();
    tried.sort_by(|one, other| one.missed.cmp(&other.missed));
    ui::data(&table::table(&tried).aligned());
    ui::data(&table::summary(&tried));
    anyhow::ensure!(complete, "some applications could not be measured: see above");
    if write {
        page::write(&lab.root.join("docs/refusals.md"), "quality --errno", &table::page(&tried)?)?;
        ui::good("wrote docs/refusals.md");
    }
    Ok(())
}

fn one(lab: &Lab, app: &App, results: &Results, port: u16) -> Result<Vec<Tried>> {
    let folder = lab.copy(app)?.join("errno");
    std::fs::create_dir_all(&folder)?;
    let mut tried = Vec::new();
    let mut control: Option<(usize, Done)> = None;
    for missed in missed::of(results, &app.name) {
        let under = |errno: Option<&str>| -> Result<(Done, u64)> {
            let stage = folder.join("stage");
            let profile = profile(&folder, &missed, errno)?;
            let done = lab.run_of(app, Mode::Verify(profile), &stage, port, Some(missed.run))?;
            let refused = measure::reports(&stage.join("reports"))?;
            Ok((done, refused.iter().map(|call| call.count).sum()))
        };
        let plain = match control {
            Some((run, done)) if run == missed.run => done,
            _ => under(None)?.0,
        };
        if !plain.checks.iter().any(|check| check.held) {
            ui::step(format_args!("{}: run {} fails without a refusal", app.name, missed.run));
            control = Some((missed.run, plain));
            continue;
        }
        let mut effects = Vec::new();
        for errno in missed.errnos() {
            let (done, refused) = under(Some(errno))?;
            let effect = effect::of(&plain, &done, refused);
            ui::step(format_args!("{}: {} with {errno}: {effect}", app.name, missed.call()));
            effects.push((errno, effect));
            // The first is what a profile answers.
            if effects.len() == 1 && matches!(effect, Effect::GoesOn | Effect::NotMade) {
                break;
            }
        }
        control = Some((missed.run, plain));
        tried.push(Tried { missed, effects });
    }
    Ok(tried)
}

/// A profile that allows all calls but this one, and one that no application makes: Strait takes no profile that
/// refuses nothing.
fn profile(folder: &Path, missed: &Missed, errno: Option<&str>) -> Result<PathBuf> {
    let mut rules = vec![json!({"names": ["reboot"], "action": "SCMP_ACT_ERRNO"})];
    if let Some(errno) = errno {
        let number = nix_number(errno).with_context(|| format!("no error {errno}"))?;
        rules.push(json!({
            "names": missed.names(), "action": "SCMP_ACT_ERRNO", "errnoRet": number,
            "args": missed.conditions(),
        }));
    }
    let architecture = format!("SCMP_ARCH_{}", std::env::consts::ARCH.to_uppercase());
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": [architecture], "syscalls": rules,
    });
    let path = folder.join("profile.json");
    std::fs::write(&path, profile.to_string()).context("cannot write a profile")?;
    Ok(path)
}

fn nix_number(errno: &str) -> Option<u16> {
    errno.parse::<strait_generator::policy::Errno>().ok().map(|errno| errno.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_refuses_one_call_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let missed =
            missed::tests::example("socket", &["AF_INET6", "SOCK_STREAM|SOCK_CLOEXEC", "6"]);
        let read = |errno| {
            let path = profile(folder.path(), &missed, errno).unwrap();
            serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap()
        };
        assert_eq!(read(None)["syscalls"].as_array().unwrap().len(), 1);
        let rule = &read(Some("EAFNOSUPPORT"))["syscalls"][1];
        assert_eq!((&rule["names"], &rule["errnoRet"]), (&json!(["socket"]), &json!(97)));
        assert_eq!(rule["args"][0], json!({"index": 0, "op": "SCMP_CMP_EQ", "value": 10}));
        assert_eq!(rule["args"][2], json!({"index": 2, "op": "SCMP_CMP_EQ", "value": 6}));
    }
}
