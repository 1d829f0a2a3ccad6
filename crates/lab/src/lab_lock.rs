//! A guest's seat: the right to be the one guest that runs, and a folder that disappears with it.
//!
//! Everything lies below one folder per user in `/var/tmp`, which is on a disk where `/tmp` may be memory. A folder
//! whose owner was killed is known by its free lock and swept up by the next guest.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::{self, Deadline};
use crate::error::{Error, Result, file};

/// How long a guest waits for the one before it to end: longer than any one test of ours runs.
const TURN_LIMIT: Duration = Duration::from_secs(40 * 60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);

/// The one seat of this user on this machine.
#[derive(Debug)]
pub(crate) struct Seat {
    folder: tempfile::TempDir,
    _alive: File,
    _turn: File,
}

impl Seat {
    /// Waits for the turn and makes the folder.
    pub(crate) fn take() -> Result<Self> {
        Self::take_in(&base(), TURN_LIMIT)
    }

    fn take_in(base: &Path, limit: Duration) -> Result<Self> {
        fs::create_dir_all(base).map_err(file("creating the lab's folder", base))?;
        let turn = turn(&base.join("turn"), limit)?;
        sweep(base);
        let folder = tempfile::Builder::new().prefix("guest-").tempdir_in(base);
        let folder = folder.map_err(file("creating a guest's folder in", base))?;
        let alive = lock_file(&folder.path().join("alive"))?;
        alive.lock().map_err(file("locking", folder.path()))?;
        Ok(Self { folder, _alive: alive, _turn: turn })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn base() -> PathBuf {
    let user = rustix::process::getuid();
    PathBuf::from(format!("/var/tmp/hearth-lab-{}", user.as_raw()))
}

fn turn(path: &Path, limit: Duration) -> Result<File> {
    let lock = lock_file(path)?;
    let deadline = Deadline::after(limit);
    let mut told = false;
    loop {
        let tried = lock.try_lock();
        if matches!(tried, Err(TryLockError::WouldBlock)) && !told {
            told = true;
            // Somebody who waits wants to know for what; nobody listening is no trouble.
            let _ = writeln!(std::io::stderr(), "lab: another guest runs; waiting for it to end");
        }
        match tried {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if deadline.left().is_some() => clock::let_pass(LOOK),
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: path.into(), waited: limit }),
            Err(TryLockError::Error(source)) => return Err(file("locking", path)(source)),
        }
    }
}

fn lock_file(path: &Path) -> Result<File> {
    File::options().create(true).append(true).open(path).map_err(file("opening the lock", path))
}

/// Removes what killed owners left behind. What cannot be removed now is left for the next time.
fn sweep(base: &Path) {
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
        let first = Seat::take_in(base.path(), Duration::from_secs(60)).unwrap();
        let refused = Seat::take_in(base.path(), Duration::ZERO).unwrap_err();
        assert!(matches!(refused, Error::Busy { .. }), "{refused}");
        let folder = first.folder().to_owned();
        drop(first);
        assert!(!folder.exists());
        Seat::take_in(base.path(), Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn the_folder_of_a_killed_owner_is_swept_up() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("guest-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("card"), "large").unwrap();
        let seat = Seat::take_in(base.path(), Duration::from_secs(60)).unwrap();
        assert!(!left.exists() && seat.folder().exists());
    }
}
