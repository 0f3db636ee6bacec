//! Durations on the command line.

use std::time::Duration;

/// How long something may take; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// Reads `500ms`, `30s`, `5m`, `2h`, `0` or `forever`.
pub fn parse(text: &str) -> Result<Limit, String> {
    if text == "forever" {
        return Ok(Limit(None));
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == "0" => 1.0,
        _ => return Err("give a number and a unit, such as 500ms, 30s, 5m or 2h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "give a number and a unit, such as 30s")?;
    Duration::try_from_secs_f64(number * seconds)
        .map(|duration| Limit(Some(duration)))
        .map_err(|_| "this is longer than can be waited; use forever".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse("1.5s"), Ok(Limit(Some(Duration::from_millis(1500)))));
        assert_eq!(parse("250ms"), Ok(Limit(Some(Duration::from_millis(250)))));
        assert_eq!(parse("2m"), Ok(Limit(Some(Duration::from_secs(120)))));
        assert_eq!(parse("0"), Ok(Limit(Some(Duration::ZERO))));
        assert_eq!(parse("forever"), Ok(Limit(None)));
        for wrong in ["", "10", "-1s", "s", "1.2.3s", "10 s", "1d", "99999999999999999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
