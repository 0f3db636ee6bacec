//! The results as tables: aligned for a terminal, and in Markdown.

use std::fmt::Write;

use super::app::Class;
use super::policy::Policy;
use super::results::{Measured, Outcome, Results};
use crate::table::Table;

/// Both tables, for a terminal.
pub fn text(results: &Results) -> String {
    format!("{}\n{}", policies(results).aligned(), applications(results).aligned())
}

/// What each policy comes to over all applications, in Markdown.
pub fn summary(results: &Results) -> String {
    policies(results).markdown()
}

/// Each application under each policy, in Markdown.
pub fn details(results: &Results) -> String {
    applications(results).markdown()
}

/// What one policy comes to over all applications.
pub struct Sum {
    pub policy: Policy,
    /// Means over the applications.
    pub calls: f64,
    pub risky: f64,
    pub risky_not_recorded: f64,
    /// Of each class: broken checks, and all.
    pub broken: [(usize, usize); 2],
}

/// The sums of all policies that every application was measured under.
pub fn sums(results: &Results) -> Vec<Sum> {
    let sum = |policy: Policy| {
        let outcomes: Vec<(&Measured, &Outcome)> = results
            .apps
            .iter()
            .filter_map(|app| app.policies.get(&policy).map(|outcome| (app, outcome)))
            .collect();
        let mean = |figure: &dyn Fn(&Outcome) -> usize| {
            let total: usize = outcomes.iter().map(|(_, outcome)| figure(outcome)).sum();
            ratio(total, outcomes.len())
        };
        Sum {
            policy,
            calls: mean(&|outcome| outcome.calls),
            risky: mean(&Outcome::risky),
            risky_not_recorded: mean(&|outcome| outcome.risky_not_recorded.len()),
            broken: Class::ALL.map(|class| {
                let broken = outcomes.iter().map(|(_, outcome)| outcome.broken(class)).sum();
                (broken, outcomes.iter().map(|(app, _)| app.total(class)).sum())
            }),
        }
    };
    results.policies().into_iter().map(sum).collect()
}

/// A ratio of two counts; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of calls and checks")]
pub fn ratio(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

fn policies(results: &Results) -> Table {
    let head = [
        "Policy",
        "Calls allowed, mean",
        "of risk medium or high",
        "of these not recorded",
        "Events broken",
        "Configurations broken",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for sum in sums(results) {
        let broken = sum.broken.map(|(broken, all)| {
            format!("{broken} of {all} ({:.1} %)", 100.0 * ratio(broken, all))
        });
        let mut row = vec![
            sum.policy.title().to_owned(),
            format!("{:.0}", sum.calls),
            format!("{:.1}", sum.risky),
            format!("{:.1}", sum.risky_not_recorded),
        ];
        row.extend(broken);
        rows.push(row);
    }
    Table(rows)
}

fn applications(results: &Results) -> Table {
    let mut head = vec!["Application".to_owned(), "recorded".to_owned()];
    let policies = results.policies();
    head.extend(policies.iter().map(|policy| policy.title().to_owned()));
    let mut rows = vec![head];
    for app in &results.apps {
        let mut row = vec![app.name.clone(), app.recorded.to_string()];
        for policy in &policies {
            row.push(
                app.policies.get(policy).map_or_else(String::new, |outcome| cell(app, outcome)),
            );
        }
        rows.push(row);
    }
    Table(rows)
}

/// Calls allowed, those of risk, and what is broken of events and configurations.
fn cell(app: &Measured, outcome: &Outcome) -> String {
    let [events, configurations] =
        Class::ALL.map(|class| format!("{}/{}", outcome.broken(class), app.total(class)));
    format!("{}, {}; {events}, {configurations}", outcome.calls, outcome.risky())
}

/// The broken checks of a policy by application, and which calls were refused in their runs, in Markdown.
pub fn broken(results: &Results, policy: Policy) -> String {
    let mut text = String::new();
    for app in &results.apps {
        let Some(outcome) = app.policies.get(&policy).filter(|outcome| !outcome.broken.is_empty())
        else {
            continue;
        };
        let _ = writeln!(text, "- **{}**", app.name);
        let mut runs: Vec<usize> = outcome.broken.iter().map(|broken| broken.run).collect();
        runs.dedup();
        for run in runs {
            let names: Vec<&str> = outcome
                .broken
                .iter()
                .filter(|broken| broken.run == run)
                .map(|broken| broken.name.as_str())
                .collect();
            let mut calls: Vec<String> = outcome
                .refused
                .iter()
                .filter(|call| call.run == run)
                .map(|call| format!("`{}`", call.syscall))
                .collect();
            calls.dedup();
            let calls = if calls.is_empty() { "none".to_owned() } else { calls.join(", ") };
            let _ = writeln!(text, "  - {}. Refused: {calls}", names.join("; "));
        }
    }
    text
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::quality::results::{Broken, Refused};

    /// Two applications under two policies.
    pub fn example() -> Results {
        let refused = Refused {
            run: 1,
            syscall: "fsync".to_owned(),
            args: vec!["3".to_owned()],
            program: "/usr/bin/one".to_owned(),
            errno: "ENOSYS".to_owned(),
            count: 2,
        };
        let outcome = |calls, broken: &[(&str, Class)]| Outcome {
            calls,
            medium: 3,
            high: 1,
            risky_not_recorded: vec!["setuid".to_owned()],
            broken: broken
                .iter()
                .map(|(name, class)| Broken { name: (*name).to_owned(), class: *class, run: 1 })
                .collect(),
            refused: vec![refused.clone()],
            trouble: Vec::new(),
        };
        let app = |name: &str, broken: &[(&str, Class)]| Measured {
            name: name.to_owned(),
            title: format!("the application {name}"),
            packages: [(name.to_owned(), "1.0".to_owned())].into(),
            recorded: 40,
            counted: [
                ("reload".to_owned(), Class::Event),
                ("crash".to_owned(), Class::Event),
                ("IPv6".to_owned(), Class::Configuration),
            ]
            .into(),
            not_counted: Vec::new(),
            policies: [(Policy::Docker, outcome(300, &[])), (Policy::Reach, outcome(100, broken))]
                .into(),
        };
        Results {
            schema: "strait.quality/v1".to_owned(),
            date: "2026-11-28".to_owned(),
            kernel: "6.12".to_owned(),
            machine: "x86_64".to_owned(),
            strait: "strait 0.1.0".to_owned(),
            apps: vec![
                app("one", &[("reload", Class::Event), ("IPv6", Class::Configuration)]),
                app("two", &[]),
            ],
        }
    }

    #[test]
    fn sums_are_over_all_applications() {
        let sums = sums(&example());
        assert_eq!(sums.len(), 2);
        assert_eq!(sums[1].policy, Policy::Reach);
        assert_eq!(sums[1].broken, [(1, 4), (1, 2)]);
        assert!((sums[0].calls - 300.0).abs() < f64::EPSILON);
        assert!((sums[0].risky - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_policy_that_one_application_lacks_is_in_no_table() {
        let mut results = example();
        results.apps[1].policies.remove(&Policy::Docker);
        assert_eq!(results.policies(), [Policy::Reach]);
        assert!(!text(&results).contains("Docker"));
    }

    #[test]
    fn tables_say_what_was_measured() {
        let text = summary(&example());
        assert!(
            text.contains(
                "| Strait, reach | 100 | 4.0 | 1.0 | 1 of 4 (25.0 %) | 1 of 2 (50.0 %) |"
            ),
            "{text}"
        );
        let text = details(&example());
        assert!(text.contains("| one | 40 | 300, 4; 0/2, 0/1 | 100, 4; 1/2, 1/1 |"), "{text}");
        let lines: Vec<usize> =
            self::text(&example()).lines().take(3).map(|line| line.chars().count()).collect();
        assert_eq!(lines[1], lines[2]);
    }

    #[test]
    fn what_broke_is_named_with_the_refused_calls() {
        let text = broken(&example(), Policy::Reach);
        assert_eq!(text, "- **one**\n  - reload; IPv6. Refused: `fsync`\n");
        assert_eq!(broken(&example(), Policy::Docker), "");
    }
}
