//! A cache of the message lists of recently read mailboxes.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::locks::Mutex;
use mail_types::Uid;

use crate::error::Result;
use crate::records::MessageRecord;
use crate::types::{MailboxId, MessageEntry};

/// Messages and keywords in all lists together, about; beyond that the cache is emptied.
const LIMIT: usize = 50_000;

/// Lists of messages by mailbox.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<BTreeMap<MailboxId, Cached>>);

#[derive(Debug)]
struct Cached {
    messages: Arc<[MessageEntry]>,
    /// Changes since the list was made, worked in when it is next read.
    edits: BTreeMap<Uid, Option<MessageEntry>>,
}

impl Snapshots {
    /// The list of a mailbox, made by `load` if it is not known.
    pub(crate) fn messages(
        &self,
        mailbox: MailboxId,
        load: impl FnOnce() -> Result<Vec<MessageEntry>>,
    ) -> Result<Arc<[MessageEntry]>> {
        let mut lists = self.0.lock();
        if let Some(cached) = lists.get_mut(&mailbox) {
            cached.settle();
            return Ok(Arc::clone(&cached.messages));
        }
        let messages: Arc<[MessageEntry]> = load()?.into();
        let known: usize = lists.values().map(|cached| weight(&cached.messages)).sum();
        if known + weight(&messages) > LIMIT {
            lists.clear();
        }
        lists.insert(mailbox, Cached { messages: Arc::clone(&messages), edits: BTreeMap::new() });
        Ok(messages)
    }

    /// The list of a mailbox if it is cached; `None` also while another thread makes one, which may wait for the disk.
    pub(crate) fn known(&self, mailbox: MailboxId) -> Option<Arc<[MessageEntry]>> {
        let mut lists = self.0.try_lock()?;
        let cached = lists.get_mut(&mailbox)?;
        cached.settle();
        Some(Arc::clone(&cached.messages))
    }

    /// Records that a message was added, changed or (without a record) removed.
    pub(crate) fn edit(&mut self, mailbox: MailboxId, uid: Uid, record: Option<&[u8]>) {
        let lists = self.0.get_mut();
        if let Some(cached) = lists.get_mut(&mailbox) {
            let entry = record.and_then(MessageRecord::decode).map(|record| record.entry(uid));
            cached.edits.insert(uid, entry);
        }
    }

    /// Drops a mailbox's list.
    pub(crate) fn forget(&mut self, mailbox: MailboxId) {
        self.0.get_mut().remove(&mailbox);
    }
}

fn weight(messages: &[MessageEntry]) -> usize {
    messages.iter().map(|message| 1 + message.flags.keywords.len()).sum()
}

impl Cached {
    /// Works the edits into the list.
    fn settle(&mut self) {
        if self.edits.is_empty() {
            return;
        }
        let edits = std::mem::take(&mut self.edits);
        let kept = self.messages.iter().filter(|message| !edits.contains_key(&message.uid)).cloned();
        let mut messages: Vec<MessageEntry> = kept.collect();
        messages.extend(edits.into_values().flatten());
        // Nearly sorted already, which this sort is quick with.
        messages.sort_by_key(|message| message.uid);
        self.messages = messages.into();
    }
}
