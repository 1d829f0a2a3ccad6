//! Changing messages that are there: flags, expunge, copy, move.

use std::sync::Arc;

use mail_types::{CompactFlags, Flags, KeywordDictionary, ModSeq, SystemFlag, Uid};

use crate::codec;
use crate::error::{Error, Result};
use crate::keys;
use crate::pending::Pending;
use crate::records::{Counters, MessageRecord, encode_dictionary};
use crate::state::decode;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{FlagChange, FlagMode, FlagsChanged, MailboxId, Moved};

impl Store {
    /// Changes flags of some messages; of very many in several transactions.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`], [`Error::KeywordsFull`]; see [`Error`] for those of every
    /// change.
    pub fn change_flags(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Result<FlagsChanged> {
        self.start_flag_change(mailbox, uids, change).wait()
    }

    /// Begins to change flags of some messages; does not block.
    pub fn start_flag_change(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Pending<FlagsChanged> {
        let change = change.clone();
        self.start_in_pieces(uids, move |transaction, uids, changed| {
            change_flags(transaction, mailbox, uids, &change, changed)
        })
    }

    /// Removes messages for ever; returns the UIDs that existed, sorted. Of very many in several transactions.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`]; see [`Error`] for those of every change.
    pub fn expunge(&self, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Uid>> {
        let work = move |transaction: &mut Transaction<'_>, uids: &[Uid], gone: &mut Vec<Uid>| {
            expunge(transaction, mailbox, uids, gone, |_| true)
        };
        self.start_in_pieces(uids, work).wait()
    }

    /// Begins to remove for ever those of the messages that have `\Deleted` when their turn comes: another client may have
    /// taken it away. Does not block. The result is the UIDs that were removed, sorted.
    pub fn start_expunge_deleted(&self, mailbox: MailboxId, uids: &[Uid]) -> Pending<Vec<Uid>> {
        self.start_in_pieces(uids, move |transaction, uids, gone| {
            expunge(transaction, mailbox, uids, gone, |record| record.flags.has(SystemFlag::Deleted))
        })
    }

    /// Copies messages to a mailbox of any account, all or none; bytes are not copied.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`], [`Error::KeywordsFull`]; see [`Error`] for those of every
    /// change.
    pub fn copy(&self, from: MailboxId, uids: &[Uid], to: MailboxId) -> Result<Moved> {
        let uids = sorted(uids);
        self.write(move |transaction| {
            let source = transaction.dictionary(transaction.counters(from)?.account, from)?;
            let mut target = MailboxEdit::begin(transaction, to)?;
            let mut copied = Vec::new();
            for uid in uids {
                if let Some(record) = message(transaction, from, uid)? {
                    transaction.share_body(record.body.body, 1);
                    copied.push((uid, target.take_over(transaction, record, &source)?));
                }
            }
            let uid_validity = target.counters.uid_validity;
            target.end(transaction)?;
            Ok(Moved { uid_validity, uids: copied })
        })
    }

    /// Moves messages to another mailbox (RFC 6851); at no moment are they in both or in none.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`], [`Error::KeywordsFull`]; see [`Error`] for those of every
    /// change.
    pub fn move_messages(&self, from: MailboxId, uids: &[Uid], to: MailboxId) -> Result<Moved> {
        let uids = sorted(uids);
        self.write(move |transaction| move_messages(transaction, from, to, &uids))
    }
}

fn sorted(uids: &[Uid]) -> Vec<Uid> {
    let mut uids = uids.to_vec();
    uids.sort();
    uids.dedup();
    uids
}

pub(crate) fn move_messages(
    transaction: &mut Transaction<'_>,
    from: MailboxId,
    to: MailboxId,
    uids: &[Uid],
) -> Result<Moved> {
    let mut moved = Vec::new();
    let mut taken = Vec::new();
    // A move within one mailbox is allowed and gives new UIDs, so the source is finished before the target begins.
    let mut source = MailboxEdit::begin(transaction, from)?;
    let dictionary = transaction.dictionary(source.counters.account, from)?;
    for uid in uids {
        if let Some(record) = source.remove(transaction, *uid)? {
            taken.push((*uid, record));
        }
    }
    source.end(transaction)?;
    let mut target = MailboxEdit::begin(transaction, to)?;
    for (uid, record) in taken {
        moved.push((uid, target.take_over(transaction, record, &dictionary)?));
    }
    let uid_validity = target.counters.uid_validity;
    target.end(transaction)?;
    Ok(Moved { uid_validity, uids: moved })
}

/// All UIDs of a mailbox.
pub(crate) fn uids(transaction: &Transaction<'_>, mailbox: MailboxId) -> Result<Vec<Uid>> {
    let mut uids = Vec::new();
    transaction.visit_messages(mailbox, |key, _| {
        uids.extend(keys::parse_message(key).map(|(_, uid)| uid));
        Ok(())
    })?;
    Ok(uids)
}

fn expunge(
    transaction: &mut Transaction<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    gone: &mut Vec<Uid>,
    condition: impl Fn(&MessageRecord) -> bool,
) -> Result<()> {
    let mut edit = MailboxEdit::begin(transaction, mailbox)?;
    for &uid in uids {
        if !message(transaction, mailbox, uid)?.is_some_and(|record| condition(&record)) {
            continue;
        }
        if let Some(record) = edit.remove(transaction, uid)? {
            transaction.release_body(record.body.body);
            gone.push(uid);
        }
    }
    edit.end(transaction)
}

fn change_flags(
    transaction: &mut Transaction<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
    result: &mut FlagsChanged,
) -> Result<()> {
    let mut edit = MailboxEdit::begin(transaction, mailbox)?;
    let flags = match change.mode {
        FlagMode::Set | FlagMode::Add => edit.intern(transaction, &change.flags)?,
        FlagMode::Remove => edit.keywords(transaction)?.compact(&change.flags),
    };
    for &uid in uids {
        let Some(mut record) = message(transaction, mailbox, uid)? else { continue };
        if change.unchanged_since.is_some_and(|since| record.modseq > since) {
            result.refused.push(uid);
            continue;
        }
        let by_name = !record.named.is_empty();
        edit.place(transaction, &mut record)?;
        let new = match change.mode {
            FlagMode::Set => flags,
            FlagMode::Add => record.flags.with(flags),
            FlagMode::Remove => record.flags.without(flags),
        };
        if new != record.flags || by_name {
            record.flags = new;
            edit.replace(transaction, uid, &mut record)?;
        }
        result.messages.push(record.entry(uid, edit.keywords(transaction)?));
    }
    edit.end(transaction)?;
    let account = transaction.counters(mailbox)?.account;
    result.keywords = Arc::new(transaction.dictionary(account, mailbox)?);
    Ok(())
}

/// Writes records of format 1 as this release does, with the keywords that are in `keywords`.
pub(crate) fn convert(
    transaction: &mut Transaction<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    keywords: &KeywordDictionary,
) -> Result<()> {
    let mut edit = MailboxEdit::begin(transaction, mailbox)?;
    edit.keywords = Some(keywords.clone());
    for &uid in uids {
        let Some(mut record) = message(transaction, mailbox, uid)? else { continue };
        let lossless = record.named.iter().all(|keyword| keywords.flag(keyword).is_some());
        record = record.placed(keywords);
        if lossless {
            // No client sees a difference.
            edit.rewrite(transaction, uid, &record)?;
        } else {
            edit.replace(transaction, uid, &mut record)?;
        }
    }
    edit.end(transaction)
}

fn message(transaction: &Transaction<'_>, mailbox: MailboxId, uid: Uid) -> Result<Option<MessageRecord>> {
    transaction.message(mailbox, uid)?.map(|value| decode(&value)).transpose()
}

/// A change of one mailbox: everything in it gets the same new modification sequence, and the counters are kept right.
pub(crate) struct MailboxEdit {
    mailbox: MailboxId,
    before: ModSeq,
    modseq: ModSeq,
    touched: bool,
    /// The mailbox's keywords, with those that this change adds; read when they are first wanted.
    keywords: Option<KeywordDictionary>,
    pub(crate) counters: Counters,
}

impl MailboxEdit {
    pub(crate) fn begin(transaction: &Transaction<'_>, mailbox: MailboxId) -> Result<Self> {
        let counters = transaction.counters(mailbox)?;
        let before = counters.modseq;
        // RFC 7162 section 3.1: 63 bits.
        let modseq = before.0.checked_add(1).filter(|next| *next < 1 << 63).ok_or(Error::MailboxExhausted)?;
        Ok(Self { mailbox, before, modseq: ModSeq(modseq), touched: false, keywords: None, counters })
    }

    /// The mailbox's keywords.
    fn keywords(&mut self, transaction: &Transaction<'_>) -> Result<&mut KeywordDictionary> {
        match &mut self.keywords {
            Some(keywords) => Ok(keywords),
            none => Ok(none.insert(transaction.dictionary(self.counters.account, self.mailbox)?)),
        }
    }

    /// The flags in few bytes; keywords that are new become known with the first message that has them.
    pub(crate) fn intern(&mut self, transaction: &Transaction<'_>, flags: &Flags) -> Result<CompactFlags> {
        if flags.keywords.is_empty() {
            return Ok(flags.system.iter().copied().collect());
        }
        self.keywords(transaction)?.intern(flags).map_err(|_| Error::KeywordsFull)
    }

    /// Gives the keywords that a record of format 1 names their places, as long as there are any.
    fn place(&mut self, transaction: &Transaction<'_>, record: &mut MessageRecord) -> Result<()> {
        for keyword in std::mem::take(&mut record.named) {
            let flag = self.keywords(transaction)?.add(&keyword).unwrap_or_default();
            record.flags = record.flags.with(flag);
        }
        Ok(())
    }

    /// Puts a message of another mailbox, whose keywords are in `source`, under the next UID.
    fn take_over(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut record: MessageRecord,
        source: &KeywordDictionary,
    ) -> Result<Uid> {
        if record.flags.keyword_bits() != 0 || !record.named.is_empty() {
            let mut flags = source.expand(record.flags);
            flags.keywords.extend(std::mem::take(&mut record.named));
            record.flags = self.intern(transaction, &flags)?;
        }
        self.add(transaction, record)
    }

    /// Puts a message under the next UID.
    pub(crate) fn add(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut record: MessageRecord,
    ) -> Result<Uid> {
        let uid = self.counters.uid_next;
        self.counters.uid_next = uid.next().ok_or(Error::MailboxExhausted)?;
        self.counters.messages += 1;
        self.counters.bytes += record.body.size;
        record.modseq = self.modseq;
        self.put(transaction, uid, &record);
        Ok(uid)
    }

    /// Removes a message's record, if it exists, and returns it. Its body stays.
    fn remove(&mut self, transaction: &mut Transaction<'_>, uid: Uid) -> Result<Option<MessageRecord>> {
        let Some(value) = transaction.message(self.mailbox, uid)? else { return Ok(None) };
        let record = decode(&value)?;
        let key = keys::message(self.mailbox, uid);
        self.counters.hash ^= codec::hash(&[&key, &value]);
        self.counters.messages = self.counters.messages.saturating_sub(1);
        self.counters.bytes = self.counters.bytes.saturating_sub(record.body.size);
        transaction.delete(key);
        transaction.note_expunged(self.mailbox, uid, self.modseq, self.before);
        self.touched = true;
        Ok(Some(record))
    }

    fn replace(
        &mut self,
        transaction: &mut Transaction<'_>,
        uid: Uid,
        record: &mut MessageRecord,
    ) -> Result<()> {
        record.modseq = self.modseq;
        self.rewrite(transaction, uid, record)
    }

    /// Replaces a record without counting that as a change of the message.
    fn rewrite(&mut self, transaction: &mut Transaction<'_>, uid: Uid, record: &MessageRecord) -> Result<()> {
        // The bytes as they are, not as this release would write them: a newer one may have added fields.
        let old = transaction.message(self.mailbox, uid)?.ok_or(Error::NoSuchMessage)?;
        self.counters.hash ^= codec::hash(&[&keys::message(self.mailbox, uid), &old]);
        self.put(transaction, uid, record);
        Ok(())
    }

    /// Writes the counters, if there was a change.
    pub(crate) fn end(mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        if !self.touched {
            return Ok(());
        }
        self.counters.modseq = self.modseq;
        if let Some(keywords) = &self.keywords {
            let (key, value) =
                (keys::dictionary(self.counters.account, self.mailbox), encode_dictionary(keywords));
            // Names are only ever added.
            if transaction.value(&key).map_or(0, <[u8]>::len) < value.len() {
                transaction.put(key, value);
            }
        }
        transaction.put_counters(self.mailbox, &self.counters)
    }

    fn put(&mut self, transaction: &mut Transaction<'_>, uid: Uid, record: &MessageRecord) {
        let (key, value) = (keys::message(self.mailbox, uid), record.encode());
        self.counters.hash ^= codec::hash(&[&key, &value]);
        transaction.put(key, value);
        self.touched = true;
    }
}
