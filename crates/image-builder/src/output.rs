//! Writes images and extracted files: complete under their final names, or not there.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::assemble::Card;
use crate::compress;
use crate::error::Error;
use crate::pending_file::PendingFile;
use crate::progress::Progress;

/// A file without its final name; dropping it removes it.
#[derive(Debug)]
pub struct Pending(PendingFile);

impl Pending {
    /// Creates the temporary file beside `path`, and the directories above it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        PendingFile::create(path).map(Self).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// Flushes the content to disk and renames the file.
    pub fn finish(self) -> Result<PathBuf, Error> {
        let path = self.0.path().to_owned();
        match self.0.finish() {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.0.file()
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.0.path().to_owned(), source }
    }
}

/// Writes the image as a sparse file: bytes that no piece covers are holes.
pub fn image(card: &Card, path: &Path) -> Result<Pending, Error> {
    let mut pending = Pending::create(path)?;
    let write = |file: &mut File| -> std::io::Result<()> {
        for (offset, bytes) in &card.pieces {
            file.seek(SeekFrom::Start(*offset))?;
            file.write_all(bytes)?;
        }
        file.set_len(card.length)
    };
    write(pending.file()).map_err(|source| pending.failed(source))?;
    Ok(pending)
}

/// Writes the image at `path` once more, compressed.
pub fn compressed(image: &mut Pending, path: &Path, progress: &dyn Progress) -> Result<Pending, Error> {
    let mut pending = Pending::create(path)?;
    let length = image.file().seek(SeekFrom::End(0)).map_err(|source| image.failed(source))?;
    image.file().rewind().map_err(|source| image.failed(source))?;
    progress.begin("compressing the image", Some(length));
    let mut input = BufReader::new(image.file());
    let result = compress::xz(&mut input, pending.file(), &mut |bytes| progress.advance(bytes));
    progress.end();
    result.map_err(|error| match error {
        // The compressor hands on what the file said: a full disk should be called that.
        Error::Compress { source, .. } => pending.failed(source),
        other => other,
    })?;
    Ok(pending)
}
