//! [`Store`]: opening it, and the entry to every read and every change.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, RwLockReadGuard};
use std::thread::JoinHandle;

use host::locks::{Mutex, RwLock};

use crate::bodies::{BodyFiles, Spool};
use crate::conversion;
use crate::error::{Error, Result};
use crate::files;
use crate::log::VERSION;
use crate::pending::{Pending, pending};
use crate::recovery::{self, Recovery, recover};
use crate::shared::{ChangeCallback, Options, Shared, UNSYNCED};
use crate::state::State;
use crate::transaction::Transaction;
use crate::types::{DiskSpace, OpenReport};
use crate::writer::{Task, Writer, job};

/// Accounts, mailboxes, messages and everything else that must survive a power cut.
///
/// Clones share one store. It is closed when the last of them is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    tasks: Option<Sender<Task>>,
    writer: Option<JoinHandle<()>>,
    /// The lock file, locked as long as the store is open.
    _lock: File,
}

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
        let inner = Inner { shared, tasks: Some(tasks), writer: Some(writer), _lock: lock };
        let store = Self { inner: Arc::new(inner) };
        if version < VERSION {
            conversion::convert_all(&store, &mut report)?;
        }
        Ok((store, report))
    }

    /// Makes a checkpoint now instead of when the journal is long enough.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`], after which the store goes on as before; see [`Error`] for those of every change.
    pub fn checkpoint(&self) -> Result<()> {
        let (reply, result) = pending();
        self.send(Task::Checkpoint(reply))?;
        result.wait()
    }

    /// Sets the callback for changes of mailboxes, in place of the one before.
    pub fn on_change(&self, callback: ChangeCallback) {
        let mut slot = self.inner.shared.callback.write();
        *slot = Some(callback);
    }

    /// The text of the error since which the store refuses changes, if there was one.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.shared.trouble.lock().clone()
    }

    /// The space on the store's file system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file system cannot be asked.
    pub fn disk_space(&self) -> Result<DiskSpace> {
        let directory = &self.inner.shared.directory;
        let found = rustix::fs::statvfs(directory)
            .map_err(|errno| Error::io("measure the file system of", directory)(errno.into()))?;
        Ok(DiskSpace {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            total: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }

    /// A new, empty spool for a message of at most `limit` bytes.
    #[must_use]
    pub fn spool(&self, limit: u64) -> Spool {
        self.inner.shared.bodies.spool(limit)
    }

    /// Whether so many bytes more would leave the reserve of the disk free.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`], or what keeps the free space from being known.
    pub fn require_room(&self, bytes: u64) -> Result<()> {
        let wanted = self.inner.shared.options.reserve_bytes.saturating_add(bytes);
        if self.disk_space()?.free < wanted { Err(Error::DiskFull) } else { Ok(()) }
    }

    /// Passes a result on; a failed sync in it poisons the store.
    pub(crate) fn poison_on_sync_error<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error @ Error::Sync { .. }) = &result {
            self.inner.shared.poison(error);
        }
        result
    }

    pub(crate) fn bodies(&self) -> &BodyFiles {
        &self.inner.shared.bodies
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.inner.shared.state.read()
    }

    /// Runs a transaction on the writer's thread and waits until it is durable.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.start(operation).wait()
    }

    /// Queues a transaction for the writer's thread.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (reply, result) = pending();
        // A task that is not taken is dropped, and its reply with it: the caller gets `Closed`.
        let _ = self.send(Task::Transaction(job(reply, operation)));
        result
    }

    /// Queues a transaction to be committed with the next one that has a waiting caller, or when the store is closed: it
    /// costs no sync of its own, and a power cut before that undoes it.
    pub(crate) fn write_deferred(
        &self,
        operation: impl FnOnce(&mut Transaction<'_>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (reply, _) = pending();
        self.send(Task::Deferred(job(reply, operation)))
    }

    /// The way to the writer's thread.
    pub(crate) fn queue(&self) -> Result<Sender<Task>> {
        self.inner.tasks.clone().ok_or(Error::Closed)
    }

    fn send(&self, task: Task) -> Result<()> {
        self.inner.tasks.as_ref().ok_or(Error::Closed)?.send(task).map_err(|_| Error::Closed)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.inner.shared.directory).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.shared.queue.lock().take());
        drop(self.tasks.take());
        let here = std::thread::current().id();
        // The callback may own the last clone; then this runs on the writer's own thread, which ends by itself.
        if let Some(writer) = self.writer.take().filter(|writer| writer.thread().id() != here) {
            // A writer that panicked has nothing to add; its callers got `Closed`.
            let _ = writer.join();
        }
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
