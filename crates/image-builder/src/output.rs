//! Puts finished files in their place: written under temporary names beside it, flushed to disk, renamed at the end. What
//! has the final name is whole.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::assemble::Card;
use crate::compress;
use crate::error::Error;
use crate::progress::Progress;

/// A file that does not have its name yet; dropping it removes it.
#[derive(Debug)]
pub struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Begins a file that will be at `path`.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |source| Error::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = tempfile::Builder::new()
            .prefix(".unfinished-")
            // Readable like any other file: the umask takes away what the person does not want.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(failed)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Gives the file its name, once its content is on disk.
    pub fn finish(self) -> Result<PathBuf, Error> {
        let Self { file, path } = self;
        let failed = |source| Error::Write { path: path.clone(), source };
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(path)
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Turns an IO error on this file into ours.
    fn failed(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

/// Writes the image; what is zero stays a hole.
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

/// Writes the compressed image beside it.
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
