//! Why a call is allowed or refused, and which program made it, as text.

use crate::abi::Abi;
use crate::decode::{self, Pattern};
use crate::diff::{Risk, assess_risk, called, describe_arguments, let_through, past};
use crate::evidence::{Added, Evidence, Seen};
use crate::policy::argument::ArgumentRule;
use crate::policy::decide::Meaning;
use crate::policy::decide::space::Set;
use crate::policy::{Action, Args, Clause, NoPolicy, Predicate, width};
use crate::profile::{OnMachines, Profile, rule_lines};
use crate::recording::Recording;
use crate::untrusted::Text;

/// A call as it was asked about: its name alone, or with arguments.
fn shown(pattern: &Pattern) -> String {
    let name = pattern.abi.syscall_name(pattern.number);
    let name = name.map_or_else(|| pattern.number.to_string(), str::to_owned);
    let Some(last) = pattern.args.iter().rposition(Option::is_some) else { return name };
    let arguments = pattern.args.iter().take(last + 1).enumerate().map(|(index, value)| {
        value.map_or_else(
            || "_".to_owned(),
            |value| decode::value(pattern.abi, pattern.number, index, value),
        )
    });
    format!("{name}({})", arguments.collect::<Vec<_>>().join(", "))
}

/// The arguments that are asked about, as programs pass them: with zeros in the upper half of an `int`.
fn asked(pattern: &Pattern) -> Set {
    let predicates = pattern.args.map(|value| value.map(Predicate::Equal));
    Set::from_clause(&Clause::new(predicates), width(pattern.abi))
}

/// What a profile does with a call, which of its rules decides, and who makes that call. `source` is the text of the
/// profile, in which the lines of its rules are counted.
///
/// # Errors
///
/// [`NoPolicy`] if the profile makes none.
pub fn profile(
    profile: &OnMachines,
    source: &str,
    pattern: &Pattern,
    evidence: Option<&Evidence>,
) -> Result<Text, NoPolicy> {
    let machine = pattern.abi.machine();
    let profile = profile.on(machine);
    let lines = rule_lines(source);
    // What was resolved from a dialect may have other rules than the file.
    let profile = &Source {
        profile,
        lines: if lines.len() == profile.entries.len() { lines } else { Vec::new() },
    };
    let meaning = Meaning::from(&profile.profile.policy(machine)?);
    let (abi, number) = (pattern.abi, pattern.number);
    let asked = asked(pattern);
    let parts = meaning.decision(abi, number).parts();
    let answers: Vec<(Action, Set)> = parts
        .iter()
        .map(|(action, set)| (*action, set.and(&asked)))
        .filter(|(_, set)| !set.is_empty())
        .collect();
    let mut text = Text::new();
    answer(&mut text, profile, pattern, &answers);
    let allowed = let_through(&parts);
    let partly = parts.len() > 1 && answers.len() == 1;
    if partly && !allowed.is_empty() {
        let words = describe_arguments(&allowed, abi, number);
        text.line(format_args!("  allowed arguments: {words}"));
    }
    risk(&mut text, assess_risk(abi, number, &asked));
    if let Some(evidence) = evidence {
        let made = evidence.seen(abi, number);
        match made.and_then(|made| made.only(|args| is_asked(pattern, args))) {
            Some(of_asked) => {
                seen(&mut text, &of_asked, Some(evidence));
                if of_asked.values.is_empty() && pattern.args != [None; 6] {
                    text.line("    with which arguments is not in the evidence");
                }
            }
            None if made.is_some() => {
                text.line("  never made with these arguments while recording");
            }
            None => {
                let name = abi.syscall_name(number).unwrap_or_default();
                match evidence.added.get(name) {
                    Some(Added { rule, reason }) => {
                        text.line(format_args!(
                            "  not seen in the recording; added ({rule}): {reason}"
                        ));
                    }
                    None => {
                        text.line(format_args!(
                            "  not seen in the recording{}",
                            why_then(&answers)
                        ));
                    }
                }
            }
        };
    }
    Ok(text)
}

/// Whether a call that was made is one of those that are asked about, as far as its arguments were kept.
fn is_asked(pattern: &Pattern, args: &Args) -> bool {
    let name = pattern.abi.syscall_name(pattern.number);
    let kept = name.and_then(ArgumentRule::for_call).into_iter().flat_map(|rule| &rule.keep);
    kept.into_iter().all(|kept| {
        let at = usize::from(kept.argument);
        let of = |args: &[Option<u64>; 6]| args.get(at).copied().flatten();
        let made = of(&args.map(Some)).map(|value| kept.reduce(value));
        of(&pattern.args).is_none_or(|given| made == Some(kept.reduce(given)))
    })
}

fn why_then(answers: &[(Action, Set)]) -> &'static str {
    if answers.iter().any(|(action, _)| action.lets_through()) {
        ": every program, a later C library or a runtime needs it, or it was added by hand"
    } else {
        ""
    }
}

/// A profile, and the line on which each of its rules begins; none if they are not known.
struct Source<'a> {
    profile: &'a Profile,
    lines: Vec<usize>,
}

fn answer(text: &mut Text, profile: &Source<'_>, pattern: &Pattern, answers: &[(Action, Set)]) {
    let (abi, call) = (pattern.abi, shown(pattern));
    if let [(action, set)] = answers {
        text.line(format_args!("{call} on {abi}: {}", past(*action)));
        return text.line(format_args!("  {}", decided_by(profile, pattern, *action, set)));
    }
    text.line(format_args!("{call} on {abi}: depends on its arguments"));
    for (action, set) in answers {
        let words = describe_arguments(set, abi, pattern.number);
        text.line(format_args!("  {words}: {}", past(*action)));
        text.line(format_args!("    {}", decided_by(profile, pattern, *action, set)));
    }
}

/// The rules that give this answer.
fn decided_by(source: &Source<'_>, pattern: &Pattern, action: Action, set: &Set) -> String {
    let profile = source.profile;
    let covered = profile.abis(pattern.abi.machine()).contains(&pattern.abi);
    if !covered && action == crate::policy::UNLISTED_ABI {
        return format!("{} is not among the architectures of the profile", pattern.abi);
    }
    let name = pattern.abi.syscall_name(pattern.number).unwrap_or_default();
    let applies = |entry: &crate::profile::Entry| {
        entry.action == action
            && entry.names.iter().any(|listed| listed == name)
            && !Set::any(&entry.clauses(), width(pattern.abi)).and(set).is_empty()
    };
    let rules: Vec<_> = profile
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| applies(entry))
        .map(|(nth, _)| match source.lines.get(nth) {
            Some(line) => format!("rule {nth} (line {line})"),
            None => format!("rule {nth}"),
        })
        .collect();
    match rules.as_slice() {
        [] if action == profile.default => {
            format!("default action: {action}")
        }
        [] => "the rule of the multiplexer (socketcall, ipc) of this architecture".to_owned(),
        rules => rules.join(", "),
    }
}

fn risk(text: &mut Text, risk: Risk) {
    let Risk { class, level, reason, source } = risk;
    let source = if source.is_empty() { String::new() } else { format!(" ({source})") };
    text.line(format_args!("  risk: {}, {class}: {reason}{source}", level.name()));
}

fn seen(text: &mut Text, seen: &Seen, evidence: Option<&Evidence>) {
    text.line(format_args!(
        "  made {}, first {:.3} s after the recording began",
        times(seen.count),
        seen.first_seen.as_secs_f64()
    ));
    let mut programs: Vec<_> = seen.programs.iter().collect();
    programs.sort_by_key(|(path, count)| (std::cmp::Reverse(**count), (*path).clone()));
    for (path, count) in programs {
        text.line(format_args!("    by {path}, {}", times(*count)));
    }
    let phases = seen.phases.iter().map(|(phase, count)| format!("{}: {count}", phase.when()));
    let phases: Vec<_> = phases.collect();
    if !phases.is_empty() {
        text.line(format_args!("    {}", phases.join(", ")));
    }
    if let Some(first) = &seen.first {
        let of = evidence.and_then(|evidence| evidence.recording(&first.recording));
        let of = of.map(|source| format!(" (recording of {}, {})", source.name, source.started));
        let of = of.unwrap_or_default();
        text.line(format_args!("    first in sample {}{of}", first.sample));
        let names = seen.samples.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match seen.more_samples {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        text.line(format_args!("    in samples {names}{more}"));
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The values of arguments that were seen, of those that are asked about.
fn arguments(text: &mut Text, recording: &Recording, pattern: &Pattern) {
    const LISTED: usize = 20;
    let Pattern { abi, number, .. } = *pattern;
    let call = recording.calls.get(&abi).and_then(|calls| calls.get(&number));
    let rule = abi.syscall_name(number).and_then(ArgumentRule::for_call);
    let (Some(rule), Some(kept)) = (rule, call.and_then(|call| call.arguments.as_ref())) else {
        if pattern.args.iter().any(Option::is_some) {
            text.line("  with which arguments is not in this recording");
        }
        return;
    };
    let asked = |values: &[u64]| {
        rule.keep.iter().zip(values).all(|(kept, value)| {
            let given = pattern.args.get(usize::from(kept.argument)).copied().flatten();
            given.is_none_or(|given| kept.reduce(given) == *value)
        })
    };
    let mut values: Vec<_> = kept.values.iter().filter(|(values, _)| asked(values)).collect();
    values.sort_by_key(|(values, used)| (std::cmp::Reverse(used.count), *values));
    if values.is_empty() && kept.overflow == 0 {
        text.line("  but never with these arguments");
    }
    for (values, used) in values.iter().take(LISTED) {
        let programs: Vec<_> = used.programs.keys().map(String::as_str).collect();
        let example = decode::call(abi, number, &rule.example(values));
        text.line(format_args!(
            "    as {example}, {}, by {}",
            times(used.count),
            programs.join(", ")
        ));
    }
    if values.len() > LISTED {
        text.line(format_args!("    and in {} other ways", values.len() - LISTED));
    }
    if kept.overflow > 0 {
        let times = times(kept.overflow);
        text.line(format_args!("    and {times} with arguments for which there was no room"));
    }
}

/// What a recording says about a call.
pub fn recording(recording: &Recording, pattern: &Pattern) -> Text {
    let (abi, number) = (pattern.abi, pattern.number);
    let evidence = Evidence::from_recording(recording);
    let name = shown(&Pattern { args: [None; 6], ..*pattern });
    let mut text = Text::new();
    match evidence.seen(abi, number) {
        None => text.line(format_args!("{name} on {abi}: never called")),
        Some(made) => {
            text.line(format_args!("{name} on {abi}: called"));
            seen(&mut text, made, Some(&evidence));
            if let Some(last) = recording
                .samples_in_order()
                .into_iter()
                .rev()
                .find(|sample| sample.has(abi, number))
            {
                text.line(format_args!("    last in sample {}", last.name));
            }
            arguments(&mut text, recording, pattern)
        }
    };
    for ((_, _, errno), count) in
        recording.refused.iter().filter(|((of, call, _), _)| (*of, *call) == (abi, number))
    {
        let outcome = errno.map_or_else(
            || "killing the task".to_owned(),
            |errno| {
                let known = crate::policy::Errno::new(errno);
                known.map_or_else(|| errno.to_string(), |errno| errno.to_string())
            },
        );
        text.line(format_args!(
            "  refused {} with {outcome} by the filter that was active while recording",
            times(*count)
        ));
    }
    let called = Meaning::from(&called(recording));
    risk(&mut text, risk_as_called(&called, abi, number, asked(pattern)));
    text
}

/// What is known against a call with those of the arguments `meant` with which it was made, or with all of
/// them if it was made with none. `called` is the policy that allows what was called.
pub(crate) fn risk_as_called(called: &Meaning, abi: Abi, number: u32, meant: Set) -> Risk {
    let called = let_through(&called.decision(abi, number).parts()).and(&meant);
    assess_risk(abi, number, if called.is_empty() { &meant } else { &called })
}
