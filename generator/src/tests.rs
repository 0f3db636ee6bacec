//! What holds for the crate as a whole.

/// A library that a program is linked with is mapped when it starts.
#[test]
#[cfg(target_os = "linux")]
fn these_tests_run_without_libseccomp() {
    let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(mapped.contains("libc.so") || mapped.contains("ld-musl"), "{mapped}");
    assert!(!mapped.contains("libseccomp"), "{mapped}");
}
