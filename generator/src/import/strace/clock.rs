//! The times in front of a log's lines.

/// A time, as strace writes it: nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Since the Unix epoch (`-ttt`).
    Unix(u64),
    /// Since midnight of a day that is not told (`-t`, `-tt`).
    OfDay(u64),
    /// Since the line before (`-r`).
    Since(u64),
}

/// No program has run for so many seconds, so that these are since the epoch: March 1973.
const EPOCH_SECONDS: u64 = 100_000_000;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

impl Time {
    /// Reads `12:30:01`, `12:30:01.123456`, `1700000000.123456` or `0.000123`.
    pub fn parse(token: &str) -> Option<Self> {
        let (whole, fraction) = match token.split_once('.') {
            Some((whole, fraction)) => (whole, nanoseconds(fraction)?),
            None => (token, 0),
        };
        let parts: Vec<&str> = whole.split(':').collect();
        let number = |text: &str| -> Option<u64> {
            let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| fits)
        };
        match parts.as_slice() {
            [hours, minutes, seconds] => {
                let (hours, minutes, seconds) =
                    (number(hours)?, number(minutes)?, number(seconds)?);
                // A leap second may be the 61st.
                let fits = hours < 24 && minutes < 60 && seconds <= 60;
                let seconds = (hours * 60 + minutes) * 60;
                let last = number(parts.get(2)?)?;
                fits.then(|| Self::OfDay((seconds + last) * SECOND + fraction))
            }
            [seconds] => {
                let seconds = number(seconds)?;
                let time = seconds.checked_mul(SECOND)?.checked_add(fraction)?;
                match seconds >= EPOCH_SECONDS {
                    true => Some(Self::Unix(time)),
                    // Without a fraction it is no time of strace's.
                    false => token.contains('.').then_some(Self::Since(time)),
                }
            }
            _ => None,
        }
    }
}

/// Digits after the point as nanoseconds.
fn nanoseconds(digits: &str) -> Option<u64> {
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    format!("{digits:0<9}").parse().ok().filter(|_| fits)
}

/// Puts the times of one log on one line.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    kind: Option<Kind>,
    /// Of a time of day: that of the line before, and the days that have passed.
    last: u64,
    days: u64,
    /// The earliest and the latest.
    pub span: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unix,
    OfDay,
    Since,
}

impl Clock {
    /// Nanoseconds on this log's line of time. Times of another kind than the first are left out.
    pub fn at(&mut self, time: Time) -> Option<u64> {
        let kind = match time {
            Time::Unix(_) => Kind::Unix,
            Time::OfDay(_) => Kind::OfDay,
            Time::Since(_) => Kind::Since,
        };
        if *self.kind.get_or_insert(kind) != kind {
            return None;
        }
        let at = match time {
            Time::Unix(time) => time,
            Time::OfDay(time) => {
                // Lines of different tasks are a little out of order; half a day back is the next day.
                if self.last.saturating_sub(time) > DAY / 2 {
                    self.days = self.days.saturating_add(DAY);
                }
                self.last = time;
                time.saturating_add(self.days)
            }
            Time::Since(time) => {
                self.last = self.last.saturating_add(time);
                self.last
            }
        };
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(at), last.max(at)),
            None => (at, at),
        });
        Some(at)
    }

    /// Whether its times have a date.
    pub fn is_absolute(&self) -> bool {
        self.kind == Some(Kind::Unix)
    }

    /// Begins another file of the same run.
    pub fn next_file(&mut self) {
        match self.kind {
            Some(Kind::OfDay) => {
                self.last = self.span.map_or(0, |(first, _)| first % DAY);
                self.days = 0;
            }
            Some(Kind::Since) => self.last = 0,
            Some(Kind::Unix) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_recognized_by_their_form() {
        assert_eq!(Time::parse("00:00:01.5"), Some(Time::OfDay(1_500_000_000)));
        assert_eq!(Time::parse("1700000000"), Some(Time::Unix(1_700_000_000_000_000_000)));
        assert_eq!(Time::parse("12.000001"), Some(Time::Since(12_000_001_000)));
        for wrong in ["7", "25:00:00", "1:2", "1.2.3", "1.", ".1", "a", "", "12:00:00.x", "+1.0"] {
            assert_eq!(Time::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Time::parse("99999999999999999999.1"), None);
    }

    #[test]
    fn midnight_is_passed_and_differences_are_summed() {
        let mut clock = Clock::default();
        let late = clock.at(Time::OfDay(DAY - SECOND)).unwrap();
        let early = clock.at(Time::OfDay(SECOND)).unwrap();
        assert_eq!(early - late, 2 * SECOND);
        let mut clock = Clock::default();
        clock.at(Time::Since(SECOND));
        assert_eq!(clock.at(Time::Since(SECOND)), Some(2 * SECOND));
        assert_eq!(clock.at(Time::Unix(5)), None);
    }
}
