//! Where the fields of kernel structures lie, read from the running kernel's BTF.
//!
//! Only what the probe needs: structures, by name, and in them fields, by path. aya's own BTF types
//! do not give members, and a full parse of a kernel's types would cost more memory than all the
//! rest of the recorder. Format: `Documentation/bpf/btf.rst`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the kernel's types could not be read.
#[derive(Debug, Error)]
pub enum BtfError {
    /// No file, or not readable.
    #[error(
        "cannot read the kernel's type information in {path}: {source}. \
         Strait needs Linux 5.8 or newer, built with CONFIG_DEBUG_INFO_BTF"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not BTF, or cut off.
    #[error("the kernel's type information in {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: &'static str,
    },
    /// A structure or field that this release of Strait relies on is not there.
    #[error(
        "this kernel has no `{0}`, which Strait has to read. \
         Please report it with the output of `uname -r`"
    )]
    NoField(String),
}

const MAGIC: u16 = 0xeb9f;

/// Kinds of types that hold members, and those that only stand for another type.
mod kind {
    pub const INT: u32 = 1;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// A kernel's types, by their bytes.
pub struct Btf {
    path: PathBuf,
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type begins, by its id; id 0 is `void`.
    types: Vec<u32>,
    /// Structures and unions with members, by name.
    structs: HashMap<Vec<u8>, u32>,
    /// Of the wanted names, those that are functions.
    functions: HashSet<Vec<u8>>,
}

impl Btf {
    /// Reads a file such as `/sys/kernel/btf/vmlinux` and notes the structures and functions named `wanted`.
    pub fn read(path: &Path, wanted: &[&str]) -> Result<Self, BtfError> {
        let bytes = std::fs::read(path)
            .map_err(|source| BtfError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, bytes, wanted)
    }

    /// The same for the bytes of a file; `path` is what messages call it.
    pub fn parse(path: &Path, bytes: Vec<u8>, wanted: &[&str]) -> Result<Self, BtfError> {
        let mut btf = Self {
            path: path.to_owned(),
            bytes,
            strings: 0,
            types: vec![0],
            structs: HashMap::new(),
            functions: HashSet::new(),
        };
        btf.index(wanted)?;
        Ok(btf)
    }

    /// The offset of a field, in bytes from the start of `structure`. `field` may be a path such as
    /// `thread_info.status`; members of anonymous structures and unions count as the outer one's.
    pub fn offset(&self, structure: &str, field: &str) -> Result<u32, BtfError> {
        self.field(structure, field).map(|(offset, _)| offset)
    }

    /// How many elements an array has that is a field; `field` as for [`offset`](Self::offset).
    pub fn length(&self, structure: &str, field: &str) -> Result<u32, BtfError> {
        let (_, of_type) = self.field(structure, field)?;
        let at = self.type_at(self.resolve(of_type)?)?;
        match (self.word(at + 4)? >> 24) & 0x1f {
            kind::ARRAY => self.word(at + 20),
            _ => Err(BtfError::NoField(format!("{structure}.{field}[]"))),
        }
    }

    /// The size of a structure, in bytes.
    pub fn size(&self, structure: &str) -> Result<u32, BtfError> {
        let id = self.structs.get(structure.as_bytes());
        let id = *id.ok_or_else(|| BtfError::NoField(structure.to_owned()))?;
        self.word(self.type_at(id)? + 8)
    }

    /// The offset of a field in bytes, and the id of its type.
    fn field(&self, structure: &str, field: &str) -> Result<(u32, u32), BtfError> {
        let missing = || BtfError::NoField(format!("{structure}.{field}"));
        let mut id = *self.structs.get(structure.as_bytes()).ok_or_else(missing)?;
        let mut bits = 0;
        for name in field.split('.') {
            let (offset, of_type) = self.member(id, name, 0)?.ok_or_else(missing)?;
            bits += offset;
            id = of_type;
        }
        Ok((bits / 8, id))
    }

    /// Whether the kernel has this function.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name.as_bytes())
    }

    fn damaged(&self, what: &'static str) -> BtfError {
        BtfError::Damaged { path: self.path.clone(), what }
    }

    fn word(&self, at: usize) -> Result<u32, BtfError> {
        let bytes = self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        Ok(u32::from_le_bytes(bytes.ok_or_else(|| self.damaged("it ends too early"))?))
    }

    fn name(&self, offset: u32) -> Result<&[u8], BtfError> {
        let rest = self
            .bytes
            .get(self.strings + offset as usize..)
            .ok_or_else(|| self.damaged("a name is outside of it"))?;
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        Ok(&rest[..end])
    }

    /// Walks over all types once.
    fn index(&mut self, wanted: &[&str]) -> Result<(), BtfError> {
        if self.word(0)? & 0xffff != u32::from(MAGIC) {
            return Err(self.damaged("it does not start with the magic number of BTF"));
        }
        let header = self.word(4)? as usize;
        let mut at = header + self.word(8)? as usize;
        let end = at + self.word(12)? as usize;
        self.strings = header + self.word(16)? as usize;
        while at < end {
            let (name, info) = (self.word(at)?, self.word(at + 4)?);
            let (of_kind, length) = ((info >> 24) & 0x1f, info as usize & 0xffff);
            let id = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
            let structure = matches!(of_kind, kind::STRUCT | kind::UNION) && length > 0;
            if structure || of_kind == kind::FUNC {
                let name = self.name(name)?;
                if wanted.iter().any(|wanted| wanted.as_bytes() == name) {
                    let name = name.to_owned();
                    if structure {
                        self.structs.entry(name).or_insert(id);
                    } else {
                        self.functions.insert(name);
                    }
                }
            }
            self.types.push(u32::try_from(at).unwrap_or(u32::MAX));
            at += 12
                + match of_kind {
                    kind::INT | kind::VAR | kind::DECL_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * length,
                    kind::ENUM | kind::FUNC_PROTO => 8 * length,
                    _ => 0,
                };
        }
        Ok(())
    }

    /// The member `name` of a structure or union: its offset in bits, and the id of its type.
    fn member(&self, id: u32, name: &str, depth: u32) -> Result<Option<(u32, u32)>, BtfError> {
        let id = self.resolve(id)?;
        let at = self.type_at(id)?;
        let info = self.word(at + 4)?;
        if !matches!((info >> 24) & 0x1f, kind::STRUCT | kind::UNION) || depth > 8 {
            return Ok(None);
        }
        let bit_fields = info >> 31 == 1;
        for index in 0..info as usize & 0xffff {
            let member = at + 12 + 12 * index;
            let of_type = self.word(member + 4)?;
            let offset = self.word(member + 8)?;
            let offset = if bit_fields { offset & 0x00ff_ffff } else { offset };
            let member_name = self.name(self.word(member)?)?;
            if member_name == name.as_bytes() {
                return Ok(Some((offset, of_type)));
            }
            if member_name.is_empty()
                && let Some((inner, of_type)) = self.member(of_type, name, depth + 1)?
            {
                return Ok(Some((offset + inner, of_type)));
            }
        }
        Ok(None)
    }

    fn type_at(&self, id: u32) -> Result<usize, BtfError> {
        let at = self.types.get(id as usize);
        Ok(*at.ok_or_else(|| self.damaged("a type is outside of it"))? as usize)
    }

    /// Follows typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Result<u32, BtfError> {
        for _ in 0..32 {
            let at = self.type_at(id)?;
            match (self.word(at + 4)? >> 24) & 0x1f {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = self.word(at + 8)?;
                }
                _ => return Ok(id),
            }
        }
        Err(self.damaged("its types form a cycle"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BTF file with `struct task { int pid; union { struct { typedef'd status; } }; }`.
    fn small() -> Vec<u8> {
        let strings = b"\0task\0pid\0status\0alias\0";
        let mut types: Vec<u32> = Vec::new();
        types.extend([0, kind::INT << 24, 4, 32]); // 1: int
        types.extend([17, kind::TYPEDEF << 24, 1]); // 2: alias = int
        types.extend([0, kind::STRUCT << 24 | 1, 8, 10, 2, 32]); // 3: { ; alias status; } at 4
        types.extend([0, kind::UNION << 24 | 1, 8, 0, 3, 0]); // 4: union { 3 }
        types.extend([1, kind::STRUCT << 24 | 2, 16, 6, 1, 0, 0, 4, 64]); // 5: struct task
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut file = Vec::new();
        file.extend(MAGIC.to_le_bytes());
        file.extend([1, 0]);
        for word in [24, 0, types.len(), types.len(), strings.len()] {
            file.extend(u32::try_from(word).unwrap().to_le_bytes());
        }
        file.extend(types);
        file.extend(strings);
        file
    }

    fn read(bytes: &[u8]) -> Result<Btf, BtfError> {
        Btf::parse(Path::new("vmlinux"), bytes.to_vec(), &["task"])
    }

    #[test]
    fn a_field_is_found_through_anonymous_members_and_typedefs() {
        let btf = read(&small()).unwrap();
        assert_eq!(btf.offset("task", "pid").unwrap(), 0);
        assert_eq!(btf.offset("task", "status").unwrap(), 12);
        let error = btf.offset("task", "comm").unwrap_err().to_string();
        assert!(error.contains("`task.comm`"), "{error}");
    }

    #[test]
    fn damage_anywhere_is_an_error_and_never_a_panic() {
        let whole = small();
        for length in 0..whole.len() {
            let _ = read(&whole[..length]).map(|btf| btf.offset("task", "status"));
        }
        assert!(matches!(read(b"ELF"), Err(BtfError::Damaged { .. })));
        assert!(matches!(
            Btf::read(Path::new("/nonexistent"), &[]),
            Err(BtfError::Unreadable { .. })
        ));
    }
}
