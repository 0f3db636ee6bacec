//! Names and numbers of calls are those that libseccomp has.

use libseccomp::{ScmpArch, ScmpSyscall};
use strait_generator::abi::Abi;
use strait_generator::profile::Architecture;

/// Where libseccomp's numbers for calls begin that an architecture has not.
const NOT_THERE: std::ops::RangeInclusive<i32> = -100_000..=-10_000;

/// What libseccomp 2.5.4 does not know of x32.
const LATER: (Abi, &str) = (Abi::X32, "map_shadow_stack");

#[test]
fn libseccomp_has_the_same_names_and_numbers() {
    for abi in Abi::ALL {
        let arch: ScmpArch = Architecture::from(abi).name().parse().unwrap();
        let bit = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
        let mut known = 0;
        for (number, name) in abi.syscalls() {
            let raw = i32::try_from(number | bit).unwrap();
            if let Ok(theirs) = ScmpSyscall::from_raw_syscall(raw).get_name_by_arch(arch) {
                assert_eq!(theirs, name, "{abi} {number}");
                known += 1;
            } else if (abi, name) != LATER {
                // Too new for it, which is not that the architecture has no such call.
                let theirs = ScmpSyscall::from_name_by_arch(name, arch);
                let number = theirs.map_or(0, ScmpSyscall::as_raw_syscall);
                assert!(!NOT_THERE.contains(&number), "{abi} has no {name}");
            }
        }
        assert!(known > 300, "{abi}: {known}");
        let newest = abi.syscalls().map(|(number, _)| number).max().unwrap();
        for number in (0..newest).filter(|number| abi.syscall_name(*number).is_none()) {
            let raw = i32::try_from(number | bit).unwrap();
            let theirs = ScmpSyscall::from_raw_syscall(raw).get_name_by_arch(arch);
            assert!(theirs.is_err(), "{abi} {number} is {}", theirs.unwrap());
        }
    }
}

/// The installed libseccomp has to know at least what the file says that 2.5.4 does.
#[test]
fn libseccomp_knows_the_names_of_other_architectures() {
    let file: serde_json::Value = serde_json::from_str(strait_profiles::CALL_NAMES).unwrap();
    let names: Vec<&str> = file["names"].as_str().unwrap().split_ascii_whitespace().collect();
    assert!(names.len() > 300, "{} names", names.len());
    for name in names {
        let found = ScmpSyscall::from_name(name);
        assert!(found.is_ok(), "{name}: {found:?}");
    }
    assert!(ScmpSyscall::from_name("frobnicate").is_err());
}
