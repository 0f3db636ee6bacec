//! The order in which recordings are merged.

use std::collections::BTreeSet;

/// Merges inputs in their order or, where that does not work, in another one.
///
/// What was merged from very many recordings can no longer be taken apart, and so has to come before what is in it. If
/// `merge` fails at an input for a reason that `comes_first` knows, that input is put in front of the others and all of
/// them are merged again, once for each input. An error comes with the index of its input, and leaves here with the input.
///
/// # Errors
///
/// What `merge` fails with.
pub fn in_an_order_that_works<T: Copy + Ord, R, E>(
    inputs: &[T],
    comes_first: impl Fn(&E) -> bool,
    mut merge: impl FnMut(&[T]) -> Result<R, (usize, E)>,
) -> Result<R, (Option<T>, E)> {
    let mut order = inputs.to_vec();
    let mut put_in_front = BTreeSet::new();
    loop {
        match merge(&order) {
            Ok(merged) => return Ok(merged),
            Err((at, error)) => match order.get(at).copied() {
                Some(input) if comes_first(&error) && put_in_front.insert(input) => {
                    order[..=at].rotate_right(1);
                }
                input => return Err((input, error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the first input that is larger than one before it.
    fn falling(order: &[u32]) -> Result<Vec<u32>, (usize, &'static str)> {
        let wrong = order.windows(2).position(|pair| pair[0] < pair[1]);
        wrong.map_or_else(|| Ok(order.to_vec()), |at| Err((at + 1, "too large")))
    }

    #[test]
    fn what_has_to_come_first_is_put_in_front() {
        let merged = in_an_order_that_works(&[1, 2, 3], |_| true, falling);
        assert_eq!(merged, Ok(vec![3, 2, 1]));
    }

    #[test]
    fn each_input_is_put_in_front_once() {
        let mut tries = 0;
        let failed = in_an_order_that_works(
            &[1, 2],
            |_| true,
            |order: &[u32]| {
                tries += 1;
                Err::<(), _>((order.len() - 1, "never"))
            },
        );
        assert_eq!((failed, tries), (Err((Some(2), "never")), 3));
    }

    #[test]
    fn any_other_error_is_that_of_its_input() {
        assert_eq!(
            in_an_order_that_works(&[1, 2], |_| false, falling),
            Err((Some(2), "too large"))
        );
        let none = in_an_order_that_works(&[], |_| true, |_: &[u32]| Err::<(), _>((0, "nothing")));
        assert_eq!(none, Err((None, "nothing")));
    }
}
