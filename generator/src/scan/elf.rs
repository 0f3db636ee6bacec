//! The parts of an ELF file that say what its code can call. Everything in it may be a lie or damaged: whatever is read
//! is checked against the file's length by the crate `object`, and counted against bounds of our own.

use object::LittleEndian;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::SymbolIndex;
use object::read::elf::{
    FileHeader, ProgramHeader, Rel as _, Rela as _, SectionHeader, SectionTable, Sym as _,
    SymbolTable,
};

use super::error::ScanError;
use super::loaded::{Extent, in_order, named};
use super::object::{Code, MOST_ENTRIES, Object};
use super::{go, starts};
use crate::abi::Abi;

/// How many sections of code are read; a linked file has some five.
const MOST_SECTIONS: usize = 256;

/// How many libraries a file may need.
const MOST_NEEDED: usize = 1024;

/// How many bytes of a name are kept.
const LONGEST_NAME: usize = 512;

pub(super) fn parse(data: &[u8]) -> Result<Object<'_>, ScanError> {
    let head = data.get(..20).ok_or(ScanError::NotElf)?;
    if head[..4] != elf::ELFMAG {
        return Err(ScanError::NotElf);
    }
    let machine = u16::from_le_bytes([head[18], head[19]]);
    if head[5] != elf::ELFDATA2LSB {
        return Err(ScanError::OtherMachine("big-endian".to_owned()));
    }
    let is_64 = head[4] == elf::ELFCLASS64;
    let abi = match (machine, is_64) {
        (elf::EM_X86_64, true) => Abi::X86_64,
        (elf::EM_X86_64, false) => Abi::X32,
        (elf::EM_386, false) => Abi::X86,
        (elf::EM_AARCH64, true) => Abi::Aarch64,
        (elf::EM_RISCV, true) => Abi::Riscv64,
        _ => return Err(ScanError::OtherMachine(format!("ELF machine {machine}"))),
    };
    let damaged = |error: object::Error| ScanError::Damaged(error.to_string());
    if is_64 {
        let header = FileHeader64::<LittleEndian>::parse(data).map_err(damaged)?;
        read(header, data, abi, 64)
    } else {
        let header = FileHeader32::<LittleEndian>::parse(data).map_err(damaged)?;
        read(header, data, abi, 32)
    }
}

type Sections<'a, H> = SectionTable<'a, H, &'a [u8]>;

const E: LittleEndian = LittleEndian;

fn read<'a, H: FileHeader<Endian = LittleEndian>>(
    header: &H,
    data: &'a [u8],
    abi: Abi,
    bits: u32,
) -> Result<Object<'a>, ScanError> {
    let damaged = |error: object::Error| ScanError::Damaged(error.to_string());
    let is_library = match header.e_type(E) {
        elf::ET_EXEC => false,
        elf::ET_DYN => true,
        _ => return Err(ScanError::NotExecutable),
    };
    let mut object = Object {
        is_library,
        entry: header.e_entry(E).into(),
        ..Object::of_code(abi, bits, Vec::new())
    };
    let segments = header.program_headers(E, data).map_err(damaged)?;
    let mut unwinding = None;
    let mut loaded = Vec::new();
    for segment in segments {
        let bytes = segment.data(E, data);
        match segment.p_type(E) {
            elf::PT_INTERP => {
                object.interpreter = segment.interpreter(E, data).ok().flatten().map(text);
            }
            elf::PT_DYNAMIC => object.is_dynamic = true,
            elf::PT_GNU_EH_FRAME => {
                unwinding = bytes.ok().map(|bytes| (segment.p_vaddr(E).into(), bytes));
            }
            elf::PT_LOAD if segment.p_flags(E) & elf::PF_X != 0 => {
                let cut = || ScanError::Damaged("its code is not all there".to_owned());
                let bytes = bytes.map_err(|()| cut())?;
                if segment.p_flags(E) & elf::PF_W != 0 {
                    object.doubts.insert("it may change its own code".to_owned());
                }
                loaded.push(Code { address: segment.p_vaddr(E).into(), bytes, is_stubs: false });
            }
            _ => {}
        }
    }
    let loaded = in_order(loaded)?;
    let sections = header.sections(E, data).map_err(damaged)?;
    if sections.is_empty() {
        object.code = loaded;
        object.doubts.insert(if object.is_dynamic {
            "it has no section headers (packed or stripped of them): what it imports is not known"
                .to_owned()
        } else {
            "it has no section headers: it may be packed".to_owned()
        });
    } else {
        of_sections(&mut object, &sections, data, &loaded).map_err(damaged)?;
    }
    // One that is loaded as a program is none, though it is of the same type.
    object.is_library &= object.interpreter.is_none();
    let frames = sections
        .section_by_name(E, b".eh_frame")
        .and_then(|(_, section)| Some((section.sh_addr(E).into(), section.data(E, data).ok()?)));
    let found = starts::find(&object, unwinding, frames);
    (object.starts, object.doubtful) = (found.starts, found.doubtful);
    object.are_starts_exact = found.are_exact;
    object.doubtful.retain(|start| !object.names.contains_key(start));
    object.starts.extend(object.names.keys().copied());
    object.starts.push(object.entry);
    object.starts.extend(object.code.iter().map(|code| code.address));
    let code = &object.code;
    object.starts.retain(|start| code.iter().any(|code| code.contains(*start)));
    object.starts.sort_unstable();
    object.starts.dedup();
    object.pointers.sort_unstable();
    object.pointers.dedup();
    Ok(object)
}

fn of_sections<'a, H: FileHeader<Endian = LittleEndian>>(
    object: &mut Object<'a>,
    sections: &Sections<'a, H>,
    data: &'a [u8],
    loaded: &[Code<'a>],
) -> Result<(), object::Error> {
    let (mut code, mut data_sections) = (Vec::new(), Vec::new());
    let mut tables = None;
    for section in sections.iter().take(MOST_ENTRIES) {
        let name = sections.section_name(E, section).unwrap_or_default();
        let extent = Extent {
            address: section.sh_addr(E).into(),
            size: section.sh_size(E).into(),
            is_stubs: name.starts_with(b".plt"),
        };
        let flags = section.sh_flags(E).into();
        if section.sh_type(E) == elf::SHT_PROGBITS && flags & u64::from(elf::SHF_EXECINSTR) != 0 {
            if code.len() < MOST_SECTIONS {
                code.push(extent);
            } else {
                object.doubts.insert("it has more sections of code than are read".to_owned());
            }
        } else if flags & u64::from(elf::SHF_ALLOC) != 0 && data_sections.len() < MOST_SECTIONS {
            data_sections.push(extent);
        }
        match name {
            b".gopclntab" | b".data.rel.ro.gopclntab" => tables = Some(section.data(E, data)?),
            b".go.buildinfo" | b".note.go.buildid" => object.is_go = true,
            _ => {}
        }
    }
    object.code = if code.is_empty() {
        loaded.iter().map(|whole| Code { ..*whole }).collect()
    } else {
        named(loaded, code, &data_sections, object.abi, &mut object.doubts)
    };
    let dynamic = sections.symbols(E, data, elf::SHT_DYNSYM)?;
    let symbols = sections.symbols(E, data, elf::SHT_SYMTAB)?;
    of_dynamic(object, sections, data)?;
    of_symbols(object, &dynamic, true);
    object.has_symbols = !symbols.is_empty();
    of_symbols(object, &symbols, false);
    of_relocations(object, sections, &dynamic, data)?;
    if let Some(tables) = tables {
        object.is_go = true;
        let text = sections.section_by_name(E, b".text").map(|(_, text)| text.sh_addr(E).into());
        for (address, name) in go::functions(tables, text.unwrap_or_default()) {
            object.names.entry(address).or_insert(name);
        }
    }
    Ok(())
}

fn of_dynamic<'a, H: FileHeader<Endian = LittleEndian>>(
    object: &mut Object<'a>,
    sections: &Sections<'a, H>,
    data: &'a [u8],
) -> Result<(), object::Error> {
    let table = sections.dynamic_table(E, data)?;
    for entry in table.iter().take(MOST_ENTRIES) {
        let value = || table.string(entry).map(text);
        match entry.tag {
            elf::DT_NEEDED if object.needed.len() < MOST_NEEDED => object.needed.push(value()?),
            elf::DT_SONAME => object.soname = Some(value()?),
            elf::DT_RPATH | elf::DT_RUNPATH => {
                object.search.extend(value()?.split(':').take(64).map(str::to_owned));
            }
            _ => {}
        }
    }
    Ok(())
}

fn of_symbols<'a, H: FileHeader<Endian = LittleEndian>>(
    object: &mut Object<'a>,
    symbols: &SymbolTable<'a, H, &'a [u8]>,
    is_dynamic: bool,
) {
    for symbol in symbols.iter().skip(1).take(MOST_ENTRIES) {
        let kind = symbol.st_type();
        let is_function = matches!(kind, elf::STT_FUNC | elf::STT_GNU_IFUNC);
        // Go's linker calls all imports data.
        if !is_function && !symbol.is_undefined(E) {
            continue;
        }
        let Some(name) = symbols.symbol_name(E, symbol).ok().and_then(name) else { continue };
        let address: u64 = symbol.st_value(E).into();
        if symbol.is_undefined(E) {
            if is_dynamic {
                object.imports.insert(name.to_owned());
            }
        } else {
            object.names.entry(address).or_insert(name);
            if is_dynamic {
                object.exports.entry(name.to_owned()).or_insert(address);
            }
        }
    }
}

/// Slots that the dynamic loader fills with the addresses of imported functions, and addresses of functions in data.
fn of_relocations<'a, H: FileHeader<Endian = LittleEndian>>(
    object: &mut Object<'a>,
    sections: &Sections<'a, H>,
    symbols: &SymbolTable<'a, H, &'a [u8]>,
    data: &'a [u8],
) -> Result<(), object::Error> {
    let mut left = MOST_ENTRIES;
    for section in sections.iter().take(MOST_ENTRIES) {
        if section.sh_flags(E).into() & u64::from(elf::SHF_ALLOC) == 0 {
            continue;
        }
        if let Some((relocations, _)) = section.rela(E, data)? {
            for relocation in relocations.iter().take(left) {
                let symbol = relocation.symbol(E, false);
                let addend = Into::<i64>::into(relocation.r_addend(E)).cast_unsigned();
                add_relocation(object, symbols, relocation.r_offset(E).into(), symbol, addend);
            }
            left = left.saturating_sub(relocations.len());
        } else if let Some((relocations, _)) = section.rel(E, data)? {
            for relocation in relocations.iter().take(left) {
                let symbol = relocation.symbol(E);
                add_relocation(object, symbols, relocation.r_offset(E).into(), symbol, 0);
            }
            left = left.saturating_sub(relocations.len());
        }
    }
    Ok(())
}

fn add_relocation<'a, H: FileHeader<Endian = LittleEndian>>(
    object: &mut Object<'a>,
    symbols: &SymbolTable<'a, H, &'a [u8]>,
    place: u64,
    symbol: Option<SymbolIndex>,
    addend: u64,
) {
    match symbol.and_then(|index| symbols.symbol(index).ok()) {
        Some(symbol) => {
            if let Some(name) = symbols.symbol_name(E, symbol).ok().and_then(name) {
                object.slots.entry(place).or_insert(name);
            }
            let address: u64 = symbol.st_value(E).into();
            if address != 0 && symbol.st_type() == elf::STT_FUNC {
                object.pointers.push(address);
            }
        }
        None if object.code.iter().any(|code| code.contains(addend)) => {
            object.pointers.push(addend)
        }
        None => {}
    }
}

/// A name of the file's; `None` if it is empty, too long or no text.
fn name(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || bytes.len() > LONGEST_NAME {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// A string of the file's, for messages and paths.
fn text(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(4096)];
    String::from_utf8_lossy(bytes).into_owned()
}
