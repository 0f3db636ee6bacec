use std::iter;

use proptest::prelude::*;

use super::*;
use crate::abi::Abi;
use crate::policy::{Action, Clause, Errno, Predicate};

fn filter(program: &[(u16, u8, u8, u32)]) -> Result<Filter, FilterError> {
    let instructions = program.iter().map(|(code, jt, jf, k)| Instruction {
        code: *code,
        jt: *jt,
        jf: *jf,
        k: *k,
    });
    Filter::new(instructions.collect())
}

fn wrong(program: &[(u16, u8, u8, u32)]) -> String {
    filter(program).unwrap_err().to_string()
}

#[test]
fn what_the_kernel_would_not_take_is_named() {
    const RETURN: (u16, u8, u8, u32) = (0x06, 0, 0, 0);
    insta::assert_snapshot!(wrong(&[]), @"the filter has no instructions");
    insta::assert_snapshot!(wrong(&[(0x28, 0, 0, 12), RETURN]), @"instruction 0 (0x0028) is not allowed in a filter: it loads from a network packet");
    insta::assert_snapshot!(wrong(&[(0x20, 0, 0, 2), RETURN]), @"instruction 0 (0x0020) is not allowed in a filter: it loads from within a word of the data");
    insta::assert_snapshot!(wrong(&[(0x20, 0, 0, 64), RETURN]), @"instruction 0 (0x0020) is not allowed in a filter: it loads from beyond the data of the call");
    insta::assert_snapshot!(wrong(&[(0x94, 0, 0, 3), RETURN]), @"instruction 0 (0x0094) is not allowed in a filter: the kernel does not allow it in filters");
    insta::assert_snapshot!(wrong(&[(0x34, 0, 0, 0), RETURN]), @"instruction 0 (0x0034) is not allowed in a filter: it divides by zero");
    insta::assert_snapshot!(wrong(&[(0x60, 0, 0, 16), RETURN]), @"instruction 0 (0x0060) is not allowed in a filter: there are 16 words of memory");
    insta::assert_snapshot!(wrong(&[(0x15, 0, 1, 0), RETURN]), @"instruction 0 jumps past the end of the filter");
    insta::assert_snapshot!(wrong(&[RETURN, (0x20, 0, 0, 0)]), @"the last instruction, 1, does not return a verdict");
    insta::assert_snapshot!(wrong(&[(0x20, 0, 0, 0), (0x15, 0, 1, 7), (0x02, 0, 0, 3), (0x60, 0, 0, 3), RETURN]), @"instruction 3 reads word 3 of the memory, which need not have been written");
    assert_eq!(filter(&[RETURN; 4097]), Err(FilterError::TooLong(4097)));
}

#[test]
fn what_no_policy_can_say_is_named() {
    let allow = (0x06, 0, 0, 0x7fff_0000);
    let kill = (0x06, 0, 0, 0);
    for (program, why) in [
        (
            vec![(0x20, 0, 0, 8), (0x15, 0, 1, 1), allow, kill],
            "instruction 1 decides by the address",
        ),
        (
            vec![(0x20, 0, 0, 16), (0x04, 0, 0, 1), allow],
            "instruction 1 calculates with an argument",
        ),
        (vec![(0x20, 0, 0, 16), (0x16, 0, 0, 0)], "instruction 1 returns what the call has"),
        (vec![(0x06, 0, 0, 0x7fc0_0000)], "instruction 0 leaves the call to a listener"),
        (vec![(0x20, 0, 0, 0), (0x45, 0, 1, 1), allow, kill], "instruction 1 tells calls apart"),
    ] {
        let error = meaning(&filter(&program).unwrap()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn of_stacked_filters_the_strictest_counts_and_then_the_newest() {
    let one = |verdict| filter(&[(0x06, 0, 0, verdict)]).unwrap();
    let of = |verdicts: &[u32]| {
        let filters: Vec<Filter> = verdicts.iter().map(|verdict| one(*verdict)).collect();
        let meaning = stacked(&filters).unwrap().unwrap();
        meaning.lets_through(Abi::X86_64, 0, &[Clause::ALWAYS])
    };
    use crate::policy::Errno;
    assert_eq!(of(&[0x0005_0001, 0x7fff_0000]), Err(Action::Errno(Errno::EPERM)));
    assert_eq!(of(&[0x7fff_0000, 0x0003_0000, 0x0005_0001]), Err(Action::Trap));
    assert_eq!(of(&[0x0005_0026, 0x0005_0001]), Err(Action::Errno(Errno::EPERM)));
    assert_eq!(of(&[0x0005_0001, 0x0005_0026]), Err(Action::Errno(Errno::ENOSYS)));
}

/// Programs that look at the number, the architecture and some arguments in every way that is followed.
fn program() -> impl Strategy<Value = Vec<Instruction>> {
    let constant = || {
        prop_oneof![0..4u32, Just(0x4000_0000), Just(0xc000_003e), Just(0x8000_0000), any::<u32>()]
    };
    let load = prop::sample::select(vec![0u32, 0, 4, 16, 16, 20, 24, 28]);
    let instruction = prop_oneof![
        3 => load.prop_map(|k| (0x20, 0, 0, k)),
        1 => constant().prop_map(|k| (0x54, 0, 0, k)),
        1 => (prop::sample::select(vec![0x64u16, 0x74]), 0..32u32).prop_map(|(code, k)| (code, 0, 0, k)),
        1 => prop::sample::select(vec![0x02u16, 0x60, 0x61, 0x03]).prop_map(|code| (code, 0, 0, 1)),
        1 => prop::sample::select(vec![0x07u16, 0x87]).prop_map(|code| (code, 0, 0, 0)),
        5 => (prop::sample::select(vec![0x15u16, 0x25, 0x35, 0x45]), 0..5u8, 0..5u8, constant())
            .prop_map(|(code, jt, jf, k)| (code, jt, jf, k)),
        1 => prop::sample::select(vec![0u32, 0x7fff_0000, 0x0005_0001, 0x0005_0026]).prop_map(|k| (0x06, 0, 0, k)),
    ];
    prop::collection::vec(instruction, 1..24).prop_map(|body| {
        // Memory has to be written before it is read.
        let written = (0x02, 0, 0, 1);
        let mut program: Vec<Instruction> = iter::once(written)
            .chain(body)
            .map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
            .collect();
        program.extend(
            [0x7fff_0000, 0x0005_0001, 0, 0x7ffc_0000, 0x0003_0000, 0x7fff_0000]
                .map(|k| Instruction { code: 0x06, jt: 0, jf: 0, k }),
        );
        program
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_a_filter_means_is_what_it_does(
        program in program(),
        picks in prop::collection::vec((0..3usize, any::<u32>(), prop::array::uniform6(0..997usize)), 24),
    ) {
        let filter = Filter::new(program.clone()).unwrap();
        let Ok(meaning) = meaning(&filter) else { return Ok(()) };
        let mut values = vec![0u64, 1, u64::MAX];
        for Instruction { k, .. } in &program {
            let k = u64::from(*k);
            values.extend([k, k << 32, k | k << 32, !k, k.wrapping_sub(1), k + 1]);
        }
        for (abi, number, pick) in picks {
            let abi = [Abi::X86_64, Abi::X86, Abi::X32][abi];
            let args = pick.map(|index| values[index % values.len()]);
            let args = if abi == Abi::X86 { args.map(|arg| arg & 0xffff_ffff) } else { args };
            for number in [number & 0x3fff_ffff, number % 8] {
                let done = action(filter.run(&Call::new(abi, number, args)));
                prop_assert_eq!(Some(meaning.evaluate(abi, number, &args)), done, "{} {} {:x?}", abi, number, args);
            }
        }
    }
}

#[test]
fn a_filter_of_thousands_of_values_is_followed() {
    let mut program = vec![(0x20, 0, 0, 16)];
    program.extend((0..1000).flat_map(|nth| [(0x15, 0, 1, nth * 7919), (0x06, 0, 0, 0x7fff_0000)]));
    program.push((0x06, 0, 0, 0));
    let meaning = meaning(&filter(&program).unwrap()).unwrap();
    let with = |value| [Clause::on(0, Predicate::Equal(value)).unwrap()];
    assert!(meaning.lets_through(Abi::X86_64, 1, &with(7919)).is_ok());
    assert!(meaning.lets_through(Abi::X86_64, 1, &with(7920)).is_err());
}

/// Each pair of bits, 32 apart, doubles what has to be remembered of the upper half.
#[test]
fn a_filter_that_is_too_intricate_is_refused() {
    const PAIRS: u8 = 12;
    let pair = |bit: u8| {
        let to_allow = 4 * (PAIRS - 1 - bit) + 1;
        [(0x20, 0, 0, 16), (0x45, 0, 2, 1 << bit), (0x20, 0, 0, 20), (0x45, to_allow, 0, 1 << bit)]
    };
    let mut program: Vec<_> = (0..PAIRS).flat_map(pair).collect();
    program.extend([(0x06, 0, 0, 0x5_0001), (0x06, 0, 0, 0x7fff_0000)]);
    let filter = filter(&program).unwrap();
    let error = meaning::meaning_within(
        &filter,
        meaning::Bounds { nodes: 1 << 12, ..meaning::Bounds::default() },
    )
    .unwrap_err();
    assert_eq!(error.why, "is reached in too many ways");
    let all = meaning(&filter).unwrap();
    let on = |argument| all.evaluate(Abi::X86_64, 0, &[argument, 0, 0, 0, 0, 0]);
    assert_eq!(on(1 << 11 | 1 << 43), Action::Allow);
    assert_eq!(on(1 << 11 | 1 << 42), Action::Errno(Errno::EPERM));
}

#[test]
fn an_instruction_is_the_same_by_its_bits() {
    let instruction = Instruction { code: 0x15, jt: 3, jf: 250, k: 0xc000_003e };
    let bytes = [0x15, 0, 3, 250, 0x3e, 0, 0, 0xc0];
    assert_eq!(Instruction::from_bits(u64::from_le_bytes(bytes)), instruction);
}

#[test]
fn a_trace_counts_instructions_and_tells_whether_the_kernel_can_remember_the_answer() {
    const ALLOW: (u16, u8, u8, u32) = (0x06, 0, 0, 0x7fff_0000);
    const KILL: (u16, u8, u8, u32) = (0x06, 0, 0, 0);
    // Call 0 is allowed; call 1 if the lower half of its first argument is 7; no other.
    let program = [
        (0x20, 0, 0, 4),
        (0x20, 0, 0, 0),
        (0x15, 4, 0, 0),
        (0x15, 0, 2, 1),
        (0x20, 0, 0, 16),
        (0x15, 1, 0, 7),
        KILL,
        ALLOW,
    ];
    let filter = filter(&program).unwrap();
    let trace =
        |number, argument| filter.trace(&Call::new(Abi::X86_64, number, [argument, 0, 0, 0, 0, 0]));
    let run = |verdict, instructions, by_number| Run { verdict, instructions, by_number };
    assert_eq!(trace(0, 7), run(0x7fff_0000, 4, true));
    assert_eq!(trace(1, 7), run(0x7fff_0000, 7, false));
    assert_eq!(trace(1, 8), run(0, 7, false));
    assert_eq!(trace(2, 7), run(0, 5, true));
}
