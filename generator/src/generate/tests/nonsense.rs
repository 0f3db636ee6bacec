//! Calls that no kernel has: `syscall(-2)`, and numbers beyond every table.

use super::super::generate;
use super::exact;
use crate::abi::Abi;
use crate::profile::Architecture;
use crate::recording::example;

/// `syscall(-2)` without the x32 bit, which it has.
const MINUS_TWO: u32 = 0xbfff_fffe;

fn write() -> (Abi, u32) {
    (Abi::X86_64, Abi::X86_64.syscall_number("write").unwrap())
}

#[test]
fn an_abi_is_seen_only_by_a_call_that_it_has() {
    let of = |calls: &[(Abi, u32)]| {
        let generated = generate(&[example::recording(calls)], &exact()).unwrap();
        generated.profile.architectures
    };
    let native = [Architecture::from(Abi::X86_64)];
    assert_eq!(of(&[write(), (Abi::X32, MINUS_TWO)]), native);
    assert_eq!(of(&[write(), (Abi::X86, 100_000)]), native);
    assert_eq!(of(&[(Abi::X32, MINUS_TWO)]), native, "nor if there is nothing else");
    let ioctl = Abi::X32.syscall_number("ioctl").unwrap();
    assert_eq!(of(&[write(), (Abi::X32, ioctl), (Abi::X32, MINUS_TWO)]).len(), 2);
}

#[test]
fn the_summary_says_that_there_is_no_such_call_and_what_comes_of_it() {
    let recording = example::recording(&[write(), (Abi::X32, MINUS_TWO), (Abi::X86_64, 600)]);
    let summary = generate(&[recording], &exact()).unwrap().summary;
    let because: Vec<String> = summary
        .left_out
        .iter()
        .map(|left| format!("{} {}: {}", left.call(), left.abi, left.because("Docker's default")))
        .collect();
    assert_eq!(
        because,
        [
            "number 600 x86_64: Linux has no such call",
            "number -2 x32: Linux has no such call; the profile does not list x32, so that a thread which makes \
             it is killed",
        ]
    );
    let seen: Vec<usize> = summary.abis.iter().map(|counts| counts.seen).collect();
    assert_eq!(seen, [1], "it is not counted among the calls that were seen");
}
