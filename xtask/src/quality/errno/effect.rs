//! What a program does when a call is refused.

use std::fmt;

use crate::quality::results;
use crate::quality::stage::Done;

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// All checks hold.
    GoesOn,
    /// The call was not made this time.
    NotMade,
    /// So many checks fail, and everything ends.
    Fails(usize),
    /// Something does not end in time.
    Hangs,
    /// Something makes the same call again and again, or burns CPU time in another way.
    Spins,
}

/// Refusals in a second, of the whole run, that only a loop makes. A loop around a refused call makes a hundred times as many.
const PER_SECOND: f64 = 1000.0;

/// CPU seconds beyond those of the run without a refusal, if they are half of the time, too.
const CPU: f64 = 2.0;

/// Compares a run with the same without a refusal.
pub fn of(plain: &Done, done: &Done, refused: u64) -> Effect {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let calls = refused as f64;
    let broken = results::broken(plain, done).len();
    let extra = done.cpu - plain.cpu;
    if calls > PER_SECOND * done.seconds || extra > CPU && extra > done.seconds / 2.0 {
        Effect::Spins
    } else if done.hung.iter().any(|what| !plain.hung.contains(what)) {
        Effect::Hangs
    } else if broken > 0 {
        Effect::Fails(broken)
    } else if refused == 0 {
        Effect::NotMade
    } else {
        Effect::GoesOn
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::GoesOn => "goes on",
            Self::NotMade => "not made",
            Self::Fails(checks) => return write!(f, "{checks} fail"),
            Self::Hangs => "hangs",
            Self::Spins => "spins",
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::app::Class;
    use crate::quality::stage::Check;

    fn done(held: bool, hung: &[&str], cpu: f64) -> Done {
        let check = Check { name: "a".to_owned(), class: Class::Event, held, run: 0 };
        let hung = hung.iter().map(|&what| what.to_owned()).collect();
        Done { checks: vec![check], hung, cpu, seconds: 5.0, ..Done::default() }
    }

    #[test]
    fn an_effect_is_told_from_the_run_without_a_refusal() {
        let plain = done(true, &[], 1.0);
        assert_eq!(of(&plain, &done(true, &[], 1.2), 3), Effect::GoesOn);
        assert_eq!(of(&plain, &done(true, &[], 1.2), 0), Effect::NotMade);
        assert_eq!(of(&plain, &done(false, &[], 1.2), 3), Effect::Fails(1));
        assert_eq!(of(&plain, &done(false, &["the end"], 1.2), 3), Effect::Hangs);
        assert_eq!(of(&plain, &done(false, &["the end"], 4.0), 3), Effect::Spins);
        assert_eq!(of(&plain, &done(true, &[], 1.2), 5001), Effect::Spins);
        let slow = done(true, &["the end"], 1.0);
        assert_eq!(of(&slow, &done(true, &["the end"], 1.0), 3), Effect::GoesOn);
    }
}
