//! Whether the store holds exactly what the model says, down to the last byte of the last message.

use std::collections::BTreeMap;
use std::io::Read;

use mail_types::Address;
use store::{MailboxInfo, MetadataScope, Store};

use crate::Trouble;
use crate::model::{Content, Mailbox, Model};
use crate::steps::{flags_of, queue, time_of};

/// Compares numbers only: enough to find where a stream stands, since no two steps give the same ones.
pub(crate) fn probably_equals(model: &Model, store: &Store) -> Result<bool, Trouble> {
    for account in 0..2 {
        let address: Address = model.address(account).parse()?;
        let exists = store.account(&address)?.is_some();
        if exists != (account < model.accounts) {
            return Ok(false);
        }
        if !exists {
            continue;
        }
        let found = store.mailboxes(&address)?;
        let expected: BTreeMap<_, _> = mailboxes_of(model, account);
        let same = |info: &MailboxInfo| {
            expected.get(info.name.as_str()).is_some_and(|mailbox| numbers(info) == expected_numbers(mailbox))
        };
        if found.len() != expected.len() || !found.iter().all(same) {
            return Ok(false);
        }
    }
    if model.accounts == 0 {
        return Ok(true);
    }
    Ok(metadata(model, store)? == model.metadata
        && attempts(model, store)? == expected_attempts(model)
        && device_is(model, store)?)
}

/// The first difference, if there is any.
pub(crate) fn difference(model: &Model, store: &Store) -> Result<Option<String>, Trouble> {
    let at = model.sequence();
    if !probably_equals(model, store)? {
        return Ok(Some(format!("at {at} names or numbers differ")));
    }
    for account in 0..model.accounts {
        let address: Address = model.address(account).parse()?;
        for (name, mailbox) in mailboxes_of(model, account) {
            if let Some(difference) = mailbox_difference(store, &address, name, mailbox)? {
                return Ok(Some(format!("at {at} account {account} mailbox {name}: {difference}")));
            }
        }
    }
    if model.accounts > 0 {
        for (found, expected) in queue(store, &model.address(0).parse()?)?.iter().zip(&model.queue) {
            let mut bytes = Vec::new();
            store.outbound_body(found.id)?.read_to_end(&mut bytes)?;
            if bytes != expected.content.bytes() {
                return Ok(Some(format!("at {at} queued message {} differs", expected.content.id)));
            }
        }
    }
    Ok(None)
}

fn mailbox_difference(
    store: &Store,
    address: &Address,
    name: &str,
    expected: &Mailbox,
) -> Result<Option<String>, Trouble> {
    let info = store.mailbox(address, name)?.ok_or("it vanished")?;
    let snapshot = store.snapshot(info.id)?;
    if snapshot.messages.len() != expected.messages.len() {
        return Ok(Some(format!("{} messages, not {}", snapshot.messages.len(), expected.messages.len())));
    }
    for (found, (uid, message)) in snapshot.messages.iter().zip(&expected.messages) {
        if found.uid.get() != *uid
            || found.modseq.0 != message.modseq
            || snapshot.keywords.expand(found.flags) != flags_of(message.flags)?
        {
            return Ok(Some(format!("{found:?} is not {uid} {message:?}")));
        }
        if let Some(difference) = body_difference(store, &info, found.uid, message.content)? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn body_difference(
    store: &Store,
    mailbox: &MailboxInfo,
    uid: mail_types::Uid,
    expected: Content,
) -> Result<Option<String>, Trouble> {
    let mut bytes = Vec::new();
    let read = store.body(mailbox.id, uid).map_err(Trouble::from);
    let read = read.and_then(|mut reader| Ok(reader.read_to_end(&mut bytes)?));
    Ok(match read {
        Err(trouble) => Some(format!("message {} cannot be read: {trouble}", uid.get())),
        Ok(_) if bytes != expected.bytes() => Some(format!("message {} has another text", uid.get())),
        Ok(_) => None,
    })
}

fn mailboxes_of(model: &Model, account: usize) -> BTreeMap<&str, &Mailbox> {
    let own = model.mailboxes.iter().filter(|((owner, _), _)| *owner == account);
    own.map(|((_, name), mailbox)| (name.as_str(), mailbox)).collect()
}

fn numbers(info: &MailboxInfo) -> (u32, u32, u64, usize, u64) {
    let count = usize::try_from(info.messages).unwrap_or(usize::MAX);
    (info.uid_validity.get(), info.uid_next.get(), info.highest_modseq.0, count, info.bytes)
}

fn expected_numbers(mailbox: &Mailbox) -> (u32, u32, u64, usize, u64) {
    let bytes: usize = mailbox.messages.values().map(|message| message.content.size).sum();
    (mailbox.uid_validity, mailbox.uid_next, mailbox.modseq, mailbox.messages.len(), bytes as u64)
}

fn metadata(model: &Model, store: &Store) -> Result<BTreeMap<String, String>, Trouble> {
    let entries = store.metadata_entries(&model.address(0).parse()?, MetadataScope::Account)?;
    Ok(entries
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect())
}

/// Whether the device is known, and is to be notified of the right message.
fn device_is(model: &Model, store: &Store) -> Result<bool, Trouble> {
    let address = model.address(0).parse()?;
    let pending = store.pending_push(&address)?.map(|push| push.since);
    let known = store.push_tokens(&address)?.len();
    Ok(known == usize::from(model.device.is_some())
        && pending == model.device.and_then(|device| device.pending).map(time_of))
}

fn attempts(model: &Model, store: &Store) -> Result<Vec<(u32, u64)>, Trouble> {
    let queue = queue(store, &model.address(0).parse()?)?;
    Ok(queue.iter().map(|entry| (entry.draft.attempts, entry.size)).collect())
}

fn expected_attempts(model: &Model) -> Vec<(u32, u64)> {
    model.queue.iter().map(|queued| (queued.attempts, queued.content.size as u64)).collect()
}
