//! What readers see: all records as of the last durable transaction.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use mail_types::{ModSeq, Uid};

use crate::keys::{self, Key};
use crate::types::MailboxId;

/// How many expunged UIDs are remembered for each mailbox, for exact answers to QRESYNC.
const EXPUNGED_LIMIT: usize = 4096;

/// Records put (`Some`) and deleted (`None`).
pub(crate) type Edits = BTreeMap<Key, Option<Vec<u8>>>;

/// A small body inside a journal.
#[derive(Clone, Debug)]
pub(crate) struct InlineBody {
    pub(crate) journal: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: usize,
}

/// UIDs that went lately.
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
    /// The messages' table.
    messages: BTreeMap<Key, Vec<u8>>,
    /// The small bodies that have no file of their own.
    pub(crate) inline: BTreeMap<u64, InlineBody>,
    /// What went lately, by mailbox.
    pub(crate) expunged: BTreeMap<MailboxId, Expunged>,
}

impl State {
    /// A record's value.
    pub(crate) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.table(key).get(key).map(Vec::as_slice)
    }

    /// All records whose keys begin with the prefix, which names at least the table.
    pub(crate) fn scan<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a Vec<u8>)> + 'a {
        let table = self.table(prefix);
        table.range(prefix.to_vec()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Makes edits visible.
    pub(crate) fn apply(&mut self, edits: Edits) {
        for (key, value) in edits {
            let table = self.table_mut(&key);
            match value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
    }

    /// Remembers that a UID went; `before` is the mailbox's modification sequence before the transaction.
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

    fn table(&self, key: &[u8]) -> &BTreeMap<Key, Vec<u8>> {
        if key.first() == Some(&keys::MESSAGES) { &self.messages } else { &self.resident }
    }

    fn table_mut(&mut self, key: &[u8]) -> &mut BTreeMap<Key, Vec<u8>> {
        if key.first() == Some(&keys::MESSAGES) { &mut self.messages } else { &mut self.resident }
    }
}
