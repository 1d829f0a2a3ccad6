//! The key space: one letter names the table, then the parts that identify a record, big-endian so that they sort.
//!
//! Tables are never renumbered, and a release that does not know a table carries its records along.

use std::collections::BTreeMap;

use mail_types::{Address, Uid};

use crate::types::{MailboxId, OutboundId};

/// A record's key.
pub(crate) type Key = Vec<u8>;

/// Records put (`Some`) and deleted (`None`).
pub(crate) type Edits = BTreeMap<Key, Option<Vec<u8>>>;

/// The table of messages, the only one whose records live in the index instead of in memory.
pub(crate) const MESSAGES: u8 = b'm';

/// Account record by address.
pub(crate) fn account(address: &Address) -> Key {
    text(b'A', &address.to_string())
}

/// All account records.
pub(crate) const ACCOUNTS: &[u8] = b"A";

/// Address by account id.
pub(crate) fn account_name(account: u64) -> Key {
    number(b'a', account)
}

/// A mailbox's name and properties.
pub(crate) fn mailbox(account: u64, mailbox: MailboxId) -> Key {
    pair(b'B', account, mailbox.0)
}

/// All mailboxes of an account.
pub(crate) fn mailboxes(account: u64) -> Key {
    number(b'B', account)
}

/// A subscribed name (RFC 3501 section 6.3.6); there need not be such a mailbox.
pub(crate) fn subscription(account: u64, name: &str) -> Key {
    let mut key = subscriptions(account);
    key.extend_from_slice(name.as_bytes());
    key
}

/// All names that an account has subscribed to.
pub(crate) fn subscriptions(account: u64) -> Key {
    number(b'U', account)
}

/// A mailbox's counters, with its account.
pub(crate) fn counters(mailbox: MailboxId) -> Key {
    number(b'C', mailbox.0)
}

/// All counters.
pub(crate) const COUNTERS: &[u8] = b"C";

/// The table of small bodies' places. It is in exports only; in journals the bodies themselves are the places.
pub(crate) const PLACES: u8 = b'L';

/// A small body's place.
pub(crate) fn place(body: u64) -> Key {
    number(PLACES, body)
}

/// A message.
pub(crate) fn message(mailbox: MailboxId, uid: Uid) -> Key {
    let mut key = messages(mailbox);
    key.extend_from_slice(&uid.get().to_be_bytes());
    key
}

/// All messages of a mailbox.
pub(crate) fn messages(mailbox: MailboxId) -> Key {
    number(MESSAGES, mailbox.0)
}

/// The mailbox and UID in a key of the messages' table.
pub(crate) fn parse_message(key: &[u8]) -> Option<(MailboxId, Uid)> {
    let mut fields = key.strip_prefix(&[MESSAGES])?;
    let mailbox = u64::from_be_bytes(*fields.split_off(..8)?.as_array()?);
    let uid = u32::from_be_bytes(*fields.as_array()?);
    Some((MailboxId(mailbox), Uid::new(uid)?))
}

/// A mailbox's dictionary of keywords.
pub(crate) fn dictionary(account: u64, mailbox: MailboxId) -> Key {
    pair(DICTIONARIES, account, mailbox.0)
}

/// The table of the mailboxes' dictionaries of keywords.
pub(crate) const DICTIONARIES: u8 = b'K';

/// The table of metadata entries.
pub(crate) const METADATA: u8 = b'D';

/// A metadata entry; mailbox 0 is the account itself.
pub(crate) fn metadata(account: u64, mailbox: u64, entry: &str) -> Key {
    let mut key = pair(METADATA, account, mailbox);
    key.extend_from_slice(entry.as_bytes());
    key
}

/// All metadata entries of a mailbox (0: of the account itself).
pub(crate) fn metadata_of(account: u64, mailbox: u64) -> Key {
    pair(METADATA, account, mailbox)
}

/// All metadata entries of an account and its mailboxes.
pub(crate) fn metadata_of_account(account: u64) -> Key {
    number(METADATA, account)
}

/// A push token.
pub(crate) fn push_token(account: u64, token: &str) -> Key {
    let mut key = push_tokens(account);
    key.extend_from_slice(token.as_bytes());
    key
}

/// All push tokens of an account.
pub(crate) fn push_tokens(account: u64) -> Key {
    number(b'P', account)
}

/// An account's pending push.
pub(crate) fn pending_push(account: u64) -> Key {
    number(b'N', account)
}

/// All pending pushes.
pub(crate) const PENDING_PUSHES: &[u8] = b"N";

/// An entry of the outbound queue.
pub(crate) fn outbound(id: OutboundId) -> Key {
    number(b'Q', id.0)
}

/// The outbound queue.
pub(crate) const OUTBOUND: &[u8] = b"Q";

/// An invite by the digest of its token.
pub(crate) fn invite(digest: &str) -> Key {
    text(b'I', digest)
}

/// All invites.
pub(crate) const INVITES: &[u8] = b"I";

/// A setting.
pub(crate) fn setting(name: &str) -> Key {
    text(b'S', name)
}

/// All bodies that several records share.
pub(crate) const SHARED: &[u8] = b"R";

/// The number of records that share a body, when it is more than one.
pub(crate) fn shared_body(body: u64) -> Key {
    number(b'R', body)
}

/// The number behind the table's letter.
pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    key.get(1..9)?.as_array().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The second number behind the table's letter.
pub(crate) fn second_number_of(key: &[u8]) -> Option<u64> {
    key.get(9..17)?.as_array().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The text that a key ends with, behind a prefix.
pub(crate) fn text_after(key: &[u8], prefix: &[u8]) -> Option<String> {
    String::from_utf8(key.strip_prefix(prefix)?.to_vec()).ok()
}

fn text(table: u8, text: &str) -> Key {
    let mut key = vec![table];
    key.extend_from_slice(text.as_bytes());
    key
}

fn number(table: u8, number: u64) -> Key {
    let mut key = vec![table];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn pair(table: u8, first: u64, second: u64) -> Key {
    let mut key = number(table, first);
    key.extend_from_slice(&second.to_be_bytes());
    key
}
