//! libseccomp compiles a generated profile to what it says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use strait_generator::abi::Abi;
use strait_generator::generate::{ArgumentFilters, Options, generate};
use strait_generator::policy::argument::Level;
use strait_generator::policy::{Action, Capability};
use strait_generator::recording::example::{recording, with_values};

use super::{Unenforceable, Unfaithful, prove};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Decided, and not sampled.
    #[test]
    fn the_filter_of_a_generated_profile_is_the_profile(
        abis in prop::sample::subsequence(vec![Abi::X86_64, Abi::X86, Abi::X32], 1..=3),
        numbers in prop::collection::btree_set(0..470_u32, 1..40),
        sockets in prop::collection::vec((0..45_u64, 0..6_u64, 0..20_u64), 1..6),
        flags in prop::collection::vec(any::<u32>(), 1..4),
        personalities in prop::collection::vec(
            prop_oneof![Just(0), Just(8), Just(0x20000), Just(0xffff_ffff), any::<u32>()], 1..4
        ),
        arguments in prop::sample::select(vec![
            ArgumentFilters::Baseline,
            ArgumentFilters::Seen(Level::Standard),
            ArgumentFilters::Seen(Level::Strict),
        ]),
        capabilities in prop::sample::select(vec![
            Capability::docker_default(),
            Capability::all(),
            BTreeSet::new(),
        ]),
    ) {
        let calls: Vec<_> = abis.iter().flat_map(|abi| numbers.iter().map(|number| (*abi, *number))).collect();
        let sockets: Vec<[u64; 3]> = sockets.iter().map(|(a, b, c)| [*a, *b, *c]).collect();
        let flags: Vec<[u64; 1]> = flags.iter().map(|value| [u64::from(*value)]).collect();
        let personalities: Vec<[u64; 1]> = personalities.iter().map(|value| [u64::from(*value)]).collect();
        let recordings = [
            recording(&calls),
            with_values(&[
                ("socket", &sockets.iter().map(|values| &values[..]).collect::<Vec<_>>()),
                ("clone", &flags.iter().map(|values| &values[..]).collect::<Vec<_>>()),
                ("personality", &personalities.iter().map(|values| &values[..]).collect::<Vec<_>>()),
            ]),
        ];
        let options = Options { arguments, capabilities: Some(capabilities), ..Options::default() };
        let profile = generate(&recordings, &options).unwrap().profile;
        match prove(&profile) {
            // 2.5.4 gives socket(AF_NFC, …, 38) the error that is meant for socket(38, …).
            Err(Unenforceable::Unfaithful(Unfaithful::Different { witness })) => prop_assert!(
                [witness.before, witness.after].iter().all(|one| matches!(one, Action::Errno(_))),
                "{witness}"
            ),
            proven => prop_assert!(proven.is_ok(), "{}", proven.unwrap_err()),
        }
    }
}
