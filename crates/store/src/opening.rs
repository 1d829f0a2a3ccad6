//! Opening a store.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use host::locks::{Mutex, RwLock};

use crate::bodies::BodyFiles;
use crate::conversion;
use crate::error::{Error, Result};
use crate::files;
use crate::log::VERSION;
use crate::recovery::{self, Recovery, recover};
use crate::shared::{Options, Shared, UNSYNCED};
use crate::store::Store;
use crate::types::OpenReport;
use crate::writer_state::Writer;

impl Store {
    /// Opens the store in a directory, which is made if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another process has it open, [`Error::Version`] when a newer release wrote it, and
    /// [`Error::Damaged`] when damage cannot be repaired from the other files.
    pub fn open(directory: impl AsRef<Path>) -> Result<(Self, OpenReport)> {
        Self::open_with(directory, Options::default())
    }

    /// Opens the store in a directory with options other than the default; they may change from one start to the next.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`].
    pub fn open_with(directory: impl AsRef<Path>, options: Options) -> Result<(Self, OpenReport)> {
        let directory = directory.as_ref();
        files::create_directory(directory)?;
        let lock = lock(directory)?;
        let bodies = BodyFiles::open(directory, options.inline_limit)?;
        let unsynced = directory.join(UNSYNCED);
        if unsynced.exists() {
            recovery::rewrite_journals(directory)?;
            files::remove(&unsynced)?;
        }
        let recovered = recover(directory, &bodies, options.list_bytes);
        if let Err(Error::Sync { .. }) = &recovered {
            // The bytes read may be in the page cache only, and the next sync of the same file would not say so.
            let _ = std::fs::write(&unsynced, []);
        }
        let Recovery { state, journal, export, mut report, version, repaired } = recovered?;
        let position = state.position;
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            directory: directory.to_owned(),
            options,
            bodies,
            callback: RwLock::new(None),
            trouble: Mutex::new(None),
            queue: Mutex::new(None),
        });
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            journal,
            position,
            last_export: export,
            checkpoint_at: options.checkpoint_bytes,
            deferred: Vec::new(),
            running: None,
            waiting: Vec::new(),
        };
        if repaired {
            match writer.renew() {
                Err(Error::DiskFull) => {
                    report.damage.push("the disk is too full to make the repair permanent".to_owned());
                }
                result => result?,
            }
        }
        let (tasks, waiting) = channel();
        *shared.queue.lock() = Some(tasks.clone());
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(Error::io("start a thread for", directory))?;
        let store = Self::new(shared, tasks, writer, lock);
        if version < VERSION {
            conversion::convert_all(&store, &mut report)?;
        }
        Ok((store, report))
    }
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = files::create(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(directory.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}
