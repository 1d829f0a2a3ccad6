//! Message bodies: being written (`Spool`), at rest (message files) and being read (`BodyReader`).

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::files;

/// Bodies whose numbers differ only below this bit lie in the same directory.
const SHARD_SHIFT: u32 = 16 + 10;

/// The directories of bodies.
#[derive(Debug)]
pub(crate) struct BodyFiles {
    messages: PathBuf,
    spool: PathBuf,
    next_spool: AtomicU64,
    inline_limit: usize,
}

impl BodyFiles {
    /// Makes the directories and removes what a crash left in the spool.
    pub(crate) fn open(directory: &Path, inline_limit: usize) -> Result<Self> {
        let (messages, spool) = (directory.join("messages"), directory.join("spool"));
        files::create_directory(&messages)?;
        files::create_directory(&spool)?;
        for name in files::names(&spool)? {
            files::remove(&spool.join(name))?;
        }
        Ok(Self { messages, spool, next_spool: AtomicU64::new(0), inline_limit })
    }

    /// The path of a body's file.
    pub(crate) fn path(&self, body: u64) -> PathBuf {
        self.shard(body).join(format!("{body:016x}"))
    }

    /// A new, empty spool.
    pub(crate) fn spool(&self, limit: u64) -> Spool {
        let name = self.next_spool.fetch_add(1, Ordering::Relaxed).to_string();
        Spool {
            content: Content::Memory(Vec::new()),
            path: self.spool.join(name),
            size: 0,
            limit,
            inline_limit: self.inline_limit,
            crc: crc32fast::Hasher::new(),
        }
    }

    /// Gives spooled files, already synced, their final names and makes the names durable.
    pub(crate) fn adopt(&self, spooled: &[(PathBuf, u64)]) -> Result<()> {
        let mut shards = std::collections::BTreeSet::new();
        for (path, body) in spooled {
            let shard = self.shard(*body);
            files::create_directory(&shard)?;
            fs::rename(path, self.path(*body)).map_err(Error::io("rename", path))?;
            shards.insert(shard);
        }
        shards.iter().try_for_each(|shard| files::sync_directory(shard))
    }

    /// Removes the files that have a name and no record, since a power cut came in between; bodies from
    /// `first` on are all such.
    pub(crate) fn remove_from(&self, first: u64) -> Result<()> {
        for shard in files::names(&self.messages)?
            .iter()
            .filter(|name| files::hex_number(name) >= Some(first >> SHARD_SHIFT))
        {
            let shard = self.messages.join(shard);
            for name in files::names(&shard)?.iter().filter(|name| files::hex_number(name) >= Some(first)) {
                files::remove(&shard.join(name))?;
            }
        }
        Ok(())
    }

    /// Removes the files of all bodies but the wanted ones, and returns how many they were.
    pub(crate) fn remove_unless(&self, wanted: impl Fn(u64) -> bool) -> Result<u64> {
        let mut removed = 0;
        for shard in files::names(&self.messages)? {
            let shard = self.messages.join(shard);
            for name in files::names(&shard)? {
                if !files::hex_number(&name).is_some_and(&wanted) {
                    files::remove(&shard.join(name))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Removes the directories that have become empty.
    pub(crate) fn remove_empty_shards(&self) -> Result<()> {
        for shard in files::names(&self.messages)? {
            // It fails for those that are not empty, which is what keeps them.
            let _ = fs::remove_dir(self.messages.join(shard));
        }
        Ok(())
    }

    /// Removes a body's file if it has one.
    pub(crate) fn remove(&self, body: u64) -> Result<()> {
        files::remove(&self.path(body))
    }

    fn shard(&self, body: u64) -> PathBuf {
        self.messages.join(format!("{:08x}", body >> SHARD_SHIFT))
    }
}

/// A body on its way in. Small ones stay in memory, large ones go to a file that is gone when this is dropped.
#[derive(Debug)]
pub struct Spool {
    content: Content,
    path: PathBuf,
    size: u64,
    limit: u64,
    inline_limit: usize,
    crc: crc32fast::Hasher,
}

#[derive(Debug)]
enum Content {
    Memory(Vec<u8>),
    File(File),
    /// The store has it.
    Taken,
}

/// A body that is ready to become a message.
pub(crate) enum Spooled {
    Inline(Vec<u8>),
    /// Synced.
    File(PathBuf),
}

/// A whole body that goes into the journal, so that delivering it needs no file.
#[derive(Debug)]
pub struct SmallBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) crc: u32,
}

impl SmallBody {
    /// The bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a copy of the body.
    #[must_use]
    pub fn reader(&self) -> BodyReader {
        BodyReader::new(Source::Memory(Cursor::new(self.bytes.clone())), self.bytes.len() as u64, self.crc)
    }
}

impl Spool {
    /// Whether so many bytes more would still leave a body that needs no file.
    #[must_use]
    pub fn stays_small(&self, more: usize) -> bool {
        let size = self.size.saturating_add(more as u64);
        matches!(self.content, Content::Memory(_)) && size <= self.inline_limit as u64
    }

    /// The body if it is small, else the spool again.
    ///
    /// # Errors
    ///
    /// The spool itself, unchanged, when its body is in a file.
    pub fn into_small(mut self) -> std::result::Result<SmallBody, Self> {
        match std::mem::replace(&mut self.content, Content::Taken) {
            Content::Memory(bytes) => Ok(SmallBody { bytes, crc: self.crc() }),
            content => {
                self.content = content;
                Err(self)
            }
        }
    }

    /// The bytes written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads what was written from its beginning, for a check before delivery.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the spool's file cannot be opened.
    pub fn reader(&self) -> Result<BodyReader> {
        let source = match &self.content {
            Content::Memory(bytes) => Source::Memory(Cursor::new(bytes.clone())),
            Content::File(_) => Source::File(File::open(&self.path).map_err(Error::io("open", &self.path))?),
            Content::Taken => return Err(Error::Bug("a spool was read after its delivery")),
        };
        Ok(BodyReader::new(source, self.size, self.crc.clone().finalize()))
    }

    pub(crate) fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// Makes the body durable (but for its name) and hands it over; the rename is up to the caller, and until then
    /// dropping this removes the file.
    pub(crate) fn finish(&mut self) -> Result<Spooled> {
        match std::mem::replace(&mut self.content, Content::Taken) {
            Content::Memory(bytes) => Ok(Spooled::Inline(bytes)),
            Content::File(file) => {
                let synced = files::sync(&file, &self.path);
                // Dropping must still find the file.
                self.content = Content::File(file);
                synced.map(|()| Spooled::File(self.path.clone()))
            }
            Content::Taken => Err(Error::Bug("a spool was delivered twice")),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.size.saturating_add(bytes.len() as u64);
        if size > self.limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the message is larger than its limit"));
        }
        match &mut self.content {
            Content::Memory(start) if size <= self.inline_limit as u64 => start.extend_from_slice(bytes),
            Content::Memory(start) => {
                let mut file = files::create(&self.path).map_err(io::Error::other)?;
                let start = std::mem::take(start);
                let written = file.write_all(&start).and_then(|()| file.write_all(bytes));
                self.content = Content::File(file);
                written?;
            }
            Content::File(file) => file.write_all(bytes)?,
            Content::Taken => return Err(io::Error::other("a spool was written after its delivery")),
        }
        self.size = size;
        self.crc.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Content::File(_) = &self.content {
            // After a delivery the name is gone already. What cannot be removed now goes when the store is opened.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A message's bytes. Reading them from the beginning to the end verifies their checksum: the read that would return
/// the last bytes fails when they are not what was delivered.
#[derive(Debug)]
pub struct BodyReader {
    source: Source,
    size: u64,
    crc: u32,
    position: u64,
    /// The checksum so far; `None` after a seek to anywhere but the beginning.
    hasher: Option<crc32fast::Hasher>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Memory(Cursor<Vec<u8>>),
    File(File),
}

impl BodyReader {
    pub(crate) fn new(source: Source, size: u64, crc: u32) -> Self {
        Self { source, size, crc, position: 0, hasher: Some(crc32fast::Hasher::new()) }
    }

    /// The size in bytes, fixed at delivery.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether reading and seeking never wait for the disk.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    fn source(&mut self) -> &mut dyn ReadSeek {
        match &mut self.source {
            Source::Memory(cursor) => cursor,
            Source::File(file) => file,
        }
    }
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let count = self.source().read(buffer)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the stored message is damaged");
        if count == 0 {
            return Err(damaged());
        }
        self.position += count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..count).unwrap_or_default());
            if self.position == self.size && hasher.clone().finalize() != self.crc {
                return Err(damaged());
            }
        }
        Ok(count)
    }
}

impl Seek for BodyReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => self.size.checked_add_signed(delta),
        };
        let target =
            target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the beginning"))?;
        if target != self.position {
            self.source().seek(SeekFrom::Start(target))?;
            self.hasher = (target == 0).then(crc32fast::Hasher::new);
            self.position = target;
        }
        Ok(target)
    }
}
