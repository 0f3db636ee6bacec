//! All that there is to see in a recording, on one page.
//!
//! [`Report`] puts together what the other stages know of it; [`page`] writes it as HTML. Pure.

mod callers;
mod calls;
mod html;

use crate::evidence::Evidence;
use crate::generate::{GenerateError, Generated, Options, Summary, generate};
use crate::recording::Recording;
use callers::Caller;
use calls::{Called, Danger};

/// A recording, what follows from it, and who made its calls.
struct Report<'a> {
    recording: &'a Recording,
    /// What a profile would be that `generate` makes without options.
    summary: Summary,
    /// Its calls, by ABI, the most frequent ones first.
    calls: &'a [Called<'a>],
    /// What is known against them, the worst first.
    dangers: Vec<Danger<'a>>,
    programs: Vec<Caller<'a>>,
    samples: Vec<Caller<'a>>,
}

/// A recording as a page of HTML that needs nothing else. The same recording gives the same bytes.
///
/// An incomplete recording gives a page too, which says so.
///
/// # Errors
///
/// [`GenerateError::Empty`] and [`GenerateError::NotStarted`] if there is nothing of the workload to see.
pub fn page(recording: &Recording) -> Result<String, GenerateError> {
    let options = Options { allow_incomplete: true, ..Options::default() };
    let Generated { summary, .. } = generate(std::slice::from_ref(recording), &options)?;
    let evidence = &Evidence::from_recording(recording);
    let calls = &calls::collect(recording, evidence);
    Ok(html::page(&Report {
        recording,
        summary,
        dangers: calls::dangers(calls),
        calls,
        programs: callers::programs(recording),
        samples: callers::samples(recording),
    }))
}

#[cfg(test)]
mod tests;
