//! The results of `quality --errno` as a table, and which error is best for a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;

use super::Tried;
use super::effect::Effect;
use crate::page;
use crate::table::Table;

/// A row for each call of a program that does not go on with ENOSYS.
pub fn table(tried: &[Tried]) -> Table {
    let head = ["Call", "Application", "Program", "ENOSYS", "EPERM", "EACCES", "Another"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in tried.iter().filter(|one| !is_harmless(one)) {
        let effect = |errno: &str| {
            let found = one.effects.iter().find(|(name, _)| *name == errno);
            found.map_or_else(String::new, |(_, effect)| effect.to_string())
        };
        let others = one.effects.iter().skip(3);
        let others: Vec<String> =
            others.map(|(errno, effect)| format!("{errno}: {effect}")).collect();
        rows.push(vec![
            format!("`{}`", one.missed.call()),
            one.missed.app.clone(),
            one.missed.name().to_owned(),
            effect("ENOSYS"),
            effect("EPERM"),
            effect("EACCES"),
            others.join(", "),
        ]);
    }
    Table(rows)
}

fn is_harmless(one: &Tried) -> bool {
    one.effects.iter().take(1).all(|(_, effect)| *effect <= Effect::NotMade)
}

/// The error whose worst effect on a program is the least, by call, where that is better than with ENOSYS. Among equals, the one with which
/// more programs go on.
fn better(tried: &[Tried]) -> BTreeMap<String, &'static str> {
    let mut calls: BTreeMap<String, Vec<&Tried>> = BTreeMap::new();
    for one in tried.iter().filter(|one| !is_harmless(one)) {
        calls.entry(one.missed.call()).or_default().push(one);
    }
    let best = |all: &Vec<&Tried>| {
        let rating = |errno: &str| {
            let effects =
                || all.iter().flat_map(|one| &one.effects).filter(|(name, _)| *name == errno);
            let worst = effects().map(|(_, effect)| *effect).max();
            (worst, effects().filter(|(_, effect)| *effect > Effect::NotMade).count())
        };
        let errnos: Vec<&'static str> =
            all.first()?.effects.iter().map(|(name, _)| *name).collect();
        // The first of equals, which is ENOSYS if it is among them.
        let best = errnos.into_iter().min_by_key(|errno| rating(errno))?;
        (best != "ENOSYS").then_some(best)
    };
    calls.into_iter().filter_map(|(call, all)| Some((call, best(&all)?))).collect()
}

/// Where another error than ENOSYS is better, and what spins with ENOSYS.
pub fn summary(tried: &[Tried]) -> String {
    let mut text = String::new();
    let harmless: Vec<&Tried> = tried.iter().filter(|one| is_harmless(one)).collect();
    let calls: BTreeSet<String> = harmless.iter().map(|one| one.missed.call()).collect();
    let _ = writeln!(
        text,
        "Of {} calls of programs, {} are made in vain without harm with ENOSYS: {}.",
        tried.len(),
        harmless.len(),
        calls.iter().map(|call| format!("`{call}`")).collect::<Vec<_>>().join(", ")
    );
    let better: Vec<String> =
        better(tried).iter().map(|(call, errno)| format!("`{call}`: {errno}")).collect();
    let _ = writeln!(text, "\nBetter than ENOSYS: {}.", list(&better));
    let spinning: Vec<String> = tried
        .iter()
        .filter(|one| one.effects.first().is_some_and(|(_, effect)| *effect == Effect::Spins))
        .map(|one| format!("`{}` ({})", one.missed.call(), one.missed.name()))
        .collect();
    let _ = writeln!(text, "\nSpinning with ENOSYS: {}.", list(&spinning));
    text
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The measured part of the page.
pub fn page(tried: &[Tried]) -> Result<String> {
    Ok(format!(
        "Measured on {} on Linux {}, {}.\n\n{}\n{}",
        page::today()?,
        page::kernel()?,
        std::env::consts::ARCH,
        summary(tried),
        table(tried).markdown().trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::missed::tests::example;
    use super::*;
    use Effect::{Fails, GoesOn, Spins};

    fn tried(call: &str, effects: &[(&'static str, Effect)]) -> Tried {
        Tried { missed: example(call, &[]), effects: effects.to_vec() }
    }

    #[test]
    fn another_error_must_be_better_for_the_worst_of_all_programs() {
        let all = [
            tried("wait4", &[("ENOSYS", Spins), ("EPERM", Spins), ("ECHILD", GoesOn)]),
            tried("wait4", &[("ENOSYS", Fails(1)), ("EPERM", Fails(1)), ("ECHILD", Fails(1))]),
            tried("fsync", &[("ENOSYS", Fails(1)), ("EPERM", Fails(1)), ("EINVAL", Fails(1))]),
            tried("poll", &[("ENOSYS", Fails(2)), ("EPERM", Spins), ("EINVAL", Fails(1))]),
            tried("uname", &[("ENOSYS", GoesOn)]),
        ];
        let better = better(&all);
        assert_eq!(better.get("wait4"), Some(&"ECHILD"));
        assert_eq!(better.get("poll"), Some(&"EINVAL"));
        assert_eq!(better.len(), 2);
        let text = summary(&all);
        assert!(text.contains("Of 5 calls of programs, 1 are made in vain"), "{text}");
        assert!(text.contains("Spinning with ENOSYS: `wait4` (program)."), "{text}");
        assert_eq!(table(&all).0.len(), 5);
    }
}
