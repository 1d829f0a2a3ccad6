//! The published state: all records as of the last durable transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::locks::Mutex;
use mail_types::{KeywordDictionary, ModSeq};

use crate::codec;
use crate::error::{Error, Result};
use crate::expunged::ExpungedUids;
use crate::index::{Index, Reading};
use crate::keys::{self, Edits, Key};
use crate::layers::{self, Layers};
use crate::places::Places;
use crate::records::{Counters, MessageRecord, decode_dictionary};
use crate::snapshots::Snapshots;
use crate::types::MailboxId;
use crate::usage::UsageTable;

/// All records as of the last durable transaction.
#[derive(Debug)]
pub(crate) struct State {
    /// The sequence of that transaction.
    pub(crate) position: u64,
    /// Every table but the messages'.
    resident: BTreeMap<Key, Vec<u8>>,
    /// Message records that changed since the last checkpoint began.
    fresh: Edits,
    /// Message records that changed since the last checkpoint, up to the one that is being made.
    frozen: Arc<Edits>,
    /// Message records as of the last checkpoint; none before the store is open.
    index: Option<Arc<Index>>,
    /// Mailboxes whose records in the index were compared with their counters.
    verified: Mutex<BTreeSet<MailboxId>>,
    /// Message lists of recently read mailboxes.
    pub(crate) snapshots: Arc<Snapshots>,
    /// The small bodies.
    pub(crate) places: Places,
    /// Recently expunged UIDs by mailbox.
    pub(crate) expunged: ExpungedUids,
    /// The disk space of the accounts.
    pub(crate) usage: UsageTable,
}

impl State {
    /// The empty store; message lists that nobody holds get so many bytes.
    pub(crate) fn new(list_bytes: usize) -> Self {
        Self {
            position: 0,
            resident: BTreeMap::new(),
            fresh: Edits::new(),
            frozen: Arc::default(),
            index: None,
            verified: Mutex::default(),
            snapshots: Arc::new(Snapshots::new(list_bytes)),
            places: Places::default(),
            expunged: ExpungedUids::default(),
            usage: UsageTable::default(),
        }
    }

    /// A record's value, of any table but the messages'.
    pub(crate) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.resident.get(key).map(Vec::as_slice)
    }

    /// All records whose keys begin with the prefix, of any table but the messages'.
    pub(crate) fn scan<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a Vec<u8>)> + 'a {
        self.resident.range(prefix.to_vec()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// A message's record.
    pub(crate) fn message(&self, mailbox: MailboxId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.recent_message(key) {
            return Ok(value.cloned());
        }
        match &self.index {
            Some(index) => {
                self.verify(mailbox)?;
                index.value(key)
            }
            None => Ok(None),
        }
    }

    /// A message's record if it changed since the last checkpoint; the inner `None` is a message that went.
    pub(crate) fn recent_message(&self, key: &[u8]) -> Option<Option<&Vec<u8>>> {
        self.fresh.get(key).or_else(|| self.frozen.get(key)).map(Option::as_ref)
    }

    /// The message records that changed since the last checkpoint, newest layer first.
    pub(crate) fn recent(&self) -> [&Edits; 2] {
        [&self.fresh, &self.frozen]
    }

    /// Passes the records of all messages of a mailbox to `visit`, by ascending UID, with a bounded number in memory.
    pub(crate) fn visit_messages(
        &self,
        mailbox: MailboxId,
        visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.verify(mailbox)?;
        self.visit_unverified(mailbox, Reading::Repeated, visit)
    }

    /// The same, with records that were not compared with the counters.
    pub(crate) fn visit_unverified(
        &self,
        mailbox: MailboxId,
        reading: Reading,
        visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let prefix = keys::messages(mailbox);
        let layers = Layers::new(&prefix, &prefix, self.recent());
        layers::visit(self.index_if_open(), &prefix, reading, layers, visit)
    }

    /// The counters of a mailbox.
    pub(crate) fn counters(&self, mailbox: MailboxId) -> Result<Counters> {
        let value = self.value(&keys::counters(mailbox)).ok_or(Error::NoSuchMailbox)?;
        Counters::decode(value).ok_or(Error::Bug("a mailbox's counters have an unknown shape"))
    }

    /// The keywords of a mailbox.
    pub(crate) fn dictionary(&self, mailbox: MailboxId) -> Result<KeywordDictionary> {
        let key = keys::dictionary(self.counters(mailbox)?.account, mailbox);
        self.value(&key).map_or(Ok(KeywordDictionary::default()), decode_dictionary)
    }

    /// The message records as of the last checkpoint.
    pub(crate) fn index(&self) -> Result<&Arc<Index>> {
        self.index.as_ref().ok_or(Error::Bug("the index is used before it is open"))
    }

    /// The same, none before it is open.
    pub(crate) fn index_if_open(&self) -> Option<&Index> {
        self.index.as_deref()
    }

    pub(crate) fn set_index(&mut self, index: Index) {
        self.index = Some(Arc::new(index));
    }

    /// Sets the message records aside that a checkpoint is about to bring into the index, and returns them.
    pub(crate) fn freeze(&mut self) -> Arc<Edits> {
        let mut edits = std::mem::take(&mut self.frozen);
        if edits.is_empty() {
            edits = Arc::new(std::mem::take(&mut self.fresh));
        } else {
            // Of a checkpoint that failed.
            Arc::make_mut(&mut edits).append(&mut self.fresh);
        }
        self.frozen = Arc::clone(&edits);
        edits
    }

    /// Drops the message records that the last checkpoint has brought into the index.
    pub(crate) fn forget_frozen(&mut self) {
        self.frozen = Arc::default();
    }

    /// Makes edits visible.
    pub(crate) fn apply(&mut self, edits: Edits) {
        for (key, value) in edits {
            if key.first() == Some(&keys::MESSAGES) {
                if let Some((mailbox, uid)) = keys::parse_message(&key) {
                    self.snapshots.edit(mailbox, uid, value.as_deref());
                }
                self.fresh.insert(key, value);
            } else {
                self.apply_resident(key, value);
            }
        }
    }

    fn apply_resident(&mut self, key: Key, value: Option<Vec<u8>>) {
        let old = self.resident.get(&key).map(Vec::as_slice);
        self.usage.replace(&key, old, value.as_deref());
        if key.starts_with(keys::COUNTERS)
            && value.is_some()
            && let Some(mailbox) = keys::number_of(&key)
        {
            let before = old.and_then(Counters::decode).map_or(ModSeq(0), |counters| counters.modseq);
            self.expunged.watch(MailboxId(mailbox), before);
        }
        let Some(value) = value else {
            self.resident.remove(&key);
            if key.starts_with(keys::COUNTERS)
                && let Some(mailbox) = keys::number_of(&key)
            {
                self.forget_mailbox(MailboxId(mailbox));
            }
            return;
        };
        if key.first() == Some(&keys::DICTIONARIES)
            && let Some(mailbox) = keys::second_number_of(&key)
            && let Ok(dictionary) = decode_dictionary(&value)
        {
            self.snapshots.set_keywords(MailboxId(mailbox), dictionary);
        }
        self.resident.insert(key, value);
    }

    /// Drops the caches of a mailbox that was deleted.
    fn forget_mailbox(&mut self, mailbox: MailboxId) {
        self.expunged.forget(mailbox);
        self.snapshots.forget(mailbox);
        self.verified.get_mut().remove(&mailbox);
    }

    /// Whether the mailbox's records were compared with its counters since the start.
    pub(crate) fn is_verified(&self, mailbox: MailboxId) -> bool {
        self.verified.lock().contains(&mailbox)
    }

    /// Notes that the mailbox's records agree with its counters.
    pub(crate) fn set_verified(&self, mailbox: MailboxId) {
        self.verified.lock().insert(mailbox);
    }

    /// Compares a mailbox with its counters when it is first read. If they disagree, the index is rebuilt from the export,
    /// once: what disagrees then is damage in the export itself.
    pub(crate) fn verify(&self, mailbox: MailboxId) -> Result<()> {
        if self.is_verified(mailbox) {
            return Ok(());
        }
        let counters = self.counters(mailbox)?;
        let agrees = || {
            let mut sum = RecordSum::default();
            let add = |key: &[u8], value: &[u8]| {
                sum.add(key, value);
                Ok(())
            };
            self.visit_unverified(mailbox, Reading::First, add)?;
            Ok::<_, Error>(sum.agrees(&counters))
        };
        if !agrees()? {
            self.index()?.rebuild()?;
            if !agrees()? {
                return Err(Error::MailboxDamaged);
            }
        }
        self.set_verified(mailbox);
        Ok(())
    }
}

/// The number of some message records, and the hash that a mailbox's counters hold for them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordSum {
    count: u64,
    hash: u64,
}

impl RecordSum {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.hash ^= codec::hash(&[key, value]);
    }

    pub(crate) fn agrees(&self, counters: &Counters) -> bool {
        self.count == u64::from(counters.messages) && self.hash == counters.hash
    }
}

/// A message's record from its bytes, which passed a checksum.
pub(crate) fn decode(bytes: &[u8]) -> Result<MessageRecord> {
    MessageRecord::decode(bytes).ok_or(Error::Bug("a message's record has an unknown shape"))
}
