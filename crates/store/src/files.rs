//! File operations of the store, each with its error's context, for files of any content.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::io::ReadWriteFlags;

use crate::error::{Error, Result};

/// Permissions: for the server's user alone.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Makes a directory with its parents, and their names durable.
pub(crate) fn create_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => result.map_err(Error::io("create the directory", path))?,
    }
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => sync_directory(Path::new(".")),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).map_err(Error::io("open the directory", path))?;
    sync(&directory, path)
}

/// Makes a file's bytes and size durable.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(|cause| Error::Sync { path: path.to_owned(), cause })
}

/// Gives a complete and synced file its final name, durably. A file of that name is then whole after any power cut: its
/// bytes were durable before its name was.
pub(crate) fn publish(unfinished: &Path, path: &Path) -> Result<()> {
    fs::rename(unfinished, path).map_err(Error::io("rename", unfinished))?;
    sync_directory(path.parent().unwrap_or(path))
}

/// Makes a new, empty file for reading and writing.
pub(crate) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
    options.open(path).map_err(Error::io("create", path))
}

/// Opens an existing file for reading and writing.
pub(crate) fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(Error::io("remove", path)),
    }
}

/// Reads a range of a file.
pub(crate) fn read_at(file: &File, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// Reads a range of a file if it is in the page cache; `None` if it is not, or the file system does not support the
/// question (`RWF_NOWAIT`).
pub(crate) fn read_at_hand(file: &File, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut buffers = [IoSliceMut::new(&mut bytes)];
    let read = rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT).ok()?;
    (read == length).then_some(bytes)
}

/// The number in a file name of hexadecimal digits.
pub(crate) fn hex_number(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok()
}

/// The names in a directory that are valid UTF-8, sorted; the store uses no others.
pub(crate) fn names(path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("list the directory", path))? {
        let entry = entry.map_err(Error::io("list the directory", path))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
