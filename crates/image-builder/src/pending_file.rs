//! A file under a temporary name beside its final one, renamed when its content is on disk: a file that has its final name
//! is complete, whatever kills the builder.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file without its final name; dropping it removes it.
#[derive(Debug)]
pub(crate) struct PendingFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// Creates the temporary file, and the directories above `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let file = tempfile::Builder::new()
            .prefix(".unfinished-")
            // Temporary files are private by default. The umask reduces this mode, as for any other file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes a whole file.
    pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
        let mut pending = Self::create(path)?;
        pending.file().write_all(content)?;
        pending.finish()
    }

    /// Flushes the content to disk and renames the file.
    pub(crate) fn finish(self) -> io::Result<()> {
        // Renamed first, the name could survive a power cut that the content does not.
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The open file.
    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// The final path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
