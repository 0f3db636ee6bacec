//! What there is to say about arguments.

use std::collections::BTreeSet;
use std::fmt;

use super::super::arguments::{Filter, Filters, Unfiltered};
use super::super::select::Selection;
use crate::abi::Abi;
use crate::decode;
use crate::policy::argument::Reduction;
use crate::policy::baseline::Resolved;

/// Most combinations of values that are shown of one call.
const MOST_VALUES: usize = 6;
/// Most refused calls that are shown of one call.
const MOST_REFUSED: usize = 2;

/// A call that a profile allows with some values of its arguments only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteredCall {
    /// Its name.
    pub call: String,
    /// The values, in words.
    pub allowed: Vec<String>,
    /// Whole calls that the baseline allows and the profile does not, for example.
    pub refused: Vec<String>,
}

/// The calls that are filtered by what was seen.
pub(super) fn filtered(
    selection: &Selection,
    filters: &Filters,
    baseline: &Resolved<'_>,
) -> Vec<FilteredCall> {
    let abis = &baseline.context().abis;
    let described = filters.filtered.iter().filter_map(|(name, filter)| {
        let (abi, number) = number(name, abis)?;
        let treatment = selection.allowed.get(name)?;
        let refused = filter.notable(treatment).into_iter().take(MOST_REFUSED);
        let looked_at: BTreeSet<u8> = filter.rule.indexes().collect();
        Some(FilteredCall {
            call: (*name).to_owned(),
            allowed: values(abi, number, filter),
            refused: refused.map(|args| decode::abridged(abi, number, &args, &looked_at)).collect(),
        })
    });
    described.collect()
}

fn number(name: &str, abis: &BTreeSet<Abi>) -> Option<(Abi, u32)> {
    abis.iter().find_map(|abi| Some((*abi, abi.syscall_number(name)?)))
}

/// The allowed values in words.
fn values(abi: Abi, number: u32, filter: &Filter) -> Vec<String> {
    let rule = filter.rule;
    if let [only] = &rule.keep[..] {
        let shown = |value: u64| {
            let args = rule.example(&[value]);
            let all = decode::arguments(abi, number, &args);
            all.get(usize::from(only.argument)).cloned().unwrap_or_default()
        };
        return match only.reduction {
            Reduction::Together => vec![format!("not {}", shown(1))],
            Reduction::Zero => vec!["0".to_owned()],
            Reduction::Flags => {
                let union = filter.values.iter().flatten().fold(0, |bits, value| bits | value);
                // With spaces, so that the line can be broken.
                vec![format!("any of {}", shown(union).replace('|', " | "))]
            }
            Reduction::Value => {
                abbreviated(filter.values.iter().flatten().map(|value| shown(*value)))
            }
        };
    }
    abbreviated(filter.values.iter().map(|values| {
        let all = decode::arguments(abi, number, &rule.example(values));
        let shown: Vec<String> =
            rule.indexes().filter_map(|index| all.get(usize::from(index)).cloned()).collect();
        format!("({})", shown.join(", "))
    }))
}

fn abbreviated(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = values.collect();
    if shown.len() > MOST_VALUES + 1 {
        let hidden = shown.len() - MOST_VALUES;
        shown.truncate(MOST_VALUES);
        shown.push(format!("and {hidden} more"));
    }
    if shown.is_empty() {
        shown.push("nothing".to_owned());
    }
    shown
}

impl fmt::Display for Unfiltered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRecorded => "a recording does not have their values (record again)",
            Self::Overflow => "they had more values than a recording has room for",
            Self::Family => "they give no further reach whatever they are",
            Self::Startup => {
                "the runtime that starts the workload calls them too, with values that are not known"
            }
        })
    }
}
