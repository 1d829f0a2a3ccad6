//! Reads files out of a FAT volume inside an image or a device, with `fatfs`.
//!
//! The image comes from a card that may hold anything. Sizes in the BIOS parameter block are limited before `fatfs` computes
//! with them, every read is charged to a budget, so that a cyclic cluster chain ends, and names that would lead out of a
//! directory are left out.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use fatfs::{Dir, FileSystem, FsOptions};

use super::{Error, SECTOR_SIZE};

/// A FAT16 or FAT32 volume at an offset of `R`.
pub struct Volume<R: Read + Seek> {
    offset: u64,
    budget: Rc<Cell<u64>>,
    file_system: FileSystem<Window<R>>,
}

/// A regular file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Path from the root directory, such as `overlays/hearth.dtbo`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
}

impl<R: Read + Seek> Volume<R> {
    /// Opens the volume whose boot sector is at byte `offset`.
    pub fn open(mut source: R, offset: u64) -> Result<Self, Error> {
        check_parameter_block(&mut source, offset)?;
        let budget = Rc::new(Cell::new(MAX_METADATA_READ));
        let window = Window { source, offset, position: 0, budget: Rc::clone(&budget) };
        let file_system =
            FileSystem::new(window, FsOptions::new()).map_err(|error| Error::reading(offset, error))?;
        Ok(Self { offset, budget, file_system })
    }

    /// The label in the boot sector, without padding.
    #[must_use]
    pub fn label(&self) -> String {
        self.file_system.volume_label().trim_end_matches([' ', '\0']).to_owned()
    }

    /// All regular files of all directories, sorted by path.
    pub fn files(&mut self) -> Result<Vec<FileEntry>, Error> {
        self.budget.set(MAX_METADATA_READ);
        let mut found = Vec::new();
        let mut waiting = vec![(String::new(), self.file_system.root_dir(), 0_usize)];
        while let Some((prefix, directory, depth)) = waiting.pop() {
            for entry in directory.iter() {
                let entry = entry.map_err(|error| Error::reading(self.offset, error))?;
                let name = entry.file_name();
                if !is_plain(&name) {
                    continue;
                }
                let path = format!("{prefix}{name}");
                if entry.is_file() {
                    found.push(FileEntry { path, size: entry.len() });
                } else if depth < MAX_DEPTH {
                    waiting.push((format!("{path}/"), entry.to_dir(), depth + 1));
                } else {
                    return Err(self.damaged("its directories are nested too deep"));
                }
                if found.len() + waiting.len() > MAX_FILES {
                    return Err(self.damaged("it has too many files"));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The content of the file at `path`, which is compared without regard to case, as FAT demands.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        self.budget.set(MAX_METADATA_READ);
        let found = find(self.file_system.root_dir(), path);
        let found = found.map_err(|error| Error::reading(self.offset, error))?;
        let Some((size, file)) = found else {
            return Err(Error::NoSuchFile { offset: self.offset, path: path.to_owned() });
        };
        if size > MAX_FILE_SIZE {
            return Err(self.damaged("a file is larger than any of ours"));
        }
        // Beside the content, one entry of the allocation table is read for each cluster.
        self.budget.set(size * 2 + MAX_METADATA_READ);
        let mut content = Vec::new();
        file.take(size).read_to_end(&mut content).map_err(|error| Error::reading(self.offset, error))?;
        if content.len() as u64 != size {
            return Err(self.damaged("a file ends before its size says"));
        }
        Ok(content)
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged { offset: self.offset, reason: reason.to_owned() }
    }
}

impl<R: Read + Seek> fmt::Debug for Volume<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Refuses a boot sector whose numbers `fatfs` would multiply beyond 32 bits, or whose tables are larger than any of ours.
fn check_parameter_block<R: Read + Seek>(source: &mut R, offset: u64) -> Result<(), Error> {
    let mut boot = [0; SECTOR_SIZE as usize];
    let read = source.seek(SeekFrom::Start(offset)).and_then(|_| source.read_exact(&mut boot));
    read.map_err(|error| Error::reading(offset, error))?;
    let field = |at: usize, bytes: usize| -> u64 {
        boot.iter().skip(at).take(bytes).rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    };
    // BPB_BytsPerSec, BPB_NumFATs, BPB_FATSz16 and BPB_FATSz32 of Microsoft's FAT specification, section 3.1.
    let sector_size = field(11, 2);
    let copies = field(16, 1);
    let sectors = if field(22, 2) == 0 { field(36, 4) } else { field(22, 2) };
    let fault = if field(510, 2) != 0xaa55 || sector_size != SECTOR_SIZE {
        "its boot sector is not one"
    } else if !(1..=2).contains(&copies) || !(SECTOR_SIZE..=MAX_FAT_SIZE).contains(&(sectors * SECTOR_SIZE)) {
        "its boot sector has impossible sizes"
    } else {
        return Ok(());
    };
    Err(Error::Damaged { offset, reason: fault.to_owned() })
}

/// The regular file at `path` and its size in bytes.
fn find<'v, R: Read + Seek>(
    root: Dir<'v, Window<R>>,
    path: &str,
) -> io::Result<Option<(u64, fatfs::File<'v, Window<R>>)>> {
    let mut directory = root;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let mut found = None;
        for entry in directory.iter() {
            let entry = entry?;
            if is_plain(&entry.file_name()) && entry.file_name().eq_ignore_ascii_case(name) {
                found = Some(entry);
                break;
            }
        }
        match (found, names.peek()) {
            (Some(entry), None) if entry.is_file() => return Ok(Some((entry.len(), entry.to_file()))),
            (Some(entry), Some(_)) if entry.is_dir() => directory = entry.to_dir(),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Whether a name is one component of a path; `.` and `..` stand in every directory but the root.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

/// The source from a volume's first byte on, read-only and with a budget.
struct Window<R> {
    source: R,
    offset: u64,
    position: u64,
    /// Bytes that may still be read before the volume counts as damaged.
    budget: Rc<Cell<u64>>,
}

impl<R: Read + Seek> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The file handle is shared with other volumes of the card, so its position is set for each read.
        let start = self.offset.checked_add(self.position).ok_or(io::ErrorKind::InvalidInput)?;
        self.source.seek(SeekFrom::Start(start))?;
        let length = self.source.read(buffer)?;
        let left = self.budget.get().checked_sub(length as u64);
        self.budget.set(left.ok_or_else(|| io::Error::other("a cluster chain does not end"))?);
        self.position += length as u64;
        Ok(length)
    }
}

impl<R> Seek for Window<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            // The length of a volume is not known here, and reading does not need it.
            SeekFrom::End(_) => None,
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Demanded by `fatfs`, which writes nothing while files are only read.
impl<R> Write for Window<R> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In bytes: the table of a volume of 2 GiB with small clusters; ours have 0.4 MiB.
const MAX_FAT_SIZE: u64 = 16 << 20;
/// In bytes, for one walk over all directories: 130 000 directory entries; ours have 200.
const MAX_METADATA_READ: u64 = 4 << 20;
/// In bytes: larger than any slot.
const MAX_FILE_SIZE: u64 = 256 << 20;
/// Directories below the root directory.
const MAX_DEPTH: usize = 8;
const MAX_FILES: usize = 10_000;
