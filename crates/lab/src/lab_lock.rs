//! The lock that lets one guest of a user run at a time, and the guest's temporary folder.
//!
//! Both lie below one folder per user in `/var/tmp`, which is on a disk where `/tmp` may be memory. A folder whose owner
//! was killed is recognised by its free lock, and removed by the next guest.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::{self, Deadline};
use crate::error::{Error, Result, file};

/// Longer than any one test of ours runs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(40 * 60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The held lock; dropping it releases the lock and removes the folder.
#[derive(Debug)]
pub(crate) struct LabLock {
    folder: tempfile::TempDir,
    _folder_lock: File,
    _user_lock: File,
}

impl LabLock {
    /// Waits for the guest before this one to end, and makes the folder.
    pub(crate) fn acquire() -> Result<Self> {
        Self::acquire_in(&base(), LOCK_TIMEOUT)
    }

    fn acquire_in(base: &Path, limit: Duration) -> Result<Self> {
        fs::create_dir_all(base).map_err(file("creating the lab's folder", base))?;
        let user_lock = wait_for_lock(&base.join("turn"), limit)?;
        remove_abandoned(base);
        let folder = tempfile::Builder::new().prefix("guest-").tempdir_in(base);
        let folder = folder.map_err(file("creating a guest's folder in", base))?;
        let folder_lock = lock_file(&folder.path().join("alive"))?;
        folder_lock.lock().map_err(file("locking", folder.path()))?;
        Ok(Self { folder, _folder_lock: folder_lock, _user_lock: user_lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn base() -> PathBuf {
    let user = rustix::process::getuid();
    PathBuf::from(format!("/var/tmp/hearth-lab-{}", user.as_raw()))
}

fn wait_for_lock(path: &Path, limit: Duration) -> Result<File> {
    let lock = lock_file(path)?;
    let deadline = Deadline::after(limit);
    let mut told = false;
    loop {
        let tried = lock.try_lock();
        if matches!(tried, Err(TryLockError::WouldBlock)) && !told {
            told = true;
            // A closed standard error is no reason to give up.
            let _ = writeln!(std::io::stderr(), "lab: another guest runs; waiting for it to end");
        }
        match tried {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if deadline.left().is_some() => clock::pause(POLL_INTERVAL),
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: path.into(), waited: limit }),
            Err(TryLockError::Error(source)) => return Err(file("locking", path)(source)),
        }
    }
}

fn lock_file(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).map_err(file("opening the lock", path))
}

/// Removes the folders of killed owners; a failure leaves a folder for the next guest to remove.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let folder = entry.path();
        let abandoned = entry.file_name().to_string_lossy().starts_with("guest-")
            && lock_file(&folder.join("alive")).is_ok_and(|alive| alive.try_lock().is_ok());
        if abandoned {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_guest_waits_until_the_first_is_gone() {
        let base = tempfile::tempdir().unwrap();
        let first = LabLock::acquire_in(base.path(), Duration::from_secs(60)).unwrap();
        let refused = LabLock::acquire_in(base.path(), Duration::ZERO).unwrap_err();
        assert!(matches!(refused, Error::Busy { .. }), "{refused}");
        let folder = first.folder().to_owned();
        drop(first);
        assert!(!folder.exists());
        LabLock::acquire_in(base.path(), Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn the_folder_of_a_killed_owner_is_swept_up() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("guest-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("card"), "large").unwrap();
        let lock = LabLock::acquire_in(base.path(), Duration::from_secs(60)).unwrap();
        assert!(!left.exists() && lock.folder().exists());
    }
}
