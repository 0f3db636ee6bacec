//! Whatever processes, engines, runtimes and cgroups say, it is read without a panic, and a file for it is in its
//! folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_recorder::record::engine::untrusted;

fuzz_target!(|bytes: &[u8]| untrusted::read(bytes));
