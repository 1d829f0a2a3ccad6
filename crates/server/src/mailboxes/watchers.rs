//! Wakes the connections that watch a mailbox when it changes: the store's writer names the mailbox, every connection
//! that watches it is woken.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::locks::Mutex;
use store::MailboxId;
use tokio::sync::watch;

/// The mailboxes that connections watch. A change carries nothing but that there was one: the connection asks the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailboxWatchers {
    watched: Arc<Mutex<BTreeMap<MailboxId, watch::Sender<()>>>>,
}

impl MailboxWatchers {
    /// A receiver of every change of the mailbox from now on.
    pub(crate) fn watch(&self, mailbox: MailboxId) -> watch::Receiver<()> {
        self.watched.lock().entry(mailbox).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Wakes the mailbox's watchers. It never waits: the store's writer calls it.
    pub(crate) fn changed(&self, mailbox: MailboxId) {
        let mut watched = self.watched.lock();
        if let Some(sender) = watched.get(&mailbox)
            && sender.send(()).is_err()
        {
            // The last watcher has left; a mailbox without one takes no memory.
            watched.remove(&mailbox);
        }
    }
}
