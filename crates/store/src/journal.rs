//! The journal file: frames one after the other behind a header; appended, synced, read back when the store opens.
//!
//! What frames mean is the business of `frame` and `state`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files;
use crate::frame::{self, Found, Frame};
use crate::log::{HEADER, Kind};

/// A journal that is open for appending.
pub(crate) struct Journal {
    /// The position that its first frame follows.
    position: u64,
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
        let path = directory.join(Kind::Journal.name(position));
        let unfinished = directory.join(Kind::Journal.unfinished());
        let file = files::create(&unfinished)?;
        file.write_all_at(&Kind::Journal.header(position), 0).map_err(Error::io("write", &unfinished))?;
        files::sync(&file, &unfinished)?;
        fs::rename(&unfinished, &path).map_err(Error::io("rename", &unfinished))?;
        files::sync_directory(directory)?;
        Ok(Self { position, path, file: Arc::new(file), length: HEADER as u64 })
    }

    /// Reads a journal, hands every frame with its place in the file to `visit`, and cuts off a torn tail.
    pub(crate) fn recover(
        directory: &Path,
        position: u64,
        mut visit: impl FnMut(&Frame<'_>, u64, &Arc<File>) -> Result<()>,
    ) -> Result<(Self, Recovered)> {
        let path = directory.join(Kind::Journal.name(position));
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        Kind::Journal.check_header(&path, &bytes, position)?;
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
        files::sync(&file, &path)?;
        Ok((Self { position, path, file, length: offset as u64 }, recovered))
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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
        self.file.sync_data().map_err(|cause| Error::Sync { path: self.path.clone(), cause })
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
