//! Where the running kernel keeps its fields, from its own type information (BTF).
//!
//! Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h. aya hides struct members, so this reads
//! them; it reads nothing else.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use thiserror::Error;

/// Where the kernel publishes its BTF (CONFIG_DEBUG_INFO_BTF, Linux 5.4).
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const HEADER_LENGTH: usize = 24;
const TYPE_LENGTH: usize = 12;

/// What is wrong with the BTF, or with a field in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        cause: String,
    },
    /// The bytes are not BTF.
    #[error("kernel BTF is malformed: {0}")]
    Malformed(&'static str),
    /// No structure of that name.
    #[error("kernel BTF has no struct {0}")]
    NoStruct(String),
    /// The structure has no such member.
    #[error("kernel BTF has no field {0}")]
    NoField(String),
    /// Structures of the same name disagree.
    #[error("kernel BTF is ambiguous: {0} lies at different offsets in structures of the same name")]
    Ambiguous(String),
    /// The field is not as wide as the probe reads it.
    #[error("field {field} is {found} bytes wide, expected {expected}")]
    Width {
        /// The field.
        field: String,
        /// Width in this kernel, bytes.
        found: u32,
        /// Width that the probe reads, bytes.
        expected: u32,
    },
    /// The field does not begin at a byte.
    #[error("field {0} is a bit-field")]
    BitField(String),
}

/// Place of a field in its outermost structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the beginning of the structure.
    pub offset: u32,
    /// Bytes.
    pub width: u32,
}

/// A kernel's types.
pub struct KernelTypes {
    types: Vec<Type>,
    structs: HashMap<String, Vec<usize>>,
    tracepoints: HashSet<String>,
}

/// A tracepoint's prototype (include/trace/bpf_probe.h) is a typedef with its name after this.
const TRACEPOINT: &str = "btf_trace_";

struct Type {
    kind: Kind,
    /// `size` or `type`, as the kind says.
    size_or_type: u32,
    members: Vec<Member>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sized,
    Pointer,
    Array { element: u32, count: u32 },
    Composite,
    Modifier,
    Other,
}

struct Member {
    name: String,
    of: u32,
    bit_offset: u32,
    bit_width: u32,
}

impl KernelTypes {
    /// Reads the running kernel's BTF.
    ///
    /// # Errors
    ///
    /// When the file is missing, unreadable or not BTF.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        let path = Path::new(VMLINUX);
        let bytes = std::fs::read(path).map_err(|cause| BtfError::Unreadable {
            path: path.display().to_string(),
            cause: cause.to_string(),
        })?;
        Self::parse(&bytes)
    }

    /// Reads BTF from its bytes.
    ///
    /// # Errors
    ///
    /// When they are not BTF of version 1 in this machine's byte order.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let header = Header::parse(bytes)?;
        let mut reader = Reader { bytes: header.types, at: 0 };
        let mut types = vec![Type { kind: Kind::Other, size_or_type: 0, members: Vec::new() }];
        let mut structs: HashMap<String, Vec<usize>> = HashMap::new();
        let mut tracepoints = HashSet::new();
        while reader.at < reader.bytes.len() {
            let (name, parsed) = reader.next_type(header.strings)?;
            if let (Kind::Modifier, Some(tracepoint)) = (parsed.kind, name.strip_prefix(TRACEPOINT)) {
                tracepoints.insert(tracepoint.to_owned());
            }
            if parsed.kind == Kind::Composite && !name.is_empty() {
                structs.entry(name).or_default().push(types.len());
            }
            types.push(parsed);
        }
        Ok(Self { types, structs, tracepoints })
    }

    /// Whether the kernel itself, and no module of it, has a tracepoint that programs can be attached to.
    #[must_use]
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.tracepoints.contains(name)
    }

    /// The place of `path` (`struct.member.member`; members of anonymous structures and unions count as the
    /// outer one's).
    ///
    /// # Errors
    ///
    /// When the structure or a member is absent, a bit-field, or ambiguous.
    pub fn place(&self, path: &str) -> Result<Place, BtfError> {
        let mut names = path.split('.');
        let outer = names.next().unwrap_or_default();
        let members: Vec<&str> = names.collect();
        let candidates = self.structs.get(outer).ok_or_else(|| BtfError::NoStruct(outer.to_owned()))?;
        let mut places = candidates.iter().filter_map(|id| self.descend(*id, &members));
        let first = places.next().ok_or_else(|| BtfError::NoField(path.to_owned()))?;
        if places.any(|other| other != first) {
            return Err(BtfError::Ambiguous(path.to_owned()));
        }
        match first {
            (bits, Some(width)) if bits % 8 == 0 => Ok(Place { offset: bits / 8, width }),
            _ => Err(BtfError::BitField(path.to_owned())),
        }
    }

    /// Like [`Self::place`], and the field must be `width` bytes wide.
    ///
    /// # Errors
    ///
    /// As above, and when the width differs.
    pub fn place_of_width(&self, path: &str, width: u32) -> Result<Place, BtfError> {
        let place = self.place(path)?;
        if place.width == width {
            return Ok(place);
        }
        Err(BtfError::Width { field: path.to_owned(), found: place.width, expected: width })
    }

    /// Where the bits of a flag field begin: the byte, and the bit within it. A byte that is no bit-field begins at 0.
    ///
    /// # Errors
    ///
    /// As [`Self::place`], and when the bits do not lie within one byte.
    pub fn bits(&self, path: &str) -> Result<(u32, u32), BtfError> {
        let within = |(bits, width): (u32, u32)| {
            let is_within = bits % 8 + width <= 8;
            is_within.then_some((bits / 8, bits % 8)).ok_or_else(|| BtfError::BitField(path.to_owned()))
        };
        match self.place(path) {
            Ok(Place { offset, width }) => within((offset * 8, width * 8)),
            Err(BtfError::BitField(_)) => {
                let (outer, name) = path.split_once('.').unwrap_or((path, ""));
                let candidates = self.structs.get(outer).into_iter().flatten();
                let found = candidates.filter_map(|id| self.member(*id, name, 0)).next();
                let (bits, _, width) = found.ok_or_else(|| BtfError::NoField(path.to_owned()))?;
                within((bits, width))
            }
            Err(error) => Err(error),
        }
    }

    /// Bit offset of a chain of members, and width in bytes: none for a bit-field, 0 for a flexible array.
    fn descend(&self, id: usize, members: &[&str]) -> Option<(u32, Option<u32>)> {
        let (name, rest) = members.split_first()?;
        let member = self.member(id, name, 0)?;
        let of = self.resolve(member.1)?;
        if rest.is_empty() {
            let width = (member.2 == 0).then(|| self.width(of, 0));
            return Some((member.0, width));
        }
        let (bits, width) = self.descend(of, rest)?;
        Some((member.0 + bits, width))
    }

    /// Bit offset, type and bit width of a member, also inside of anonymous members.
    fn member(&self, id: usize, name: &str, depth: u8) -> Option<(u32, u32, u32)> {
        const DEEPEST: u8 = 16;
        let composite = self.types.get(id)?;
        for member in &composite.members {
            if member.name == name {
                return Some((member.bit_offset, member.of, member.bit_width));
            }
            if member.name.is_empty() && depth < DEEPEST {
                let inner = self.resolve(member.of).and_then(|inner| self.member(inner, name, depth + 1));
                if let Some((bits, of, width)) = inner {
                    return Some((member.bit_offset + bits, of, width));
                }
            }
        }
        None
    }

    /// Follows typedefs and qualifiers; a malformed cycle ends after as many steps as there are types.
    fn resolve(&self, id: u32) -> Option<usize> {
        let mut at = id as usize;
        for _ in 0..self.types.len() {
            let found = self.types.get(at)?;
            if found.kind != Kind::Modifier {
                return Some(at);
            }
            at = found.size_or_type as usize;
        }
        None
    }

    fn width(&self, id: usize, depth: u8) -> u32 {
        const DEEPEST: u8 = 16;
        match self.types.get(id).map(|found| (found.kind, found.size_or_type)) {
            Some((Kind::Pointer, _)) => size_of::<u64>() as u32,
            Some((Kind::Sized | Kind::Composite, size)) => size,
            Some((Kind::Array { element, count }, _)) if depth < DEEPEST => {
                self.resolve(element).map_or(0, |of| self.width(of, depth + 1).saturating_mul(count))
            }
            _ => 0,
        }
    }
}

struct Header<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let word = |at: usize| word(bytes, at).map(|value| value as usize);
        if bytes.len() < HEADER_LENGTH || u16::from_ne_bytes([bytes[0], bytes[1]]) != MAGIC {
            return Err(BtfError::Malformed("no BTF magic"));
        }
        let header_length = word(4)?;
        let section = |offset: usize, length: usize| {
            let start = header_length.checked_add(word(offset)?);
            let end = start.and_then(|start| start.checked_add(word(length).ok()?));
            start
                .zip(end)
                .and_then(|(start, end)| bytes.get(start..end))
                .ok_or(BtfError::Malformed("a section lies outside of the file"))
        };
        Ok(Self { types: section(8, 12)?, strings: section(16, 20)? })
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map(u32::from_ne_bytes)
        .ok_or(BtfError::Malformed("a type is cut off"))
}

fn name(strings: &[u8], offset: u32) -> String {
    let rest = strings.get(offset as usize..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn next_type(&mut self, strings: &[u8]) -> Result<(String, Type), BtfError> {
        let name_offset = word(self.bytes, self.at)?;
        let info = word(self.bytes, self.at + 4)?;
        let size_or_type = word(self.bytes, self.at + 8)?;
        self.at += TYPE_LENGTH;
        let (kind, body) = self.kind(info)?;
        let members = if kind == Kind::Composite { self.members(info, strings)? } else { Vec::new() };
        self.at += body;
        Ok((name(strings, name_offset), Type { kind, size_or_type, members }))
    }

    /// The kind, and how many bytes follow the common part (include/uapi/linux/btf.h, BTF_KIND_*).
    fn kind(&self, info: u32) -> Result<(Kind, usize), BtfError> {
        let entries = (info & 0xffff) as usize;
        Ok(match info >> 24 & 0x1f {
            1 => (Kind::Sized, 4),
            2 => (Kind::Pointer, 0),
            3 => (
                Kind::Array { element: word(self.bytes, self.at)?, count: word(self.bytes, self.at + 8)? },
                12,
            ),
            4 | 5 => (Kind::Composite, entries * 12),
            6 => (Kind::Sized, entries * 8),
            8..=11 | 18 => (Kind::Modifier, 0),
            7 | 12 => (Kind::Other, 0),
            13 => (Kind::Other, entries * 8),
            14 | 17 => (Kind::Other, 4),
            15 => (Kind::Other, entries * 12),
            16 => (Kind::Sized, 0),
            19 => (Kind::Sized, entries * 12),
            _ => return Err(BtfError::Malformed("a type of an unknown kind")),
        })
    }

    fn members(&self, info: u32, strings: &[u8]) -> Result<Vec<Member>, BtfError> {
        let has_bit_widths = info >> 31 == 1;
        let entry = |index: usize| {
            let at = self.at + index * 12;
            let offset = word(self.bytes, at + 8)?;
            let (bit_offset, bit_width) =
                if has_bit_widths { (offset & 0x00ff_ffff, offset >> 24) } else { (offset, 0) };
            let name = name(strings, word(self.bytes, at)?);
            Ok(Member { name, of: word(self.bytes, at + 4)?, bit_offset, bit_width })
        };
        (0..(info & 0xffff) as usize).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_malformed_and_not_a_panic() {
        assert_eq!(KernelTypes::parse(&[]).err(), Some(BtfError::Malformed("no BTF magic")));
        let mut cut = Vec::from(MAGIC.to_ne_bytes());
        cut.extend([1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert!(matches!(KernelTypes::parse(&cut).err(), Some(BtfError::Malformed(_))));
    }

    #[test]
    fn members_of_anonymous_unions_are_found_in_the_running_kernel() {
        let Ok(types) = KernelTypes::of_running_kernel() else { return };
        let addresses = types.place("sock.__sk_common.skc_daddr").expect("every kernel has it");
        assert_eq!(addresses.width, 4);
        assert_eq!(types.place("sock.__sk_common.skc_v6_daddr").expect("IPv6 is built in").width, 16);
        assert_eq!(types.place("sock.nonsense").err(), Some(BtfError::NoField("sock.nonsense".into())));
        assert_eq!(types.place("nonsense.a").err(), Some(BtfError::NoStruct("nonsense".into())));
    }
}
