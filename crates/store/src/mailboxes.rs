//! Mailboxes of an account: names, special uses, subscriptions. Counters change with the messages.

use std::collections::{BTreeMap, BTreeSet};

use mail_types::{Address, ModSeq, Uid, UidValidity, UnixTime};

use crate::error::{Error, Result};
use crate::keys::{self, Key};
use crate::records::{AccountRecord, Counters, MailboxRecord, from_json};
use crate::state::{State, decode};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{MailboxId, MailboxInfo, SpecialUse};

/// Every account has it. RFC 3501 section 5.1: its name is compared without regard to case, all others exactly.
pub(crate) const INBOX: &str = "INBOX";

impl Store {
    /// The account's mailboxes with their counters, by name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn mailboxes(&self, address: &Address) -> Result<Vec<MailboxInfo>> {
        let state = self.read();
        let account = account_id(&state, address)?;
        let mut mailboxes = Vec::new();
        for (key, value) in state.scan(&keys::mailboxes(account)) {
            mailboxes.push(info(&state, key, value)?);
        }
        mailboxes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(mailboxes)
    }

    /// The account's mailbox of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn mailbox(&self, address: &Address, name: &str) -> Result<Option<MailboxInfo>> {
        let name = canonical(name);
        Ok(self.mailboxes(address)?.into_iter().find(|mailbox| mailbox.name == name))
    }

    /// The account's INBOX.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn inbox(&self, address: &Address) -> Result<MailboxId> {
        self.mailbox(address, INBOX)?.map(|inbox| inbox.id).ok_or(Error::Bug("an account has no INBOX"))
    }

    /// Creates a mailbox. Its UIDVALIDITY is larger than that of every mailbox that the account ever had.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::MailboxExists`], [`Error::MailboxExhausted`] when the account has used up its
    /// UIDVALIDITY values; see [`Error`] for those of every change.
    pub fn create_mailbox(
        &self,
        address: &Address,
        name: &str,
        special_use: Option<SpecialUse>,
        now: UnixTime,
    ) -> Result<MailboxId> {
        let (address, name) = (address.clone(), name.to_owned());
        self.write(move |transaction| create(transaction, &address, &name, special_use, now))
    }

    /// Gives a mailbox another name. Renaming INBOX (RFC 3501 section 6.3.5) moves its messages to a new mailbox.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::NoSuchMailbox`], [`Error::MailboxExists`]; see [`Error`] for those of every change.
    pub fn rename_mailbox(&self, address: &Address, from: &str, to: &str, now: UnixTime) -> Result<()> {
        let (address, from, to) = (address.clone(), canonical(from).to_owned(), canonical(to).to_owned());
        self.write(move |transaction| {
            let (key, mut record) = find(transaction, &address, &from)?.ok_or(Error::NoSuchMailbox)?;
            let id = keys::second_number_of(&key)
                .map(MailboxId)
                .ok_or(Error::Bug("a mailbox's key is too short"))?;
            if from == INBOX {
                let new = create(transaction, &address, &to, None, now)?;
                let uids = crate::messages::uids(transaction, id)?;
                crate::messages::move_messages(transaction, id, new, &uids)?;
                return Ok(());
            }
            if find(transaction, &address, &to)?.is_some() {
                return Err(Error::MailboxExists);
            }
            record.name = to;
            transaction.put_json(key, &record)
        })
    }

    /// Gives mailboxes other names, all of them or none: each pair is an old name and its new one. INBOX keeps its name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::NoSuchMailbox`], [`Error::MailboxExists`] also when two get one name,
    /// [`Error::InboxIsFixed`]; see [`Error`] for those of every change.
    pub fn rename_mailboxes(&self, address: &Address, names: BTreeMap<String, String>) -> Result<()> {
        let (address, mut left) = (address.clone(), names);
        if left.keys().any(|name| canonical(name) == INBOX) {
            return Err(Error::InboxIsFixed);
        }
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            let (mut taken, mut renamed) = (BTreeSet::new(), Vec::new());
            for (key, value) in transaction.scan(&keys::mailboxes(account)) {
                let record: MailboxRecord = from_json(value)?;
                let new = left.remove(&record.name);
                let name = new.as_deref().map_or(record.name.as_str(), canonical).to_owned();
                if !taken.insert(name.clone()) {
                    return Err(Error::MailboxExists);
                }
                if new.is_some() {
                    renamed.push((key.clone(), MailboxRecord { name, ..record }));
                }
            }
            if !left.is_empty() {
                return Err(Error::NoSuchMailbox);
            }
            renamed.iter().try_for_each(|(key, record)| transaction.put_json(key.clone(), record))
        })
    }

    /// Deletes a mailbox with its messages.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::NoSuchMailbox`], [`Error::InboxIsFixed`]; see [`Error`] for those of every change.
    pub fn delete_mailbox(&self, address: &Address, name: &str) -> Result<()> {
        let (address, name) = (address.clone(), canonical(name).to_owned());
        if name == INBOX {
            return Err(Error::InboxIsFixed);
        }
        self.write(move |transaction| {
            let (key, _) = find(transaction, &address, &name)?.ok_or(Error::NoSuchMailbox)?;
            let account = transaction.account_id(&address)?;
            let id = keys::second_number_of(&key).ok_or(Error::Bug("a mailbox's key is too short"))?;
            delete(transaction, account, MailboxId(id))
        })
    }

    /// The names that the account has subscribed to, sorted. RFC 3501 section 6.3.6: a name stays subscribed when its
    /// mailbox is deleted or renamed.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn subscriptions(&self, address: &Address) -> Result<BTreeSet<String>> {
        let state = self.read();
        let prefix = keys::subscriptions(account_id(&state, address)?);
        let name = |(key, _): (&Key, &Vec<u8>)| keys::text_after(key, &prefix);
        let names = state.scan(&prefix).map(name).collect::<Option<_>>();
        names.ok_or(Error::Bug("a subscription's key is no text"))
    }

    /// Subscribes to a name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn subscribe(&self, address: &Address, name: &str) -> Result<()> {
        let (address, name) = (address.clone(), name.to_owned());
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            subscribe(transaction, account, &name);
            Ok(())
        })
    }

    /// Removes a subscription; it need not exist.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn unsubscribe(&self, address: &Address, name: &str) -> Result<()> {
        let (address, name) = (address.clone(), canonical(name).to_owned());
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            transaction.delete(keys::subscription(account, &name));
            Ok(())
        })
    }
}

/// `INBOX` in its one spelling; every other name as it is.
fn canonical(name: &str) -> &str {
    if name.eq_ignore_ascii_case(INBOX) { INBOX } else { name }
}

pub(crate) fn subscribe(transaction: &mut Transaction<'_>, account: u64, name: &str) {
    transaction.put(keys::subscription(account, canonical(name)), Vec::new());
}

pub(crate) fn create(
    transaction: &mut Transaction<'_>,
    address: &Address,
    name: &str,
    special_use: Option<SpecialUse>,
    now: UnixTime,
) -> Result<MailboxId> {
    let name = canonical(name);
    if find(transaction, address, name)?.is_some() {
        return Err(Error::MailboxExists);
    }
    let account = transaction.account_id(address)?;
    let id = MailboxId(transaction.fresh_id()?);
    let uid_validity = next_uid_validity(transaction, address, now)?;
    let record = MailboxRecord { name: name.to_owned(), special_use };
    transaction.put_json(keys::mailbox(account, id), &record)?;
    transaction.put(keys::counters(id), empty_counters(account, uid_validity).encode());
    Ok(id)
}

/// The next UIDVALIDITY of an account: the time, so that a box that was reset does not repeat one, but always larger
/// than every one before.
fn next_uid_validity(
    transaction: &mut Transaction<'_>,
    address: &Address,
    now: UnixTime,
) -> Result<UidValidity> {
    let mut record = transaction.account(address)?.ok_or(Error::NoSuchAccount)?;
    let AccountRecord::Account { last_uid_validity, .. } = &mut record else {
        return Err(Error::NoSuchAccount);
    };
    let time = u32::try_from(now.0).unwrap_or(0);
    let next = last_uid_validity.checked_add(1).ok_or(Error::MailboxExhausted)?.max(time);
    *last_uid_validity = next;
    transaction.put_json(keys::account(address), &record)?;
    UidValidity::new(next).ok_or(Error::Bug("a UIDVALIDITY is zero"))
}

/// The counters of a new, empty mailbox.
fn empty_counters(account: u64, uid_validity: UidValidity) -> Counters {
    Counters {
        account,
        uid_validity,
        uid_next: Uid::FIRST,
        // RFC 7162 section 3.1.2.1: modification sequences are positive.
        modseq: ModSeq(1),
        messages: 0,
        bytes: 0,
        hash: 0,
    }
}

/// Deletes a mailbox with its messages and metadata, and records the change for its watchers.
pub(crate) fn delete(transaction: &mut Transaction<'_>, account: u64, mailbox: MailboxId) -> Result<()> {
    transaction.note_change(mailbox, account)?;
    let mut messages = Vec::new();
    transaction.visit_messages(mailbox, |key, value| {
        messages.push((key.to_vec(), decode(value)?.body.body));
        Ok(())
    })?;
    for (key, body) in messages {
        transaction.release_body(body);
        transaction.delete(key);
    }
    transaction.delete_all(&keys::metadata_of(account, mailbox.0));
    let dictionary = keys::dictionary(account, mailbox);
    if transaction.value(&dictionary).is_some() {
        transaction.delete(dictionary);
    }
    transaction.delete(keys::counters(mailbox));
    transaction.delete(keys::mailbox(account, mailbox));
    Ok(())
}

fn find(
    transaction: &Transaction<'_>,
    address: &Address,
    name: &str,
) -> Result<Option<(Key, MailboxRecord)>> {
    let account = transaction.account_id(address)?;
    for (key, value) in transaction.scan(&keys::mailboxes(account)) {
        let record: MailboxRecord = from_json(value)?;
        if record.name == name {
            return Ok(Some((key.clone(), record)));
        }
    }
    Ok(None)
}

/// The id behind an address in the published state.
pub(crate) fn account_id(state: &State, address: &Address) -> Result<u64> {
    match state.value(&keys::account(address)).map(from_json).transpose()? {
        Some(AccountRecord::Account { id, .. }) => Ok(id),
        Some(AccountRecord::Retired { .. }) | None => Err(Error::NoSuchAccount),
    }
}

fn info(state: &State, key: &Key, value: &[u8]) -> Result<MailboxInfo> {
    let record: MailboxRecord = from_json(value)?;
    let id = keys::second_number_of(key).map(MailboxId).ok_or(Error::Bug("a mailbox's key is too short"))?;
    let counters = state.counters(id)?;
    Ok(MailboxInfo {
        id,
        name: record.name,
        special_use: record.special_use,
        uid_validity: counters.uid_validity,
        uid_next: counters.uid_next,
        highest_modseq: counters.modseq,
        messages: counters.messages,
        bytes: counters.bytes,
    })
}
