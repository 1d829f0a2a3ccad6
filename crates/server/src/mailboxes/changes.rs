//! Wakes connections when a mailbox changes: the store's writer says which, every waiting connection hears at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::MailboxId;
use tokio::sync::watch;

/// The mailboxes somebody watches. A change says nothing but that there was one; who is told asks the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    watched: Arc<Mutex<BTreeMap<MailboxId, watch::Sender<()>>>>,
}

impl Changes {
    /// Hears of every change of the mailbox from now on.
    pub(crate) fn watch(&self, mailbox: MailboxId) -> watch::Receiver<()> {
        self.watched().entry(mailbox).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Something changed. Quick, and never waits: the store's writer calls it.
    pub(crate) fn happened(&self, mailbox: MailboxId) {
        let mut watched = self.watched();
        if let Some(sender) = watched.get(&mailbox)
            && sender.send(()).is_err()
        {
            // Nobody listens any more.
            watched.remove(&mailbox);
        }
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<MailboxId, watch::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
