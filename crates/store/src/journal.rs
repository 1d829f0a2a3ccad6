//! The journal file: frames one after the other behind a header; appended, synced, read back when the store opens.
//!
//! What frames mean is the business of `frame` and `state`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::Fields;
use crate::error::{Error, Result};
use crate::files;
use crate::frame::{self, Found, Frame};

const MAGIC: &[u8; 8] = b"hrthjrnl";
/// What this release writes.
const VERSION: u32 = 1;
/// What a release must know to read what this release writes; raised only a release after `VERSION`.
const OLDEST_READER: u32 = 1;
/// magic, version, oldest reader, position, crc32
const HEADER: usize = 28;

/// A journal that is open for appending.
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
}

/// What reading a journal found besides frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Bytes behind the last frame: writes that were under way when the power went.
    pub(crate) torn: u64,
    /// Bytes within that were once durable and are not readable any more.
    pub(crate) damaged: u64,
}

impl Journal {
    /// Makes a journal for what happens after the position, durable under its final name.
    pub(crate) fn create(directory: &Path, position: u64) -> Result<Self> {
        let path = directory.join(name(position));
        let unfinished = directory.join("journal.new");
        let file = files::create(&unfinished)?;
        file.write_all_at(&header(position), 0).map_err(Error::io("write", &unfinished))?;
        file.sync_all().map_err(Error::io("sync", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(Error::io("rename", &unfinished))?;
        files::sync_directory(directory)?;
        Ok(Self { path, file: Arc::new(file), length: HEADER as u64 })
    }

    /// Reads a journal, hands every frame with its place in the file to `visit`, and cuts off a torn tail.
    pub(crate) fn recover(
        directory: &Path,
        position: u64,
        mut visit: impl FnMut(&Frame<'_>, u64, &Arc<File>) -> Result<()>,
    ) -> Result<(Self, Recovered)> {
        let path = directory.join(name(position));
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        check_header(&path, &bytes, position)?;
        let file = Arc::new(files::open(&path)?);
        let mut recovered = Recovered::default();
        let mut offset = HEADER;
        let mut expected = position + 1;
        loop {
            let rest = bytes.get(offset..).unwrap_or_default();
            if let Found::Frame(frame, length) = frame::read(rest)
                && frame.sequence == expected
            {
                visit(&frame, offset as u64, &file)?;
                expected += 1;
                offset += length;
            } else if let Some(skipped) = next_after_damage(rest, expected) {
                recovered.damaged += skipped.bytes as u64;
                expected = skipped.sequence;
                offset += skipped.bytes;
            } else {
                break;
            }
        }
        recovered.torn = (bytes.len() - offset) as u64;
        if recovered.torn > 0 {
            file.set_len(offset as u64).map_err(Error::io("truncate", &path))?;
        }
        // What was read may so far only lie in the page cache of a process that was killed.
        file.sync_all().map_err(Error::io("sync", &path))?;
        Ok((Self { path, file, length: offset as u64 }, recovered))
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends without syncing; on failure the file is as before, or the error is fatal.
    pub(crate) fn append(&mut self, frames: &[u8]) -> std::result::Result<(), AppendError> {
        match self.file.write_all_at(frames, self.length) {
            Ok(()) => {
                self.length += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                let error = Error::io("write", &self.path)(error);
                match self.file.set_len(self.length) {
                    Ok(()) => Err(AppendError::Undone(error)),
                    Err(_) => Err(AppendError::Fatal(error)),
                }
            }
        }
    }

    /// Makes durable what was appended.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// How bad a failed append is.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Nothing is left of it in the file.
    Undone(Error),
    /// Nobody knows what is in the file.
    Fatal(Error),
}

/// A journal's file name.
pub(crate) fn name(position: u64) -> String {
    format!("journal-{position:016x}")
}

/// The position in a journal's file name.
pub(crate) fn position_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix("journal-").filter(|digits| digits.len() == 16)?, 16).ok()
}

fn header(position: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&OLDEST_READER.to_le_bytes());
    header.extend_from_slice(&position.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

fn check_header(path: &Path, bytes: &[u8], position: u64) -> Result<()> {
    let damaged = |what: &str| Error::Damaged { path: path.to_owned(), what: what.to_owned() };
    let mut fields = Fields::new(bytes);
    let short = || damaged("its header is cut off");
    if fields.bytes(MAGIC.len()).ok_or_else(short)? != MAGIC {
        return Err(damaged("it does not begin like a journal"));
    }
    let _version = fields.u32().ok_or_else(short)?;
    let oldest_reader = fields.u32().ok_or_else(short)?;
    let found = fields.u64().ok_or_else(short)?;
    let crc = fields.u32().ok_or_else(short)?;
    if bytes.get(..HEADER - 4).map(crc32fast::hash) != Some(crc) {
        return Err(damaged("its header's checksum is wrong"));
    }
    if oldest_reader > VERSION {
        return Err(Error::Version { path: path.to_owned(), found: oldest_reader, known: VERSION });
    }
    if found != position {
        return Err(damaged("its header names another position than its file name"));
    }
    Ok(())
}

/// A stretch of the journal that was durable once and is not readable.
struct Skipped {
    bytes: usize,
    /// The sequence of the frame behind it.
    sequence: u64,
}

/// Looks behind bytes that are no frame for one that proves that they were acknowledged: rot, not a torn tail.
fn next_after_damage(rest: &[u8], expected: u64) -> Option<Skipped> {
    let mut first = None;
    let mut offset = 1;
    while let Some(bytes) = rest.get(offset..).filter(|bytes| !bytes.is_empty()) {
        let Found::Frame(frame, length) = frame::read(bytes) else {
            offset += 1;
            continue;
        };
        if frame.sequence > expected {
            let skipped = first.get_or_insert(Skipped { bytes: offset, sequence: frame.sequence });
            if frame.durable >= expected {
                return Some(Skipped { bytes: skipped.bytes, sequence: skipped.sequence });
            }
        }
        offset += length;
    }
    None
}
