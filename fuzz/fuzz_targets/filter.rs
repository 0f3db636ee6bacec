//! Any instructions are a filter or a clear error, and what a filter means is what it does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::abi::Abi;
use strait_generator::bpf::{Bounds, Call, Filter, Instruction, action, meaning_within};

/// Allows and refuses, so that most jumps have somewhere to go.
const ENDS: [u32; 4] = [0x7fff_0000, 0x0005_0001, 0x0003_0000, 0x7fff_0000];

/// Little, so that many filters are tried and not one for long.
const BOUNDS: Bounds = Bounds { classes: 64, nodes: 1 << 12 };

type Input = (Vec<(u8, u8, u8, u32)>, Vec<(u32, [u64; 6])>);

fuzz_target!(|input: Input| {
    let (program, asked) = input;
    let body = program.into_iter().map(|(code, jt, jf, k)| {
        let code = u16::from(code);
        Instruction { code, jt, jf, k }
    });
    let ends = ENDS.map(|k| Instruction { code: 0x06, jt: 0, jf: 0, k });
    let Ok(filter) = Filter::new(body.chain(ends).collect()) else { return };
    // What the kernel would take can be run, even if its meaning is not known.
    let done: Vec<_> = asked
        .into_iter()
        .map(|(number, args)| {
            let number = number & 0x3fff_ffff;
            (number, args, action(filter.run(&Call::new(Abi::X86_64, number, args))))
        })
        .collect();
    let Ok(meaning) = meaning_within(&filter, BOUNDS) else { return };
    for (number, args, done) in done {
        assert_eq!(Some(meaning.evaluate(Abi::X86_64, number, &args)), done);
    }
});
