//! Opening a store, and the one way in which everything in it is read and changed.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use mail_types::Address;

use crate::bodies::{BodyFiles, Spool};
use crate::error::{Error, Result};
use crate::files;
use crate::frame::{Frame, Operation};
use crate::journal::{self, Journal};
use crate::state::{Edits, InlineBody, State};
use crate::transaction::Transaction;
use crate::types::{DiskSpace, MailboxId};
use crate::writer::{Job, Writer, job};

/// Told after a change of a mailbox is durable and visible; it runs on the writer's thread, so it must be quick and
/// must not call the store.
pub type ChangeCallback = Box<dyn Fn(&Address, MailboxId) + Send + Sync>;

/// Accounts, mailboxes, messages and everything else that must survive a power cut.
///
/// Clones share one store. It is closed when the last of them is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What opening a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The sequence of the last durable change.
    pub position: u64,
    /// Changes read from the journal.
    pub replayed: u64,
    /// Bytes of unfinished writes that were cut off; a power cut leaves them, and nobody was promised anything.
    pub torn_bytes: u64,
    /// What was found damaged and how it was repaired, for the owner to know. Empty on a sound disk.
    pub damage: Vec<String>,
}

/// What the writer and the readers share.
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    pub(crate) bodies: BodyFiles,
    pub(crate) callback: RwLock<Option<ChangeCallback>>,
    pub(crate) trouble: Mutex<Option<String>>,
}

struct Inner {
    shared: Arc<Shared>,
    directory: std::path::PathBuf,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// Locked as long as this lives.
    _lock: File,
}

impl Store {
    /// Opens the store in a directory, which is made if there is none.
    pub fn open(directory: impl AsRef<Path>) -> Result<(Self, OpenReport)> {
        let directory = directory.as_ref();
        files::create_directory(directory)?;
        let lock = lock(directory)?;
        let bodies = BodyFiles::open(directory)?;
        let mut state = State::default();
        let mut report = OpenReport::default();
        let journal = recover(directory, &mut state, &bodies, &mut report)?;
        report.position = state.position;
        let position = state.position;
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            bodies,
            callback: RwLock::new(None),
            trouble: Mutex::new(None),
        });
        let (jobs, waiting) = channel();
        let writer = Writer { shared: Arc::clone(&shared), journal, position, trouble: None };
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(Error::io("start a thread for", directory))?;
        let inner = Inner {
            shared,
            directory: directory.to_owned(),
            jobs: Some(jobs),
            writer: Some(writer),
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, report))
    }

    /// Has this called after every change of a mailbox. It replaces the callback before.
    pub fn on_change(&self, callback: ChangeCallback) {
        let mut slot = self.inner.shared.callback.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(callback);
    }

    /// Why the store refuses changes, if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Room on the file system that the store lies on.
    pub fn disk_space(&self) -> Result<DiskSpace> {
        let directory = &self.inner.directory;
        let found = rustix::fs::statvfs(directory)
            .map_err(|errno| Error::io("measure the file system of", directory)(errno.into()))?;
        Ok(DiskSpace {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            total: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }

    /// A new, empty message on its way in, up to a size in bytes.
    #[must_use]
    pub fn spool(&self, limit: u64) -> Spool {
        self.inner.shared.bodies.spool(limit)
    }

    pub(crate) fn bodies(&self) -> &BodyFiles {
        &self.inner.shared.bodies
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.inner.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a transaction on the writer's thread and waits until it is durable.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, result) = sync_channel(1);
        let jobs = self.inner.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send(job(reply, operation)).map_err(|_| Error::Closed)?;
        result.recv().map_err(|_| Error::Closed)?
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.inner.directory).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
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

/// Brings the state up to the last durable transaction.
fn recover(
    directory: &Path,
    state: &mut State,
    bodies: &BodyFiles,
    report: &mut OpenReport,
) -> Result<Journal> {
    let names = files::names(directory)?;
    let Some(position) = names.iter().filter_map(|name| journal::position_of(name)).max() else {
        return Journal::create(directory, 0);
    };
    state.position = position;
    let mut freed = Vec::new();
    let (journal, recovered) = Journal::recover(directory, position, |frame, offset, file| {
        report.replayed += 1;
        replay(state, frame, offset, file, &mut freed)
    })?;
    for body in freed {
        bodies.remove(body)?;
    }
    report.torn_bytes = recovered.torn;
    if recovered.damaged > 0 {
        report.damage.push(format!(
            "{} bytes of the journal are unreadable; what they held is lost",
            recovered.damaged
        ));
    }
    Ok(journal)
}

fn replay(
    state: &mut State,
    frame: &Frame<'_>,
    start: u64,
    file: &Arc<File>,
    freed: &mut Vec<u64>,
) -> Result<()> {
    let mut edits = Edits::new();
    for operation in frame.operations() {
        match operation.ok_or(Error::Bug("a journal frame has an unknown shape"))? {
            Operation::Put { key, value } => {
                edits.insert(key.to_vec(), Some(value.to_vec()));
            }
            Operation::Delete { key } => {
                edits.insert(key.to_vec(), None);
            }
            Operation::Body { body, offset, length } => {
                let journal = Arc::clone(file);
                state.inline.insert(body, InlineBody { journal, offset: start + offset as u64, length });
            }
            Operation::Free { body } => {
                if state.inline.remove(&body).is_none() {
                    freed.push(body);
                }
            }
        }
    }
    state.apply(edits);
    state.position = frame.sequence;
    Ok(())
}
