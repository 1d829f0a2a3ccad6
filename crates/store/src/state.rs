//! The published state: all records as of the last durable transaction.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use host::locks::Mutex;
use mail_types::{ModSeq, Uid};

use crate::codec;
use crate::error::{Error, Result};
use crate::index::{Index, Reading};
use crate::keys::{self, Edits, Key};
use crate::places::Places;
use crate::records::{Counters, MessageRecord};
use crate::snapshots::Snapshots;
use crate::types::MailboxId;

/// Expunged UIDs kept for each mailbox, for exact VANISHED responses (RFC 7162).
const EXPUNGED_LIMIT: usize = 4096;

/// Recently expunged UIDs of a mailbox.
#[derive(Debug)]
pub(crate) struct Expunged {
    /// Expunges after this modification sequence are all in the list.
    pub(crate) complete_after: ModSeq,
    /// By ascending modification sequence.
    pub(crate) uids: VecDeque<(ModSeq, Uid)>,
}

/// All records as of the last durable transaction.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The sequence of that transaction.
    pub(crate) position: u64,
    /// Every table but the messages'.
    resident: BTreeMap<Key, Vec<u8>>,
    /// Message records that changed since the last checkpoint.
    fresh: Edits,
    /// Message records as of the last checkpoint; none before the store is open.
    index: Option<Index>,
    /// Mailboxes whose records in the index were compared with their counters.
    verified: Mutex<BTreeSet<MailboxId>>,
    /// Message lists of recently read mailboxes.
    pub(crate) snapshots: Snapshots,
    /// The small bodies.
    pub(crate) places: Places,
    /// Recently expunged UIDs by mailbox.
    pub(crate) expunged: BTreeMap<MailboxId, Expunged>,
}

impl State {
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
        match (self.fresh.get(key), &self.index) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(index)) => {
                self.verify(mailbox)?;
                index.value(key)
            }
            (None, None) => Ok(None),
        }
    }

    /// The records of all messages of a mailbox.
    pub(crate) fn messages(&self, mailbox: MailboxId) -> Result<BTreeMap<Key, Vec<u8>>> {
        self.verify(mailbox)?;
        self.merged(mailbox, Reading::Repeated)
    }

    /// The counters of a mailbox.
    pub(crate) fn counters(&self, mailbox: MailboxId) -> Result<Counters> {
        let value = self.value(&keys::counters(mailbox)).ok_or(Error::NoSuchMailbox)?;
        Counters::decode(value).ok_or(Error::Bug("a mailbox's counters have an unknown shape"))
    }

    /// Message records that changed since the last checkpoint.
    pub(crate) fn fresh(&self) -> &Edits {
        &self.fresh
    }

    /// The message records as of the last checkpoint.
    pub(crate) fn index(&self) -> Result<&Index> {
        self.index.as_ref().ok_or(Error::Bug("the index is used before it is open"))
    }

    pub(crate) fn set_index(&mut self, index: Index) {
        self.index = Some(index);
    }

    /// Drops the message records that the last checkpoint has brought into the index.
    pub(crate) fn forget_fresh(&mut self) {
        self.fresh.clear();
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
                if value.is_none()
                    && key.starts_with(keys::COUNTERS)
                    && let Some(mailbox) = keys::number_of(&key)
                {
                    self.forget_mailbox(MailboxId(mailbox));
                }
                match value {
                    Some(value) => self.resident.insert(key, value),
                    None => self.resident.remove(&key),
                };
            }
        }
    }

    /// Drops the caches of a mailbox that was deleted.
    fn forget_mailbox(&mut self, mailbox: MailboxId) {
        self.expunged.remove(&mailbox);
        self.snapshots.forget(mailbox);
        self.verified.get_mut().remove(&mailbox);
    }

    /// Records an expunged UID; `before` is the mailbox's modification sequence before the transaction.
    pub(crate) fn remember_expunged(&mut self, mailbox: MailboxId, uid: Uid, modseq: ModSeq, before: ModSeq) {
        let fresh = || Expunged { complete_after: before, uids: VecDeque::new() };
        let expunged = self.expunged.entry(mailbox).or_insert_with(fresh);
        expunged.uids.push_back((modseq, uid));
        if expunged.uids.len() > EXPUNGED_LIMIT
            && let Some((modseq, _)) = expunged.uids.pop_front()
        {
            expunged.complete_after = modseq;
        }
    }

    /// Compares a mailbox with its counters when it is first read. If they disagree, the index is rebuilt from the export,
    /// once: what disagrees then is damage in the export itself.
    fn verify(&self, mailbox: MailboxId) -> Result<()> {
        let mut verified = self.verified.lock();
        if verified.contains(&mailbox) {
            return Ok(());
        }
        let counters = self.counters(mailbox)?;
        let agrees = |records: &BTreeMap<Key, Vec<u8>>| {
            let counted = records.len() == usize::try_from(counters.messages).unwrap_or(usize::MAX);
            counted && hash_of(records) == counters.hash
        };
        if !agrees(&self.merged(mailbox, Reading::First)?) {
            self.index()?.rebuild()?;
            if !agrees(&self.merged(mailbox, Reading::First)?) {
                return Err(Error::MailboxDamaged);
            }
        }
        verified.insert(mailbox);
        Ok(())
    }

    /// A mailbox's records of the index with the recent edits on top, not compared with the counters.
    pub(crate) fn merged(&self, mailbox: MailboxId, reading: Reading) -> Result<BTreeMap<Key, Vec<u8>>> {
        let prefix = keys::messages(mailbox);
        let mut records = match &self.index {
            Some(index) => index.scan(&prefix, reading)?,
            None => BTreeMap::new(),
        };
        for (key, value) in self.fresh.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix))
        {
            match value {
                Some(value) => records.insert(key.clone(), value.clone()),
                None => records.remove(key),
            };
        }
        Ok(records)
    }
}

/// The hash that a mailbox's counters hold for these records.
pub(crate) fn hash_of(records: &BTreeMap<Key, Vec<u8>>) -> u64 {
    records.iter().fold(0, |hash, (key, value)| hash ^ codec::hash(&[key, value]))
}

/// A message's record from its bytes, which passed a checksum.
pub(crate) fn decode(bytes: &[u8]) -> Result<MessageRecord> {
    MessageRecord::decode(bytes).ok_or(Error::Bug("a message's record has an unknown shape"))
}
