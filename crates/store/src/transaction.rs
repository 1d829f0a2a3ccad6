//! A transaction: its own reads see its changes, other readers only once it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mail_types::{Address, KeywordDictionary, ModSeq, Uid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::frame::FrameBuilder;
use crate::index::Reading;
use crate::keys::{self, Edits, Key};
use crate::layers::{self, Layers};
use crate::records::{AccountRecord, Counters, decode_dictionary, from_json, to_json};
use crate::state::State;
use crate::types::MailboxId;

/// Ids given out by one transaction; an id is the transaction's sequence and a number below this.
const IDS_PER_TRANSACTION: u64 = 1 << 16;

/// The lowest id of a transaction; all higher ones belong to it or to later transactions.
pub(crate) fn first_id(sequence: u64) -> u64 {
    sequence.wrapping_mul(IDS_PER_TRANSACTION)
}

/// Effects of one transaction, or of several that become durable together.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) edits: Edits,
    /// Small bodies to be kept in the journal.
    pub(crate) inline: BTreeMap<u64, Vec<u8>>,
    /// Synced files to be renamed to bodies.
    pub(crate) files: Vec<(PathBuf, u64)>,
    /// Bodies that nothing refers to any more.
    pub(crate) freed: Vec<u64>,
    /// Expunged messages: mailbox, UID, modification sequence, and the mailbox's modification sequence before.
    pub(crate) expunged: Vec<(MailboxId, Uid, ModSeq, ModSeq)>,
    /// Mailboxes that changed, for the callback.
    pub(crate) changed: BTreeSet<(Address, MailboxId)>,
}

impl Effects {
    /// Adds the effects of a later transaction.
    pub(crate) fn merge(&mut self, later: Self) {
        self.edits.extend(later.edits);
        self.inline.extend(later.inline);
        self.files.extend(later.files);
        self.freed.extend(later.freed);
        self.expunged.extend(later.expunged);
        self.changed.extend(later.changed);
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.inline.is_empty() && self.freed.is_empty()
    }

    /// The transaction as the journal holds it.
    pub(crate) fn frame(&self) -> FrameBuilder {
        let mut frame = FrameBuilder::default();
        for (key, value) in &self.edits {
            match value {
                Some(value) => frame.put(key, value),
                None => frame.delete(key),
            }
        }
        for (body, bytes) in &self.inline {
            frame.body(*body, bytes);
        }
        for body in &self.freed {
            frame.free(*body);
        }
        frame
    }
}

/// A transaction on top of the published state and of the earlier transactions of its batch.
pub(crate) struct Transaction<'a> {
    state: &'a State,
    earlier: &'a Effects,
    sequence: u64,
    ids: u64,
    effects: Effects,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(state: &'a State, earlier: &'a Effects, sequence: u64) -> Self {
        Self { state, earlier, sequence, ids: 0, effects: Effects::default() }
    }

    pub(crate) fn into_effects(self) -> Effects {
        self.effects
    }

    /// A number that was never given out before.
    pub(crate) fn fresh_id(&mut self) -> Result<u64> {
        if self.ids >= IDS_PER_TRANSACTION {
            return Err(Error::TooLarge { what: "a change", limit: IDS_PER_TRANSACTION });
        }
        let id = first_id(self.sequence) | self.ids;
        self.ids += 1;
        Ok(id)
    }

    /// A record's value, of any table but the messages'.
    pub(crate) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let edited = self.effects.edits.get(key).or_else(|| self.earlier.edits.get(key));
        edited.map_or_else(|| self.state.value(key), |value| value.as_deref())
    }

    /// A message's record.
    pub(crate) fn message(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Vec<u8>>> {
        let key = keys::message(mailbox, uid);
        match self.effects.edits.get(&key).or_else(|| self.earlier.edits.get(&key)) {
            Some(value) => Ok(value.clone()),
            None => self.state.message(mailbox, &key),
        }
    }

    /// Passes the records of all messages of a mailbox to `visit`, by ascending UID, with a bounded number in memory.
    pub(crate) fn visit_messages(
        &self,
        mailbox: MailboxId,
        visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.state.verify(mailbox) {
            // One that an earlier transaction of the batch made, or this one.
            Err(Error::NoSuchMailbox) => {}
            verified => verified?,
        }
        let prefix = keys::messages(mailbox);
        let [fresh, frozen] = self.state.recent();
        let layers = [&self.effects.edits, &self.earlier.edits, fresh, frozen];
        let layers = Layers::new(&prefix, &prefix, layers);
        layers::visit(self.state.index_if_open(), &prefix, Reading::Repeated, layers, visit)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        self.value(key).map(from_json).transpose()
    }

    /// All records whose keys begin with the prefix, of any table but the messages'.
    pub(crate) fn scan<'b>(&'b self, prefix: &'b [u8]) -> impl Iterator<Item = (&'b Key, &'b Vec<u8>)> {
        let layers = Layers::new(prefix, prefix, [&self.effects.edits, &self.earlier.edits]);
        layers::over(self.state.scan(prefix), layers)
    }

    /// Deletes all records whose keys begin with the prefix, of any table but the messages'.
    pub(crate) fn delete_all(&mut self, prefix: &[u8]) {
        let keys: Vec<Key> = self.scan(prefix).map(|(key, _)| key.clone()).collect();
        keys.into_iter().for_each(|key| self.delete(key));
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.effects.edits.insert(key, Some(value));
    }

    pub(crate) fn put_json<T: Serialize>(&mut self, key: Key, record: &T) -> Result<()> {
        self.put(key, to_json(record)?);
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: Key) {
        self.effects.edits.insert(key, None);
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Option<AccountRecord>> {
        self.json(&keys::account(address))
    }

    pub(crate) fn account_id(&self, address: &Address) -> Result<u64> {
        match self.account(address)? {
            Some(AccountRecord::Account { id, .. }) => Ok(id),
            Some(AccountRecord::Retired { .. }) | None => Err(Error::NoSuchAccount),
        }
    }

    pub(crate) fn counters(&self, mailbox: MailboxId) -> Result<Counters> {
        let value = self.value(&keys::counters(mailbox)).ok_or(Error::NoSuchMailbox)?;
        Counters::decode(value).ok_or(Error::Bug("a mailbox's counters have an unknown shape"))
    }

    /// The keywords of a mailbox.
    pub(crate) fn dictionary(&self, account: u64, mailbox: MailboxId) -> Result<KeywordDictionary> {
        let value = self.value(&keys::dictionary(account, mailbox));
        value.map_or(Ok(KeywordDictionary::default()), decode_dictionary)
    }

    pub(crate) fn put_counters(&mut self, mailbox: MailboxId, counters: &Counters) -> Result<()> {
        self.put(keys::counters(mailbox), counters.encode());
        self.note_change(mailbox, counters.account)
    }

    /// Records a change for the mailbox's watchers, for when it is durable.
    pub(crate) fn note_change(&mut self, mailbox: MailboxId, account: u64) -> Result<()> {
        let name = self.value(&keys::account_name(account)).and_then(|name| std::str::from_utf8(name).ok());
        let address =
            name.and_then(|name| name.parse().ok()).ok_or(Error::Bug("a mailbox belongs to nobody"))?;
        self.effects.changed.insert((address, mailbox));
        Ok(())
    }

    pub(crate) fn note_expunged(&mut self, mailbox: MailboxId, uid: Uid, modseq: ModSeq, before: ModSeq) {
        self.effects.expunged.push((mailbox, uid, modseq, before));
    }

    /// A small body lives in the journal until the next checkpoint.
    pub(crate) fn add_inline_body(&mut self, body: u64, bytes: Vec<u8>) {
        self.effects.inline.insert(body, bytes);
    }

    /// A synced file becomes a body.
    pub(crate) fn add_body_file(&mut self, body: u64, path: PathBuf) {
        self.effects.files.push((path, body));
    }

    /// Counts that a body has this many references more.
    pub(crate) fn share_body(&mut self, body: u64, more: u32) {
        let references = self.references(body).saturating_add(more);
        self.set_references(body, references);
    }

    /// Counts that a body has one reference less, and frees it with the last.
    pub(crate) fn release_body(&mut self, body: u64) {
        match self.references(body) {
            0 | 1 => self.effects.freed.push(body),
            references => self.set_references(body, references - 1),
        }
    }

    /// One reference is the usual case and not written down.
    pub(crate) fn set_references(&mut self, body: u64, references: u32) {
        let key = keys::shared_body(body);
        if references > 1 {
            self.put(key, references.to_le_bytes().to_vec());
        } else if self.value(&key).is_some() {
            self.delete(key);
        }
    }

    fn references(&self, body: u64) -> u32 {
        let value = self.value(&keys::shared_body(body)).and_then(|value| value.as_array());
        value.map_or(1, |bytes| u32::from_le_bytes(*bytes))
    }
}
