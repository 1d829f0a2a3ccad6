//! The part of an open store that the writer's thread and the callers' threads share.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use host::locks::{Mutex, RwLock};
use mail_types::Address;

use crate::bodies::BodyFiles;
use crate::error::Error;
use crate::state::State;
use crate::task::Task;
use crate::types::MailboxId;

/// The name of a file that tells the next start of a failed sync.
pub(crate) const UNSYNCED: &str = "unsynced";

/// Called after a change of a mailbox is durable and visible, on the writer's thread: it must be quick and must not call
/// the store.
pub type ChangeCallback = Box<dyn Fn(&Address, MailboxId) + Send + Sync>;

/// The store's limits: disk against memory and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a journal that cause a checkpoint. While it is made, the next journal grows to three times as many at most:
    /// a bound on the replay at the next start, and on the changed records in memory.
    pub checkpoint_bytes: u64,
    /// Bytes of the largest body that is kept in the journal instead of a file: one write and one sync less, and nothing
    /// to unlink when the phone fetches and deletes it at once.
    pub inline_limit: usize,
    /// Free bytes on the disk below which new messages are refused, so that deleting still works.
    pub reserve_bytes: u64,
    /// Bytes in memory for the message lists of mailboxes that nobody has open.
    pub list_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checkpoint_bytes: 16 << 20,
            inline_limit: 64 << 10,
            reserve_bytes: 16 << 20,
            list_bytes: 16 << 20,
        }
    }
}

/// The state shared by the writer's thread and the callers'.
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) bodies: BodyFiles,
    pub(crate) callback: RwLock<Option<ChangeCallback>>,
    pub(crate) trouble: Mutex<Option<String>>,
    /// The way to the writer's thread for what runs beside it; none once the store is being closed.
    pub(crate) queue: Mutex<Option<Sender<Task>>>,
}

impl Shared {
    /// Makes the store refuse all further changes.
    pub(crate) fn poison(&self, error: &Error) {
        let mut trouble = self.trouble.lock();
        trouble.get_or_insert_with(|| error.to_string());
        // The mark need not survive a power cut: after one, reads come from the disk and not from the page cache.
        let _ = std::fs::write(self.directory.join(UNSYNCED), []);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.trouble.lock().is_some()
    }
}
