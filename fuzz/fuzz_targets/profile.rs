//! Any text is a profile or a clear error, and lint copes with every profile.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_generator::machine::Machines;
use strait_generator::profile::{Workload, lint, parse, print, resolve_on};

fuzz_target!(|text: &str| {
    // What a dialect says in plain OCI says the same when it is read again.
    if let Ok(resolved) = resolve_on(text, &Workload::default(), Machines::ALL) {
        let once = resolved.print().expect("a profile can be printed");
        let again = resolve_on(&once, &Workload::default(), Machines::ALL).expect("it can be read");
        assert!(again.is_plain());
        assert_eq!(again.print().expect("a profile can be printed"), once);
    }
    let Ok(profile) = parse(text) else { return };
    let findings = lint(&profile);
    let policy = profile.policy(Machines::ALL);
    let printed = print(&profile).expect("a profile can be printed");
    let again = parse(&printed).expect("what was printed can be read");
    assert_eq!(lint(&again).len(), findings.len());
    if let (Ok(policy), Ok(again)) = (policy, again.policy(Machines::ALL)) {
        for abi in Machines::ALL.abis() {
            for (number, _) in abi.syscalls() {
                let args = [u64::from(number); 6];
                assert_eq!(policy.evaluate(abi, number, &args), again.evaluate(abi, number, &args));
            }
        }
    }
});
