//! Changing messages that are there: flags, expunge, copy, move.

use mail_types::{Flags, ModSeq, SystemFlag, Uid};

use crate::codec;
use crate::error::{Error, Result};
use crate::keys;
use crate::pending::Pending;
use crate::records::{Counters, MessageRecord, bounded};
use crate::state::decode;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{FlagChange, FlagMode, FlagsChanged, MailboxId, Moved};

impl Store {
    /// Changes flags of some messages.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`]; see [`Error`] for those of every change.
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
        let (uids, change) = (uids.to_vec(), change.clone());
        self.start(move |transaction| change_flags(transaction, mailbox, &uids, &change))
    }

    /// Removes messages for ever; returns the UIDs that existed.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`]; see [`Error`] for those of every change.
    pub fn expunge(&self, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Uid>> {
        let uids = uids.to_vec();
        self.write(move |transaction| expunge(transaction, mailbox, &uids, |_| true))
    }

    /// Begins to remove for ever those of the messages that have `\Deleted` when their turn comes: another client may have
    /// taken it away. Does not block. The result is the UIDs that were removed.
    pub fn start_expunge_deleted(&self, mailbox: MailboxId, uids: &[Uid]) -> Pending<Vec<Uid>> {
        let uids = uids.to_vec();
        self.start(move |transaction| {
            expunge(transaction, mailbox, &uids, |record| record.flags.has(SystemFlag::Deleted))
        })
    }

    /// Copies messages to a mailbox of any account; bytes are not copied.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`]; see [`Error`] for those of every change.
    pub fn copy(&self, from: MailboxId, uids: &[Uid], to: MailboxId) -> Result<Moved> {
        let uids = sorted(uids);
        self.write(move |transaction| {
            let mut target = MailboxEdit::begin(transaction, to)?;
            let mut copied = Vec::new();
            for uid in uids {
                if let Some(record) = message(transaction, from, uid)? {
                    transaction.share_body(record.body.body, 1);
                    copied.push((uid, target.add(transaction, record)?));
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
    /// [`Error::NoSuchMailbox`], [`Error::MailboxExhausted`]; see [`Error`] for those of every change.
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
    for uid in uids {
        if let Some(record) = source.remove(transaction, *uid)? {
            taken.push((*uid, record));
        }
    }
    source.end(transaction)?;
    let mut target = MailboxEdit::begin(transaction, to)?;
    for (uid, record) in taken {
        moved.push((uid, target.add(transaction, record)?));
    }
    let uid_validity = target.counters.uid_validity;
    target.end(transaction)?;
    Ok(Moved { uid_validity, uids: moved })
}

/// All UIDs of a mailbox.
pub(crate) fn uids(transaction: &Transaction<'_>, mailbox: MailboxId) -> Result<Vec<Uid>> {
    let messages = transaction.messages(mailbox)?;
    Ok(messages.keys().filter_map(|key| keys::parse_message(key)).map(|(_, uid)| uid).collect())
}

fn expunge(
    transaction: &mut Transaction<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    condition: impl Fn(&MessageRecord) -> bool,
) -> Result<Vec<Uid>> {
    let mut edit = MailboxEdit::begin(transaction, mailbox)?;
    let mut gone = Vec::new();
    for &uid in uids {
        if !message(transaction, mailbox, uid)?.is_some_and(|record| condition(&record)) {
            continue;
        }
        if let Some(record) = edit.remove(transaction, uid)? {
            transaction.release_body(record.body.body);
            gone.push(uid);
        }
    }
    edit.end(transaction)?;
    Ok(gone)
}

fn change_flags(
    transaction: &mut Transaction<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
) -> Result<FlagsChanged> {
    let mut edit = MailboxEdit::begin(transaction, mailbox)?;
    let mut result = FlagsChanged::default();
    for uid in sorted(uids) {
        let Some(mut record) = message(transaction, mailbox, uid)? else { continue };
        if change.unchanged_since.is_some_and(|since| record.modseq > since) {
            result.refused.push(uid);
            continue;
        }
        let flags = bounded(changed(&record.flags, change));
        if flags != record.flags {
            record.flags = flags;
            edit.replace(transaction, uid, &mut record)?;
        }
        result.messages.push(record.entry(uid));
    }
    edit.end(transaction)?;
    Ok(result)
}

fn changed(flags: &Flags, change: &FlagChange) -> Flags {
    let mut new = flags.clone();
    match change.mode {
        FlagMode::Set => return change.flags.clone(),
        FlagMode::Add => {
            new.system.extend(change.flags.system.iter().copied());
            new.keywords.extend(change.flags.keywords.iter().cloned());
        }
        FlagMode::Remove => {
            new.system.retain(|flag| !change.flags.system.contains(flag));
            new.keywords.retain(|keyword| !change.flags.keywords.contains(keyword));
        }
    }
    new
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
    pub(crate) counters: Counters,
}

impl MailboxEdit {
    pub(crate) fn begin(transaction: &Transaction<'_>, mailbox: MailboxId) -> Result<Self> {
        let counters = transaction.counters(mailbox)?;
        let before = counters.modseq;
        // RFC 7162 section 3.1: 63 bits.
        let modseq = before.0.checked_add(1).filter(|next| *next < 1 << 63).ok_or(Error::MailboxExhausted)?;
        Ok(Self { mailbox, before, modseq: ModSeq(modseq), touched: false, counters })
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
        // The bytes as they are, not as this release would write them: a newer one may have added fields.
        let old = transaction.message(self.mailbox, uid)?.ok_or(Error::NoSuchMessage)?;
        self.counters.hash ^= codec::hash(&[&keys::message(self.mailbox, uid), &old]);
        record.modseq = self.modseq;
        self.put(transaction, uid, record);
        Ok(())
    }

    /// Writes the counters, if there was a change.
    pub(crate) fn end(mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        if !self.touched {
            return Ok(());
        }
        self.counters.modseq = self.modseq;
        transaction.put_counters(self.mailbox, &self.counters)
    }

    fn put(&mut self, transaction: &mut Transaction<'_>, uid: Uid, record: &MessageRecord) {
        let (key, value) = (keys::message(self.mailbox, uid), record.encode());
        self.counters.hash ^= codec::hash(&[&key, &value]);
        transaction.put(key, value);
        self.touched = true;
    }
}
