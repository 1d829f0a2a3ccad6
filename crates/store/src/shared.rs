//! The part of an open store that the writer's thread and the callers' threads share.

use std::path::PathBuf;

use mail_types::Address;

use crate::bodies::BodyFiles;
use crate::error::Error;
use crate::locks::{Mutex, RwLock};
use crate::state::State;
use crate::types::MailboxId;

/// A file that tells the next start that something could not be made durable.
pub(crate) const UNSYNCED: &str = "unsynced";

/// Told after a change of a mailbox is durable and visible; it runs on the writer's thread, so it must be quick and
/// must not call the store.
pub type ChangeCallback = Box<dyn Fn(&Address, MailboxId) + Send + Sync>;

/// How a store weighs disk against memory and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A journal of this length asks for a checkpoint. It bounds what a start has to replay.
    pub checkpoint_bytes: u64,
    /// A body up to this size lives in the journal until it outlives that: one write and one sync less, and nothing
    /// to unlink when the phone fetches and deletes it at once.
    pub inline_limit: usize,
    /// New messages are refused when less than this is free on the disk, so that deleting still works.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { checkpoint_bytes: 16 << 20, inline_limit: 64 << 10, reserve_bytes: 16 << 20 }
    }
}

/// What the writer and the readers share.
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) bodies: BodyFiles,
    pub(crate) callback: RwLock<Option<ChangeCallback>>,
    pub(crate) trouble: Mutex<Option<String>>,
}

impl Shared {
    /// From now on nothing is changed any more.
    pub(crate) fn poison(&self, error: &Error) {
        let mut trouble = self.trouble.lock();
        trouble.get_or_insert_with(|| error.to_string());
        // It need not survive a power cut: after that, what can be read is what is on the disk.
        let _ = std::fs::write(self.directory.join(UNSYNCED), []);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.trouble.lock().is_some()
    }
}
