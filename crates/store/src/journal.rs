//! The journal file: frames one after the other behind a header; appended, synced, read back when the store opens.
//!
//! The meaning of frames is in `frame` and `state`.

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

/// The format of a journal, and the parts of it that are no frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The format of the file.
    pub(crate) version: u32,
    /// Bytes behind the last frame: unfinished writes at the moment of a power cut.
    pub(crate) torn: u64,
    /// Bytes between frames that were once durable and are not readable any more.
    pub(crate) damaged: u64,
}

impl Journal {
    /// Creates the journal of the transactions after a position, durable under its final name.
    pub(crate) fn create(directory: &Path, position: u64) -> Result<Self> {
        let path = directory.join(Kind::Journal.name(position));
        let unfinished = directory.join(Kind::Journal.unfinished());
        let file = files::create(&unfinished)?;
        file.write_all_at(&Kind::Journal.header(position), 0).map_err(Error::io("write", &unfinished))?;
        files::sync(&file, &unfinished)?;
        files::publish(&unfinished, &path)?;
        Ok(Self { position, path, file: Arc::new(file), length: HEADER as u64 })
    }

    /// Reads a journal, passes every frame with its offset to `visit`, and cuts off a torn tail.
    pub(crate) fn recover(
        directory: &Path,
        position: u64,
        mut visit: impl FnMut(&Frame<'_>, u64, &Arc<File>) -> Result<()>,
    ) -> Result<(Self, Recovered)> {
        let path = directory.join(Kind::Journal.name(position));
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let version = Kind::Journal.check_header(&path, &bytes, position)?;
        let file = Arc::new(files::open(&path)?);
        let mut recovered = Recovered { version, ..Recovered::default() };
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
        // The frames of a process that was killed may so far only be in the page cache.
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

/// A failed append.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The file is as before.
    Undone(Error),
    /// The content of the file is unknown.
    Fatal(Error),
}

/// A stretch of the journal that was durable once and is not readable.
struct Skipped {
    bytes: usize,
    /// The sequence of the frame behind it.
    sequence: u64,
}

/// Tells damage from a torn tail: searches behind bytes that are no frame for a frame whose `durable` covers the missing
/// sequence. Such a frame was written after the missing one had been acknowledged; without one, the bytes and all frames
/// behind them were part of one unfinished write.
fn next_after_damage(rest: &[u8], expected: u64) -> Option<Skipped> {
    // The frame that proves it may come later than the first readable one, at which reading goes on.
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
