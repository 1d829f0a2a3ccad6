//! File names in directory entries: an 11-byte short name (8.3), and a long name (VFAT) in entries in front of it.

use std::collections::BTreeSet;

use super::{ATTRIBUTE_LONG_NAME, ENTRY_SIZE, Error};

/// Refuses names that FAT or an operating system that reads it does not allow.
pub(super) fn check(path: &str, name: &str) -> Result<(), Error> {
    let refused = |reason| Err(Error::Name { path: path.to_owned(), reason });
    if name.is_empty() || name == "." || name == ".." {
        return refused("a path component is empty or a dot");
    }
    if name.len() > MAX_NAME_LENGTH || !name.is_ascii() {
        return refused("a path component is longer than 255 characters or not ASCII");
    }
    if name.chars().any(|c| c.is_ascii_control() || "\"*/:<>?\\|".contains(c)) || name.ends_with(['.', ' ']) {
        return refused("a path component has a character FAT does not allow");
    }
    Ok(())
}

/// The short name of `name`, different from all of `taken`, and whether long-name entries are needed beside it.
pub(super) fn short(name: &str, taken: &BTreeSet<[u8; 11]>) -> ([u8; 11], bool) {
    let upper = name.to_ascii_uppercase();
    let (base, extension) = upper.rsplit_once('.').unwrap_or((&upper, ""));
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'()-@^_`{}~".contains(&b));
    if (1..=8).contains(&base.len()) && extension.len() <= 3 && plain(base) && plain(extension) {
        let exact = pack(base, extension);
        if !taken.contains(&exact) {
            return (exact, name != upper);
        }
    }
    // The basis name and the numeric tail `~N` of Microsoft's FAT specification, section 7.
    let keep = |text: &str, limit: usize| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(limit).collect()
    };
    let extension = keep(extension, 3);
    for number in 1..=u32::from(u16::MAX) {
        let tail = format!("~{number}");
        let numbered = pack(&format!("{}{tail}", keep(base, 8 - tail.len())), &extension);
        if !taken.contains(&numbered) {
            return (numbered, true);
        }
    }
    // A directory has at most 65 536 entries, so a number is always free.
    (pack(&keep(base, 8), &extension), true)
}

/// The long-name entries in front of the entry with the short name: 13 UTF-16 units each, the last part first.
pub(super) fn long_entries(name: &str, short: &[u8; 11]) -> Vec<u8> {
    let checksum = checksum(short);
    let units: Vec<u16> = name.encode_utf16().collect();
    let pieces: Vec<&[u16]> = units.chunks(UNITS_PER_ENTRY).collect();
    let mut entries = Vec::with_capacity(pieces.len() * ENTRY_SIZE);
    for (index, piece) in pieces.iter().enumerate().rev() {
        // The name ends with a zero unit, if the last entry has room for one; the rest of that entry is ones.
        let padded = piece.iter().copied().chain([0]).chain(std::iter::repeat(0xffff));
        let bytes: Vec<u8> = padded.take(UNITS_PER_ENTRY).flat_map(u16::to_le_bytes).collect();
        let last = if index + 1 == pieces.len() { LAST_LONG_ENTRY } else { 0 };
        entries.push(u8::try_from(index + 1).unwrap_or(u8::MAX) | last);
        entries.extend(bytes.iter().take(10));
        entries.extend([ATTRIBUTE_LONG_NAME, 0, checksum]);
        entries.extend(bytes.iter().skip(10).take(12));
        entries.extend([0, 0]);
        entries.extend(bytes.iter().skip(22));
    }
    entries
}

/// A label or short name, padded with blanks to 11 bytes.
pub(super) fn pack(base: &str, extension: &str) -> [u8; 11] {
    let mut packed = [b' '; 11];
    let padded = base.bytes().chain(std::iter::repeat(b' ')).take(8).chain(extension.bytes());
    for (place, byte) in packed.iter_mut().zip(padded) {
        *place = byte;
    }
    packed
}

/// The checksum of the short name in its long-name entries, by which readers find entries that belong to another file.
fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// In characters.
const MAX_NAME_LENGTH: usize = 255;
const UNITS_PER_ENTRY: usize = 13;
const LAST_LONG_ENTRY: u8 = 0x40;
