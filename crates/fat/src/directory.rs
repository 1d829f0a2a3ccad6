//! Directory entries (sections 6 and 7): short names (8.3), and long names in the entries in front of them. Bytes in, names
//! out.

use crate::bytes::number;

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The long name, or the short one. What is not text in it is U+FFFD; characters beyond ASCII of a short name are, too,
    /// since the volume does not say what they mean.
    pub name: String,
    /// Its kind.
    pub kind: EntryKind,
    /// The first cluster; 0 if it has none.
    pub(crate) first: u32,
}

/// The kind of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u32,
    },
    /// A directory.
    Directory,
}

/// The entries in the bytes of a directory, without the volume's label and without `.` and `..`.
pub(crate) fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut long = LongName::default();
    for raw in bytes.chunks_exact(ENTRY_SIZE) {
        let (first_byte, attributes) = (number(raw, 0, 1), number(raw, 11, 1));
        match first_byte {
            NO_MORE => break,
            DELETED => long = LongName::default(),
            _ if attributes & LONG_NAME_MASK == LONG_NAME => long.push(raw),
            _ => {
                let long = std::mem::take(&mut long);
                if attributes & VOLUME_LABEL == 0 && first_byte != DOT {
                    found.push(entry(raw, attributes, long));
                }
            }
        }
    }
    found
}

fn entry(raw: &[u8], attributes: u32, long: LongName) -> Entry {
    let kind = if attributes & DIRECTORY == 0 {
        EntryKind::File { size: number(raw, 28, 4) }
    } else {
        EntryKind::Directory
    };
    let name = long.finish(raw).unwrap_or_else(|| short_name(raw));
    // DIR_FstClusHI and DIR_FstClusLO.
    Entry { name, kind, first: number(raw, 20, 2) << 16 | number(raw, 26, 2) }
}

/// The short name. Windows keeps a name in lower case without a long name, and notes that in two bits of `DIR_NTRes`.
fn short_name(raw: &[u8]) -> String {
    const LOWER_BASE: u32 = 0x08;
    const LOWER_EXTENSION: u32 = 0x10;
    let flags = number(raw, 12, 1);
    let part = |skip: usize, take: usize, lower: u32| -> String {
        let bytes = raw.iter().skip(skip).take(take).map(|byte| match byte {
            // 0xe5 as a first byte would mean a deleted entry.
            0x05 if skip == 0 => 0xe5,
            byte => *byte,
        });
        let text: String = bytes.map(|byte| if byte.is_ascii() { byte.into() } else { '\u{fffd}' }).collect();
        let text = text.trim_end_matches(' ');
        if flags & lower == 0 { text.to_owned() } else { text.to_ascii_lowercase() }
    };
    let (base, extension) = (part(0, 8, LOWER_BASE), part(8, 3, LOWER_EXTENSION));
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// A long name under construction: its last part comes first.
#[derive(Default)]
struct LongName {
    /// The parts that have come, in the order in which they came.
    parts: Vec<[u16; UNITS]>,
    /// The number of the next part, from the name's end to 1.
    awaited: u32,
    checksum: u32,
}

impl LongName {
    fn push(&mut self, raw: &[u8]) {
        const LAST: u32 = 0x40;
        let (order, checksum) = (number(raw, 0, 1), number(raw, 13, 1));
        if order & LAST != 0 {
            *self = Self { parts: Vec::new(), awaited: order & !LAST, checksum };
        }
        if self.awaited == 0 || order & !LAST != self.awaited || checksum != self.checksum {
            *self = Self::default();
            return;
        }
        let mut part = [0; UNITS];
        let offsets = (1..11).chain(14..26).chain(28..32).step_by(2);
        for (unit, offset) in part.iter_mut().zip(offsets) {
            *unit = (number(raw, offset, 2) & 0xffff) as u16;
        }
        self.parts.push(part);
        self.awaited -= 1;
    }

    /// The name, if it is whole and belongs to the entry.
    fn finish(self, raw: &[u8]) -> Option<String> {
        let sum = raw.iter().take(11).fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.parts.is_empty() || self.awaited != 0 || u32::from(sum) != self.checksum {
            return None;
        }
        let units = self.parts.into_iter().rev().flatten().take_while(|unit| *unit != 0);
        Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

/// Bytes of an entry.
const ENTRY_SIZE: usize = 32;
/// UTF-16 units of a long name in an entry.
const UNITS: usize = 13;
const NO_MORE: u32 = 0;
const DELETED: u32 = 0xe5;
const DOT: u32 = b'.' as u32;
const VOLUME_LABEL: u32 = 0x08;
const DIRECTORY: u32 = 0x10;
const LONG_NAME: u32 = 0x0f;
const LONG_NAME_MASK: u32 = 0x3f;

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &[u8; 11], attributes: u8, flags: u8) -> Vec<u8> {
        let mut raw = name.to_vec();
        raw.extend([attributes, flags]);
        raw.resize(20, 0);
        raw.extend([1, 0, 0, 0, 0, 0, 2, 0, 7, 0, 0, 0]);
        raw
    }

    fn long(order: u8, text: &str, checksum: u8) -> Vec<u8> {
        let mut units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        units.resize(13, 0xffff);
        let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        [&[order][..], &bytes[..10], &[0x0f, 0, checksum], &bytes[10..22], &[0, 0], &bytes[22..26]].concat()
    }

    fn names(raw: &[Vec<u8>]) -> Vec<String> {
        entries(&raw.concat()).into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn short_names_have_the_case_that_windows_notes() {
        assert_eq!(names(&[short(b"HEARTH  TOM", 0x20, 0)]), ["HEARTH.TOM"]);
        assert_eq!(names(&[short(b"HEARTH  TOM", 0x20, 0x08)]), ["hearth.TOM"]);
        assert_eq!(names(&[short(b"HEARTH  TOM", 0x20, 0x18)]), ["hearth.tom"]);
        assert_eq!(names(&[short(b"EMPTY      ", 0x20, 0x18)]), ["empty"]);
        assert_eq!(names(&[short(b"\x05\x80      TXT", 0x20, 0)]), ["\u{fffd}\u{fffd}.TXT"]);
    }

    #[test]
    fn a_long_name_counts_if_it_is_whole_and_the_entrys_own() {
        let own = short(b"HEARTH~1TOM", 0x20, 0);
        let sum = own[..11].iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        assert_eq!(names(&[long(0x41, "hearth.toml", sum), own.clone()]), ["hearth.toml"]);
        let two = [long(0x42, ".txt", sum), long(1, "hearth.toml.y", sum)];
        assert_eq!(names(&[two[0].clone(), two[1].clone(), own.clone()]), ["hearth.toml.y.txt"]);
        for broken in [
            vec![long(0x41, "hearth.toml", sum ^ 1), own.clone()],
            vec![long(0x42, ".txt", sum), own.clone()],
            vec![long(1, "hearth.toml", sum), own.clone()],
            vec![long(0x40, "hearth.toml", sum), own.clone()],
            vec![two[0].clone(), long(1, "hearth.toml.y", sum ^ 1), own.clone()],
            vec![two[1].clone(), two[0].clone(), own.clone()],
        ] {
            assert_eq!(names(&broken), ["HEARTH~1.TOM"], "{broken:?}");
        }
    }

    #[test]
    fn labels_deleted_entries_and_dots_are_left_out_and_zero_ends() {
        let found = entries(
            &[
                short(b"HEARTH     ", 0x08, 0),
                short(b".          ", 0x10, 0),
                short(b"\xe5GONE   TXT", 0x20, 0),
                short(b"OVERLAYS   ", 0x10, 0),
                short(b"FILE       ", 0x20, 0),
                vec![0; 32],
                short(b"BEHIND     ", 0x20, 0),
            ]
            .concat(),
        );
        let expected = [("OVERLAYS", EntryKind::Directory), ("FILE", EntryKind::File { size: 7 })];
        let expected = expected.map(|(name, kind)| Entry { name: name.to_owned(), kind, first: 0x1_0002 });
        assert_eq!(found, expected);
    }
}
