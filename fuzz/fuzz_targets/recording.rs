//! Any text is a recording or a clear error; what is read is printed and read again as the same, and
//! a profile can be made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::generate::{Options, generate};
use strait_generator::recording::v1;

fuzz_target!(|text: &str| {
    let Ok(recording) = v1::parse(text) else { return };
    let printed = v1::print(&recording).expect("a recording can be printed");
    assert_eq!(v1::parse(&printed).expect("what was printed can be read"), recording);
    let options = Options { allow_incomplete: true, ..Options::default() };
    // Nothing recorded is an error; anything else must not panic.
    let _ = generate(&[recording], &options);
});
