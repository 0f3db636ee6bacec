//! What of a file can be executed: the segments that the kernel maps so. Sections only say what of them is code; the
//! kernel does not read them, so that what they leave out, or say of another place, counts as well.

use std::collections::BTreeSet;

use super::error::ScanError;
use super::object::Code;
use super::search::enters;
use super::x86;
use crate::abi::Abi;

/// Above all addresses that a program can have: with page tables of five levels it has 56 bits.
///
/// Source: Linux, `TASK_SIZE_MAX` (arch/x86/include/asm/page_64.h).
const MOST_ADDRESSES: u64 = 1 << 56;

/// The longest table of jumps; browsers have some 100 kB.
const MOST_STUBS: usize = 4 << 20;

/// A section, as its header says.
pub(super) struct Extent {
    pub address: u64,
    pub size: u64,
    pub is_stubs: bool,
}

impl Extent {
    /// The same part of a segment.
    fn within<'a>(&self, segment: &Code<'a>) -> Option<Code<'a>> {
        let from = usize::try_from(self.address.checked_sub(segment.address)?).ok()?;
        let end = from.checked_add(usize::try_from(self.size).ok()?)?;
        let bytes = segment.bytes.get(from..end)?;
        Some(Code { address: self.address, bytes, is_stubs: self.is_stubs })
    }
}

/// Executable segments in the order of their addresses.
///
/// # Errors
///
/// [`ScanError::Damaged`] if they overlap or are where no program has memory.
pub(super) fn in_order(mut loaded: Vec<Code<'_>>) -> Result<Vec<Code<'_>>, ScanError> {
    loaded.retain(|code| !code.bytes.is_empty());
    loaded.sort_by_key(|code| code.address);
    if loaded.last().is_some_and(|code| code.address >= MOST_ADDRESSES) {
        return Err(ScanError::Damaged("its code is where no program has memory".to_owned()));
    }
    if loaded.windows(2).any(|pair| pair[0].end() > pair[1].address) {
        return Err(ScanError::Damaged("parts of its code overlap".to_owned()));
    }
    Ok(loaded)
}

/// What of the segments sections say to be code. What they say to be data is believed: some linkers put both into one
/// segment.
pub(super) fn named<'a>(
    loaded: &[Code<'a>],
    mut sections: Vec<Extent>,
    data: &[Extent],
    abi: Abi,
    doubts: &mut BTreeSet<String>,
) -> Vec<Code<'a>> {
    sections.retain(|section| section.size > 0);
    sections.sort_by_key(|section| section.address);
    let mut code: Vec<Code<'a>> = Vec::new();
    for section in sections {
        match loaded.iter().find_map(|segment| section.within(segment)) {
            Some(mut part) if code.last().is_none_or(|last| last.end() <= part.address) => {
                part.is_stubs &= !calls_itself(&part, abi);
                code.push(part);
            }
            _ => {
                doubts.insert("its section headers do not fit what is loaded of it".to_owned());
            }
        }
    }
    if loaded.iter().any(|segment| has_other_code(segment, &code, data, abi)) {
        doubts.insert("it can execute bytes that are in none of its sections".to_owned());
    }
    code
}

/// Whether what is called a table of jumps enters the kernel. In its offsets there may be the same bytes by chance.
fn calls_itself(stubs: &Code<'_>, abi: Abi) -> bool {
    if !stubs.is_stubs || enters(abi, stubs).is_empty() {
        return false;
    }
    let bits = if abi == Abi::X86 { 32 } else { 64 };
    abi == Abi::Aarch64
        || stubs.bytes.len() > MOST_STUBS
        || x86::decode(bits, stubs.address, stubs.bytes, stubs.bytes.len())
            .iter()
            .any(|step| step.enters.is_some())
}

/// Whether there are instructions that enter the kernel in what of a segment is in no section.
fn has_other_code(segment: &Code<'_>, code: &[Code<'_>], data: &[Extent], abi: Abi) -> bool {
    let code = code.iter().map(|part| (part.address, part.end()));
    let data = data.iter().map(|part| (part.address, part.address.saturating_add(part.size)));
    let mut parts: Vec<(u64, u64)> = code.chain(data).collect();
    parts.push((segment.end(), segment.end()));
    parts.sort_unstable();
    let mut from = segment.address;
    for (start, end) in parts {
        let gap = Extent { address: from, size: start.saturating_sub(from), is_stubs: false };
        if gap.size > 0 && gap.within(segment).is_some_and(|gap| !enters(abi, &gap).is_empty()) {
            return true;
        }
        from = from.max(end);
    }
    false
}
