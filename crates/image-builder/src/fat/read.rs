//! Reads files out of a FAT volume inside an image or a device. Believes nothing: every number met is checked or limited.

use std::io::{Read, Seek, SeekFrom};

use super::{ATTRIBUTE_FOLDER, ATTRIBUTE_VOLUME, ENTRY, Error, Kind, SECTOR, name};

/// A FAT volume that starts somewhere inside `R`.
#[derive(Debug)]
pub struct Volume<R> {
    source: R,
    offset: u64,
    kind: Kind,
    cluster: u64,
    data_start: u64,
    root: Root,
    fat: Vec<u8>,
    label: String,
}

/// A file on a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Path from the root, such as `overlays/hearth.dtbo`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    first_cluster: u32,
}

#[derive(Debug, Clone, Copy)]
enum Root {
    Fixed { start: u64, length: u64 },
    Chain { first: u32 },
}

impl<R: Read + Seek> Volume<R> {
    /// Opens the volume whose boot sector is at byte `offset`.
    pub fn open(mut source: R, offset: u64) -> Result<Self, Error> {
        let damaged = |reason| Error::Damaged { offset, reason };
        let boot = read_at(&mut source, offset, offset, SECTOR)?;
        let field = |at: usize, bytes: usize| -> u64 {
            boot.iter().skip(at).take(bytes).rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
        };
        if field(510, 2) != 0xaa55 || field(11, 2) != SECTOR {
            return Err(damaged("its boot sector is not one"));
        }
        let cluster = field(13, 1) * SECTOR;
        let kind = if field(22, 2) == 0 { Kind::Fat32 } else { Kind::Fat16 };
        let fat_length = if kind == Kind::Fat32 { field(36, 4) } else { field(22, 2) } * SECTOR;
        if cluster == 0 || field(16, 1) == 0 || !(SECTOR..=LARGEST_FAT).contains(&fat_length) {
            return Err(damaged("its boot sector has impossible sizes"));
        }
        let fat_start = offset + field(14, 2) * SECTOR;
        let root_start = fat_start + field(16, 1) * fat_length;
        let root_length = field(17, 2) * ENTRY as u64;
        let root = match kind {
            Kind::Fat16 => Root::Fixed { start: root_start, length: root_length },
            Kind::Fat32 => Root::Chain { first: u32::try_from(field(44, 4)).unwrap_or(0) },
        };
        let label_at = if kind == Kind::Fat32 { 71 } else { 43 };
        let label = boot.get(label_at..label_at + 11).unwrap_or_default();
        let label = String::from_utf8_lossy(label).trim_end().to_owned();
        let fat = read_at(&mut source, offset, fat_start, fat_length)?;
        Ok(Self { source, offset, kind, cluster, data_start: root_start + root_length, root, fat, label })
    }

    /// The volume's label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// All files, folders' contents included, in path order.
    pub fn files(&mut self) -> Result<Vec<FileEntry>, Error> {
        let root = match self.root {
            Root::Fixed { start, length } => read_at(&mut self.source, self.offset, start, length)?,
            Root::Chain { first } => self.chain(first, LARGEST_FOLDER)?,
        };
        let mut found = Vec::new();
        let mut waiting = vec![(String::new(), root, 0_usize)];
        while let Some((prefix, folder, depth)) = waiting.pop() {
            for (name, attributes, first_cluster, size) in folder_entries(&folder) {
                let path = format!("{prefix}{name}");
                if attributes & ATTRIBUTE_FOLDER == 0 {
                    found.push(FileEntry { path, size, first_cluster });
                } else if depth < DEEPEST {
                    let content = self.chain(first_cluster, LARGEST_FOLDER)?;
                    waiting.push((format!("{path}/"), content, depth + 1));
                } else {
                    return Err(self.damaged("its folders are nested too deep"));
                }
                if found.len() + waiting.len() > MOST_FILES {
                    return Err(self.damaged("it has too many files"));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The content of the file at `path`; upper and lower case are the same, as always on FAT.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        let files = self.files()?;
        let entry = files.iter().find(|file| file.path.eq_ignore_ascii_case(path));
        let Some(entry) = entry else {
            return Err(Error::NoSuchFile { offset: self.offset, path: path.to_owned() });
        };
        if entry.size == 0 {
            return Ok(Vec::new());
        }
        if entry.size > LARGEST_FILE {
            return Err(self.damaged("a file is larger than any of ours"));
        }
        let mut content = self.chain(entry.first_cluster, entry.size.next_multiple_of(self.cluster))?;
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        if content.len() < size {
            return Err(self.damaged("a file ends before its size says"));
        }
        content.truncate(size);
        Ok(content)
    }

    /// The clusters of a chain, at most `limit` bytes.
    fn chain(&mut self, first: u32, limit: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let mut cluster = first;
        while let Some(index) = cluster.checked_sub(2) {
            if content.len() as u64 >= limit {
                break;
            }
            let start = self.data_start + u64::from(index) * self.cluster;
            content.extend(read_at(&mut self.source, self.offset, start, self.cluster)?);
            cluster = match self.next(cluster) {
                Some(next) => next,
                None => return Err(self.damaged("a file's chain leaves the volume")),
            };
            if cluster >= FIRST_END_MARK {
                break;
            }
        }
        Ok(content)
    }

    /// What the allocation table says behind `cluster`, with the end marks of both kinds made one.
    fn next(&self, cluster: u32) -> Option<u32> {
        let index = usize::try_from(cluster).ok()?;
        match self.kind {
            Kind::Fat16 => {
                let bytes = self.fat.get(index * 2..)?.first_chunk::<2>()?;
                let next = u32::from(u16::from_le_bytes(*bytes));
                Some(if next >= 0xfff8 { FIRST_END_MARK } else { next })
            }
            Kind::Fat32 => {
                let bytes = self.fat.get(index * 4..)?.first_chunk::<4>()?;
                Some(u32::from_le_bytes(*bytes) & 0x0fff_ffff)
            }
        }
    }

    fn damaged(&self, reason: &'static str) -> Error {
        Error::Damaged { offset: self.offset, reason }
    }
}

/// Name, attributes, first cluster and size of each file and folder, without `.`, `..`, deleted ones and the label.
fn folder_entries(folder: &[u8]) -> Vec<(String, u8, u32, u64)> {
    let mut entries = Vec::new();
    let mut long: Vec<u16> = Vec::new();
    for raw in folder.chunks_exact(ENTRY) {
        let field = |at: usize, bytes: usize| -> u32 {
            raw.iter().skip(at).take(bytes).rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
        };
        match field(0, 1) {
            0 => break,
            0xe5 => {
                long.clear();
                continue;
            }
            _ => {}
        }
        if let Some((_, is_last, piece)) = name::long_piece(raw) {
            if is_last {
                long.clear();
            }
            // Pieces come last first. A chain longer than a name may be is noise.
            long = if long.len() > 255 { Vec::new() } else { [piece, long].concat() };
            continue;
        }
        let attributes = (field(11, 1) & 0xff) as u8;
        let short = raw.get(..11).unwrap_or_default();
        let name = if long.is_empty() { name::display_short(short) } else { String::from_utf16_lossy(&long) };
        long.clear();
        // A name that leads elsewhere when joined to a folder's is none of ours.
        let plain = !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        if attributes & ATTRIBUTE_VOLUME == 0 && !short.starts_with(b".") && plain {
            entries.push((name, attributes, field(20, 2) << 16 | field(26, 2), u64::from(field(28, 4))));
        }
    }
    entries
}

fn read_at<R: Read + Seek>(source: &mut R, volume: u64, start: u64, length: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { offset: volume, source };
    source.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 != length {
        return Err(Error::Damaged { offset: volume, reason: "it ends too early" });
    }
    Ok(bytes)
}

/// A volume of 2 GiB with small clusters has this much; ours have 0.4 MiB.
const LARGEST_FAT: u64 = 16 << 20;
const LARGEST_FOLDER: u64 = 1 << 20;
/// Larger than any slot.
const LARGEST_FILE: u64 = 256 << 20;
const DEEPEST: usize = 8;
const MOST_FILES: usize = 10_000;
/// Values from here to 0x0fffffff end a chain.
const FIRST_END_MARK: u32 = 0x0fff_fff8;
