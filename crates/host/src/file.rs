//! Replacing a small file as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces the file at `path`, or creates it, so that every reader and the next start after a power cut find the old
/// content or the new one, never a part of either. Once it returns `Ok`, the new content is durable.
///
/// The new content is first written to `path` with `.new` appended, in the same directory, which must therefore be
/// writable. A leftover of that name from an interrupted call is overwritten; two calls for one path must not overlap.
///
/// # Errors
///
/// When a file operation fails. The file then has the old content, or, if only the last sync failed, the new one, which
/// may be lost in a power cut.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = unfinished(path);
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    // Before the rename: a file system may write the name first, and a power cut would leave an empty file under it.
    file.sync_all()?;
    fs::rename(&new, path)?;
    // A rename is a change of the directory, and durable only with it.
    File::open(directory(path))?.sync_all()
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{directory, replace, unfinished};

    #[test]
    fn a_file_is_created_then_replaced_as_a_whole_and_nothing_is_left_behind() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("seed");
        fs::write(unfinished(&path), "left by a power cut, and longer than what follows").unwrap();
        for content in [&b"first"[..], b"", b"third"] {
            replace(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_content() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("seed");
        fs::write(&path, "old").unwrap();
        fs::create_dir(unfinished(&path)).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(directory(Path::new("seed")), Path::new("."));
        assert_eq!(directory(Path::new("/data/seed")), Path::new("/data"));
    }
}
