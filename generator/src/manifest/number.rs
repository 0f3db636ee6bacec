//! Numbers as Kubernetes' parser of YAML 1.1 reads them, as far as it matters here: whether they are zero.

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Nothing but zeros.
    Zero,
    /// Any other.
    Other,
}

/// A plain scalar as a number; `None` if it is none.
pub(super) fn parse(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let of_base = |prefix: &[&str], base| {
        let rest = prefix.iter().find_map(|prefix| digits.strip_prefix(prefix))?;
        all_digits(rest, base)
    };
    of_base(&["0x", "0X"], 16)
        .or_else(|| of_base(&["0b", "0B"], 2))
        .or_else(|| of_base(&["0o", "0O"], 8))
        .or_else(|| all_digits(digits, 10))
        .or_else(|| fraction(digits))
}

fn all_digits(text: &str, base: u32) -> Option<Number> {
    let digits = || text.chars().filter(|one| *one != '_');
    if digits().next().is_none() || !digits().all(|one| one.is_digit(base)) {
        return None;
    }
    Some(if digits().all(|one| one == '0') { Number::Zero } else { Number::Other })
}

fn fraction(text: &str) -> Option<Number> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), 10)?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    all_digits(&format!("{whole}{part}"), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_written_in_many_ways() {
        for zero in [
            "0", "00", "+0", "-0", "0x0", "0b00", "0o0", "0_0", "0.0", "0.", ".0", "0e5", "-0.0E+3",
        ] {
            assert_eq!(parse(zero), Some(Number::Zero), "{zero}");
        }
        for other in ["1", "1000", "0x10", "0o17", "010", "1e3", "0.5", "65534"] {
            assert_eq!(parse(other), Some(Number::Other), "{other}");
        }
        for none in ["", "-", "_", ".", "e5", "0x", "0b2", "${UID}", "zero", "0 ", "1e", ".inf"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
