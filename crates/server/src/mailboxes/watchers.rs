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
    watched: Arc<Mutex<Watched>>,
}

#[derive(Debug, Default)]
struct Watched {
    mailboxes: BTreeMap<MailboxId, watch::Sender<()>>,
    /// The number of mailboxes at which those without a watcher are looked for.
    sweep_at: usize,
}

/// Mailboxes among which it is not worth while to look for those without a watcher.
const FEW: usize = 64;

impl MailboxWatchers {
    /// A receiver of every change of the mailbox from now on.
    pub(crate) fn watch(&self, mailbox: MailboxId) -> watch::Receiver<()> {
        let mut watched = self.watched.lock();
        let receiver = watched.mailboxes.entry(mailbox).or_insert_with(|| watch::channel(()).0).subscribe();
        watched.sweep();
        receiver
    }

    /// Wakes the mailbox's watchers. It never waits: the store's writer calls it.
    pub(crate) fn changed(&self, mailbox: MailboxId) {
        let mut watched = self.watched.lock();
        if let Some(sender) = watched.mailboxes.get(&mailbox)
            && sender.send(()).is_err()
        {
            // The last watcher has left; a mailbox without one takes no memory.
            watched.mailboxes.remove(&mailbox);
        }
    }
}

impl Watched {
    /// Removes mailboxes whose last watcher has left, and which may never change again: at most half of all are such.
    fn sweep(&mut self) {
        if self.mailboxes.len() > self.sweep_at {
            self.mailboxes.retain(|_, sender| sender.receiver_count() > 0);
            self.sweep_at = FEW.max(2 * self.mailboxes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_types::{Address, Secret, UnixTime};
    use store::Store;

    use crate::mailboxes::watchers::{FEW, MailboxWatchers};

    #[test]
    fn mailboxes_that_nobody_watches_any_more_take_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let anna: Address = "anna@box.test".parse().unwrap();
        store.create_account(&anna, Secret::new("hash"), UnixTime(1)).unwrap();
        let watchers = MailboxWatchers::default();
        let inbox = store.inbox(&anna).unwrap();
        let mut kept = watchers.watch(inbox);
        for number in 0..2 * FEW {
            let mailbox = store.create_mailbox(&anna, &number.to_string(), None, UnixTime(1)).unwrap();
            drop(watchers.watch(mailbox));
        }
        assert!(watchers.watched.lock().mailboxes.len() <= FEW + 1);
        watchers.changed(inbox);
        assert!(kept.has_changed().unwrap());
        kept.mark_unchanged();
    }
}
