//! The common shape of journals, exports and packs: a header that names kind, format and position, then frames.
//!
//! A journal's frames are transactions, an export's are records, a pack's are bodies. Exports and packs are written
//! under another name, synced, read back and renamed, so a file of that name is whole or has been damaged since.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::codec::Fields;
use crate::error::{Error, Result};
use crate::files;
use crate::frame::{self, Found, Frame, FrameBuilder};

/// The format that this release writes. In format 1 a message's record held the names of its keywords.
pub(crate) const VERSION: u32 = 2;
/// The oldest format version whose readers can read this one; raised only one release after `VERSION`, since the
/// appliance may go back to its other slot.
const OLDEST_READER: u32 = 1;
/// magic (8), version, oldest reader, position (8), crc32
pub(crate) const HEADER: usize = 28;

/// The three kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Transactions after a position.
    Journal,
    /// All records as of a position.
    Export,
    /// Small bodies that outlived their journal.
    Pack,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Journal => b"hrthjrnl",
            Self::Export => b"hrthexpt",
            Self::Pack => b"hrthpack",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Journal => "journal-",
            Self::Export => "export-",
            Self::Pack => "pack-",
        }
    }

    /// The file's name.
    pub(crate) fn name(self, position: u64) -> String {
        format!("{}{position:016x}", self.prefix())
    }

    /// The name of a file that is not finished.
    pub(crate) fn unfinished(self) -> String {
        format!("{}new", self.prefix())
    }

    /// The position in a name of this kind.
    pub(crate) fn position_of(self, name: &str) -> Option<u64> {
        files::hex_number(name.strip_prefix(self.prefix()).filter(|digits| digits.len() == 16)?)
    }

    /// The positions of all files of this kind, ascending.
    pub(crate) fn positions(self, directory: &Path) -> Result<Vec<u64>> {
        Ok(files::names(directory)?.iter().filter_map(|name| self.position_of(name)).collect())
    }

    /// The first bytes of a file.
    pub(crate) fn header(self, position: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(self.magic());
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&OLDEST_READER.to_le_bytes());
        header.extend_from_slice(&position.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        header
    }

    /// Checks the first bytes of a file, and returns its format.
    pub(crate) fn check_header(self, path: &Path, bytes: &[u8], position: u64) -> Result<u32> {
        let damaged = |what: &str| Error::Damaged { path: path.to_owned(), what: what.to_owned() };
        let mut fields = Fields::new(bytes);
        let short = || damaged("its header is cut off");
        if fields.bytes(8).ok_or_else(short)? != self.magic() {
            return Err(damaged("it does not begin as such a file does"));
        }
        let version = fields.u32().ok_or_else(short)?;
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
        Ok(version)
    }
}

/// Reads an export or a pack, frame by frame; anything wrong is an error.
pub(crate) struct Reader {
    /// The format of the file.
    pub(crate) version: u32,
    path: PathBuf,
    file: File,
    offset: u64,
    end: u64,
    sequence: u64,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(kind: Kind, directory: &Path, position: u64) -> Result<Self> {
        Self::open_named(kind, directory.join(kind.name(position)), position)
    }

    fn open_named(kind: Kind, path: PathBuf, position: u64) -> Result<Self> {
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let end = file.metadata().map_err(Error::io("measure", &path))?.len();
        let header = files::read_at(&file, &path, 0, HEADER.min(usize::try_from(end).unwrap_or(HEADER)))?;
        let version = kind.check_header(&path, &header, position)?;
        Ok(Self { version, path, file, offset: HEADER as u64, end, sequence: 0, buffer: Vec::new() })
    }

    /// The next frame and where it begins; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Frame<'_>)>> {
        let start = self.offset;
        let left = self.end - start;
        if left == 0 {
            return Ok(None);
        }
        let damaged = |what: &str| Error::Damaged { path: self.path.clone(), what: what.to_owned() };
        if left < frame::HEADER as u64 {
            return Err(damaged("it is cut off"));
        }
        let length = files::read_at(&self.file, &self.path, start, 4)?;
        let length =
            Fields::new(&length).u32().and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
        if length > frame::LIMIT || (frame::HEADER + length) as u64 > left {
            return Err(damaged("a block's length is wrong"));
        }
        self.buffer.resize(frame::HEADER + length, 0);
        self.file.read_exact_at(&mut self.buffer, start).map_err(Error::io("read", &self.path))?;
        match frame::read(&self.buffer) {
            Found::Frame(frame, length) if frame.sequence == self.sequence + 1 => {
                self.sequence += 1;
                self.offset += length as u64;
                Ok(Some((start, frame)))
            }
            _ => Err(damaged("a block's checksum is wrong")),
        }
    }
}

/// Writes an export or a pack.
pub(crate) struct Writer {
    kind: Kind,
    position: u64,
    directory: PathBuf,
    path: PathBuf,
    out: BufWriter<File>,
    offset: u64,
    sequence: u64,
    frame: Vec<u8>,
}

impl Writer {
    pub(crate) fn create(kind: Kind, directory: &Path, position: u64) -> Result<Self> {
        let path = directory.join(kind.unfinished());
        let mut out = BufWriter::with_capacity(128 << 10, files::create(&path)?);
        out.write_all(&kind.header(position)).map_err(Error::io("write", &path))?;
        let directory = directory.to_owned();
        Ok(Self {
            kind,
            position,
            directory,
            path,
            out,
            offset: HEADER as u64,
            sequence: 0,
            frame: Vec::new(),
        })
    }

    /// Appends a frame and returns its offset.
    pub(crate) fn append(&mut self, frame: FrameBuilder) -> Result<u64> {
        self.sequence += 1;
        self.frame.clear();
        if !frame.finish(self.sequence, 0, &mut self.frame) {
            return Err(Error::TooLarge { what: "a block", limit: frame::LIMIT as u64 });
        }
        self.out.write_all(&self.frame).map_err(Error::io("write", &self.path))?;
        let start = self.offset;
        self.offset += self.frame.len() as u64;
        Ok(start)
    }

    /// Syncs the file, reads it back, and publishes it under its final name.
    pub(crate) fn finish(self) -> Result<File> {
        let file =
            self.out.into_inner().map_err(|error| Error::io("write", &self.path)(error.into_error()))?;
        files::sync(&file, &self.path)?;
        let mut reader = Reader::open_named(self.kind, self.path.clone(), self.position)?;
        while reader.next()?.is_some() {}
        if reader.sequence != self.sequence {
            return Err(Error::Damaged { path: self.path, what: "blocks are missing".to_owned() });
        }
        let name = self.directory.join(self.kind.name(self.position));
        files::publish(&self.path, &name)?;
        Ok(file)
    }
}
