//! Durations on the command line.

use std::time::Duration;

use jiff::SignedDuration;

/// How long something may take; `None`: without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// Reads `500ms`, `30s`, `5m`, `1h30m`, `0` or `forever`.
pub fn parse(text: &str) -> Result<Limit, String> {
    match text {
        "forever" => return Ok(Limit(None)),
        "0" => return Ok(Limit(Some(Duration::ZERO))),
        _ => {}
    }
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "give a number and a unit, such as 500ms, 30s, 5m or 1h30m".to_owned())?;
    let duration = Duration::try_from(duration);
    duration
        .map(|duration| Limit(Some(duration)))
        .map_err(|_| "a duration cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse("1.5s"), Ok(Limit(Some(Duration::from_millis(1500)))));
        assert_eq!(parse("250ms"), Ok(Limit(Some(Duration::from_millis(250)))));
        assert_eq!(parse("2m"), Ok(Limit(Some(Duration::from_secs(120)))));
        assert_eq!(parse("1h30m"), Ok(Limit(Some(Duration::from_secs(5400)))));
        assert_eq!(parse("0"), Ok(Limit(Some(Duration::ZERO))));
        assert_eq!(parse("forever"), Ok(Limit(None)));
        for wrong in ["", "10", "-1s", "s", "1.2.3s", "1d", "99999999999999999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
