//! Damaged kernel types are an error and never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use strait_recorder::record::Btf;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(btf) = Btf::parse(Path::new("fuzz"), bytes.to_vec(), &["task_struct", "t"]) {
        let _ = btf.offset("task_struct", "thread_info.status");
        let _ = btf.offset("t", "a.b");
    }
});
