//! [`Store`]: the entry to every read and every change.

use std::fmt;
use std::fs::File;
use std::sync::mpsc::Sender;
use std::sync::{Arc, RwLockReadGuard};
use std::thread::JoinHandle;

use crate::bodies::{BodyFiles, Spool};
use crate::error::{Error, Result};
use crate::pending::{Pending, pending};
use crate::shared::{ChangeCallback, Shared};
use crate::state::State;
use crate::task::{Task, job};
use crate::transaction::Transaction;
use crate::types::DiskSpace;

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
    /// An open store: what its threads share, the way to the writer's thread, that thread, and the locked lock file.
    pub(crate) fn new(shared: Arc<Shared>, tasks: Sender<Task>, writer: JoinHandle<()>, lock: File) -> Self {
        let inner = Inner { shared, tasks: Some(tasks), writer: Some(writer), _lock: lock };
        Self { inner: Arc::new(inner) }
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
