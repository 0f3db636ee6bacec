//! Whether a number is that of a call at all. Programs and tracers make calls that no kernel has: -1 and -2
//! to have one taken out, large numbers to find out whether they are filtered. The kernel answers ENOSYS.

use super::Abi;

/// The newest kernel of which the table has all calls. A test holds the two together.
pub const NEWEST: (u32, u32) = (6, 18);

/// Numbers that newer kernels give to their calls, on all ABIs alike: from the first one that the table does
/// not have, up to where those that x32 has for itself begin (the kernel's
/// `arch/x86/entry/syscalls/syscall_64.tbl`; no new call has had a number of one ABI's own since Linux 5.0).
const NEXT: std::ops::Range<u32> = 470..512;

/// Whether a kernel has a call of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Existence {
    /// It has.
    Known,
    /// It may have: the kernel is newer than the table, or its age is not known.
    Unclear,
    /// It answers ENOSYS.
    None,
}

impl Abi {
    /// Whether a kernel of this version has a call with this number, without the x32 bit; `None` for a kernel
    /// of any version.
    pub fn existence(self, number: u32, kernel: Option<(u32, u32)>) -> Existence {
        if self.syscall_name(number).is_some() {
            return Existence::Known;
        }
        let is_newer = kernel.is_none_or(|kernel| kernel > NEWEST);
        if is_newer && NEXT.contains(&number) { Existence::Unclear } else { Existence::None }
    }

    /// How a number is written that has no name: negative where the kernel takes it so (it looks at 32 bits), with
    /// the x32 bit put back.
    #[must_use]
    pub fn raw_number(self, number: u32) -> String {
        const X32_BIT: u32 = 0x4000_0000;
        let raw = if self == Self::X32 { number | X32_BIT } else { number }.cast_signed();
        raw.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_the_first_that_the_table_lacks() {
        for abi in Abi::ALL {
            let newest = abi.syscalls().map(|(number, _)| number).filter(|number| *number < 512);
            assert_eq!(
                newest.max(),
                Some(NEXT.start - 1),
                "{abi}: NEWEST and NEXT go with the table"
            );
        }
    }

    #[test]
    fn a_number_without_a_name_exists_only_in_newer_kernels() {
        let of = |number, kernel| Abi::X86_64.existence(number, kernel);
        assert_eq!(of(1, None), Existence::Known);
        assert_eq!(of(470, Some((6, 18))), Existence::None);
        assert_eq!(of(470, Some((6, 19))), Existence::Unclear);
        assert_eq!(of(470, None), Existence::Unclear);
        for nonsense in [512, 600, 1_000_000, u32::MAX, u32::MAX - 1] {
            assert_eq!(of(nonsense, None), Existence::None, "{nonsense}");
        }
        // syscall(-2) has the x32 bit.
        let minus_two = u32::MAX - 1 - 0x4000_0000;
        assert_eq!(Abi::X32.existence(minus_two, None), Existence::None);
        assert_eq!(Abi::X32.raw_number(minus_two), "-2");
        assert_eq!(Abi::X86_64.raw_number(u32::MAX), "-1");
        assert_eq!(Abi::X32.existence(514, Some((6, 1))), Existence::Known);
    }
}
