//! Damaged kernel types are an error and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait::record::btf::Btf;

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("writing it");
    if let Ok(btf) = Btf::read(file.path(), &["task_struct", "t"]) {
        let _ = btf.offset("task_struct", "thread_info.status");
        let _ = btf.offset("t", "a.b");
    }
});
