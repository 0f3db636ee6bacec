//! Whether a refusal is the profile's, or another filter's.
//!
//! What the kernel shows is that a call did not get past the filters of its task, and how it was answered. That
//! may be the profile, a filter that the workload has installed itself, a supervisor that has done the work, or a
//! tracer. A refusal is the profile's if the profile refuses that call with these arguments; what it lets through
//! another filter has refused.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::abi::{Abi, Existence};
use crate::diff::{ByCall, Exception, Exceptions};
use crate::outcome::{Answer, Refusal};
use crate::policy::baseline::{Baseline, Context, KernelVersion};
use crate::policy::decide::space::Set;
use crate::policy::decide::{Certainty, Meaning};
use crate::policy::fallback::{self, RefusalKind};
use crate::policy::{Action, Capability, Clause, Errno, Policy, Predicate, width};
use crate::recording::Phase;

/// What a refusal says about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The profile kept the workload from something.
    Refused,
    /// It may have: not all that would tell is known.
    Unsure,
    /// The profile refuses it by design, so that software makes one of these calls instead, which it allows.
    Fallback(Vec<&'static str>),
    /// The profile refuses it, and an exception says that it may: its place among those that are valid.
    Accepted(usize),
    /// A container runtime tried it before the workload began. Docker's default refuses it as well, and
    /// the runtime goes on without.
    Runtime,
    /// The profile lets it through.
    Elsewhere,
    /// No kernel has such a call.
    NoSuchCall,
}

/// What refusals are held against.
pub struct Expectation<'a> {
    policy: &'a Policy,
    meaning: Meaning,
    lacking: BTreeSet<(Abi, u32)>,
    kernel: Option<KernelVersion>,
    valid: Vec<&'a Exception>,
    by_call: ByCall,
    looked_at: BTreeMap<(Abi, u32), u8>,
}

/// Where a refusal was seen.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whether the workload was started after all.
    pub started: bool,
    /// The bounding set of the container, if it is known.
    pub capabilities: Option<BTreeSet<Capability>>,
}

impl<'a> Expectation<'a> {
    /// For a profile that means `policy`, on a machine with this kernel, on which libseccomp does not know
    /// the calls `lacking`, so that rules for them have no effect. Exceptions count if they are valid `today`.
    #[must_use]
    pub fn new(
        policy: &'a Policy,
        lacking: BTreeSet<(Abi, u32)>,
        kernel: Option<KernelVersion>,
        exceptions: &'a Exceptions,
        today: Date,
    ) -> Self {
        let valid: Vec<&Exception> =
            exceptions.iter().filter(|exception| !exception.has_expired(today)).collect();
        let by_call = ByCall::new(&valid);
        let looked_at = looked_at(policy, &by_call);
        let meaning = Meaning::from(policy);
        Self { policy, meaning, lacking, kernel, valid, by_call, looked_at }
    }

    /// For each call, a bit for each argument whose value has to be known to tell whose its refusal is. Those
    /// for which there is an argument rule are told apart in any case.
    #[must_use]
    pub fn looked_at(&self) -> Vec<(Abi, u32, u8)> {
        self.looked_at.iter().map(|((abi, number), bits)| (*abi, *number, *bits)).collect()
    }

    /// The calls that libseccomp does not know.
    #[must_use]
    pub fn lacking(&self) -> &BTreeSet<(Abi, u32)> {
        &self.lacking
    }

    /// The exceptions that count, in their order.
    #[must_use]
    pub fn valid(&self) -> &[&'a Exception] {
        &self.valid
    }

    /// Says whose a refusal is.
    pub fn verdict(&self, refusal: &Refusal, place: &Place) -> Verdict {
        let Some(number) = refusal.number else { return Verdict::Unsure };
        let sure = match self.is_refused(refusal, number) {
            None => return Verdict::Elsewhere,
            Some(sure) => sure,
        };
        // A task that is killed did not get the kernel's own answer.
        let existence = refusal.abi.existence(number, self.kernel);
        if existence == Existence::None && refusal.answer != Answer::Killed {
            return Verdict::NoSuchCall;
        }
        if refusal.others {
            return match self.accepted(refusal, number) {
                Some(nth) => Verdict::Accepted(nth),
                None if sure => Verdict::Refused,
                None => Verdict::Unsure,
            };
        }
        if let RefusalKind::Fallback(falls_back_to) = self.fallback(refusal, number) {
            return Verdict::Fallback(falls_back_to);
        }
        if is_runtimes_attempt(refusal, number, self.kernel, place) {
            return Verdict::Runtime;
        }
        match self.accepted(refusal, number) {
            Some(nth) => Verdict::Accepted(nth),
            None => Verdict::Refused,
        }
    }

    /// Whether the profile refuses the call, and then whether that is sure.
    fn is_refused(&self, refusal: &Refusal, number: u32) -> Option<bool> {
        let abi = refusal.abi;
        let action = self.policy.evaluate(abi, number, &refusal.args);
        if !refusal.others && is_answered_by_another(action, refusal.answer) {
            return None;
        }
        if self.lacking.contains(&(abi, number)) {
            return Some(true);
        }
        if !refusal.others {
            return (!action.lets_through()).then_some(true);
        }
        match self.meaning.lets_through(abi, number, &[Clause::ALWAYS]) {
            Ok(Certainty::Always) => None,
            Ok(Certainty::Sometimes) => Some(false),
            Err(_) => Some(true),
        }
    }

    fn fallback(&self, refusal: &Refusal, number: u32) -> RefusalKind {
        let errno = match refusal.answer {
            Answer::Errno(errno) => Errno::new(errno),
            _ => None,
        };
        let Refusal { abi, args, .. } = *refusal;
        fallback::classify(self.policy, &fallback::Refusal { abi, number, args, errno })
    }

    /// The exception that covers all calls that this may have been. Several that do so
    /// together count as one: the first.
    fn accepted(&self, refusal: &Refusal, number: u32) -> Option<usize> {
        let abi = refusal.abi;
        let bits = match refusal.others {
            true => 0,
            false => self.looked_at.get(&(abi, number)).copied().unwrap_or(0),
        };
        let mut known = [None; 6];
        for (index, (slot, value)) in known.iter_mut().zip(refusal.args).enumerate() {
            *slot = (bits & (1 << index) != 0).then_some(Predicate::Equal(value));
        }
        let known = Set::from_clause(&Clause::new(known), width(abi));
        match self.by_call.touching(&known, abi, number) {
            (touching, true) => touching.first().copied(),
            (_, false) => None,
        }
    }
}

/// Whether a call that the profile answers with an error got another answer: a faked success, a supervisor's value or
/// a SIGSYS that the task handled. The workload's own filter gives it with the profile as without.
fn is_answered_by_another(action: Action, answer: Answer) -> bool {
    matches!(action, Action::Errno(_))
        && matches!(answer, Answer::Success | Answer::Returned | Answer::Sigsys)
}

/// Whether a runtime made the call before it executed the program, Docker's default refuses it as well, and
/// the program was executed all the same.
fn is_runtimes_attempt(
    refusal: &Refusal,
    number: u32,
    kernel: Option<KernelVersion>,
    place: &Place,
) -> bool {
    if refusal.phase != Some(Phase::Runtime) || !place.started || refusal.answer == Answer::Killed {
        return false;
    }
    let abi = refusal.abi;
    let docker = Baseline::docker_default().resolve(&Context {
        abis: [abi].into(),
        capabilities: place.capabilities.clone().unwrap_or_else(Capability::docker_default),
        kernel,
    });
    docker
        .policy(abi)
        .is_ok_and(|policy| !policy.evaluate(abi, number, &refusal.args).lets_through())
}

/// The arguments that the policy or an exception looks at.
fn looked_at(policy: &Policy, exceptions: &ByCall) -> BTreeMap<(Abi, u32), u8> {
    let mut looked_at: BTreeMap<(Abi, u32), u8> = BTreeMap::new();
    let mut add = |abi: Abi, number: u32, clause: &Clause| {
        for (index, _) in clause.predicates() {
            *looked_at.entry((abi, number)).or_default() |= 1 << index;
        }
    };
    for abi in policy.abis() {
        for (number, _) in abi.syscalls() {
            let rules = policy.rules(abi, number).iter();
            rules.flat_map(|rule| &rule.clauses).for_each(|clause| add(abi, number, clause));
        }
    }
    for (abi, number, clause) in exceptions.clauses() {
        add(abi, number, clause);
    }
    looked_at
}
