//! The plain data of the store's interface.

use std::fmt;
use std::sync::Arc;

use mail_types::{Address, Day, Flags, KeywordDictionary, ModSeq, Secret, Uid, UidValidity, UnixTime};
use serde::{Deserialize, Serialize};

use crate::error::InviteFlaw;
use crate::message_list::{MessageEntry, MessageList};

/// A mailbox, for ever: names may change, ids do not, and no id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailboxId(pub(crate) u64);

/// An entry of the outbound queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutboundId(pub u64);

impl fmt::Display for OutboundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// In use.
    #[default]
    Active,
    /// Kept, but a login is refused.
    Suspended,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's address, which is also its login name.
    pub address: Address,
    /// The password's hash, a text whose format is the caller's.
    pub password_hash: Secret,
    /// A text by which a password with full entropy is checked faster, if it has one; its format is the caller's.
    pub minted_verifier: Option<Secret>,
    /// The day of creation.
    pub created: Day,
    /// The day of the last login.
    pub last_login: Day,
    /// Whether the account may be used.
    pub state: AccountState,
}

/// The means to check a new account's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRecord {
    /// The password's hash.
    pub hash: Secret,
    /// The faster check of a password with full entropy.
    pub minted_verifier: Option<Secret>,
}

impl From<Secret> for PasswordRecord {
    fn from(hash: Secret) -> Self {
        Self { hash, minted_verifier: None }
    }
}

/// Bytes that a message or a metadata entry costs beside its content, about: its record is on disk in two exports, a journal
/// and the index, and a small message has a place in memory.
pub const RECORD_BYTES: u64 = 256;

/// The disk space of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The sum of the messages' sizes, each message counted in each of its mailboxes, of the metadata and of the names of
    /// keywords, in bytes, with [`RECORD_BYTES`] for each message, entry and list of keywords.
    pub bytes: u64,
    /// The number of messages.
    pub messages: u64,
}

/// A special-use attribute (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

/// A mailbox and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxInfo {
    /// The mailbox.
    pub id: MailboxId,
    /// The name; `INBOX` is always spelt like this. The store gives no meaning to separators.
    pub name: String,
    /// The special-use attribute.
    pub special_use: Option<SpecialUse>,
    /// The UIDVALIDITY, which never changes.
    pub uid_validity: UidValidity,
    /// The UID that the next message gets.
    pub uid_next: Uid,
    /// The modification sequence of the last change.
    pub highest_modseq: ModSeq,
    /// The number of messages.
    pub messages: u32,
    /// The sum of the messages' sizes in bytes.
    pub bytes: u64,
}

/// A mailbox at one moment; later changes do not touch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The UID that the next message gets.
    pub uid_next: Uid,
    /// The modification sequence of the last change.
    pub highest_modseq: ModSeq,
    /// The names of the messages' keywords.
    pub keywords: Arc<KeywordDictionary>,
    /// All messages.
    pub messages: MessageList,
}

/// The UIDs from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// The lowest UID.
    pub first: Uid,
    /// The highest UID.
    pub last: Uid,
}

/// The changes of a mailbox after a modification sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxChanges {
    /// The mailbox after them.
    pub snapshot: Snapshot,
    /// New messages and those with new flags, by ascending UID.
    pub changed: Vec<MessageEntry>,
    /// UIDs that were expunged, ascending. When the change lies too far back, all UIDs below UIDNEXT that the mailbox does
    /// not hold, which RFC 7162 section 3.2.5.1 allows.
    pub vanished: Vec<UidRange>,
}

/// A destination of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The initial flags.
    pub flags: Flags,
    /// INTERNALDATE (RFC 3501 section 2.3.3).
    pub internal_date: UnixTime,
    /// The time of delivery.
    pub arrived: UnixTime,
    /// Whether the account's devices are notified.
    pub announce: Announce,
}

/// Whether a new message causes a push notification to the account's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// A notification is pending from the moment at which the message is durable.
    ToDevices,
    /// No notification: the account's own client put the message there.
    ToNobody,
}

/// The result of a delivery for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The message is on disk under this UID.
    Stored {
        /// The mailbox's UIDVALIDITY.
        uid_validity: UidValidity,
        /// The UID.
        uid: Uid,
    },
    /// The mailbox does not exist (any more).
    NoSuchMailbox,
}

/// The result of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// A result for each target, in their order.
    pub delivered: Vec<Delivered>,
    /// An id for each outbound draft, in their order.
    pub queued: Vec<OutboundId>,
}

/// The kind of a flag change (RFC 3501 section 6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// `FLAGS`: replaces all flags.
    Set,
    /// `+FLAGS`: adds flags.
    Add,
    /// `-FLAGS`: removes flags.
    Remove,
}

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// The kind of change.
    pub mode: FlagMode,
    /// The flags to set, add or remove.
    pub flags: Flags,
    /// RFC 7162 UNCHANGEDSINCE: messages with a higher modification sequence are left alone.
    pub unchanged_since: Option<ModSeq>,
}

/// The result of a flag change. UIDs that do not exist appear nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsChanged {
    /// The names of the messages' keywords.
    pub keywords: Arc<KeywordDictionary>,
    /// The messages after the change, also those that had the flags before (their modification sequence stays).
    pub messages: Vec<MessageEntry>,
    /// The messages that failed UNCHANGEDSINCE (the MODIFIED response code).
    pub refused: Vec<Uid>,
}

/// The result of a copy or a move (the data of COPYUID, RFC 4315).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The destination's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Old and new UID of each message, ascending by both.
    pub uids: Vec<(Uid, Uid)>,
}

/// The owner of a metadata entry (RFC 5464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataScope {
    /// The account (mailbox name "").
    Account,
    /// One mailbox of it.
    Mailbox(MailboxId),
}

/// A push token that a device has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushToken {
    /// The opaque token.
    pub token: String,
    /// The time of the last registration, at most a day behind.
    pub registered: UnixTime,
}

/// A push notification that is still to be sent. There is at most one for each account, since a notification says nothing
/// but that there is mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingPush {
    /// The account whose devices are notified.
    pub account: Address,
    /// The delivery time of the last message.
    pub since: UnixTime,
    /// The identity of that message, a number that no other message has.
    pub message: u64,
}

/// A message for one other server's recipients, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundDraft {
    /// The envelope sender; `None` is the null sender of bounces.
    pub sender: Option<Address>,
    /// The envelope recipients that are still to be served.
    pub recipients: Vec<Address>,
    /// The time of acceptance.
    pub created: UnixTime,
    /// The time of the next attempt.
    pub due: UnixTime,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The reply to the last attempt, for the bounce.
    pub last_reply: String,
    /// Header fields that go out before the body, which does not have them: the signature (RFC 6376).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

impl OutboundDraft {
    /// A message accepted now, at which no attempt was made; `prefix` goes out before the body.
    #[must_use]
    pub fn new(sender: Option<Address>, recipients: Vec<Address>, prefix: String, now: UnixTime) -> Self {
        let last_reply = String::new();
        Self { sender, recipients, created: now, due: now, attempts: 0, last_reply, prefix }
    }
}

/// An entry of the outbound queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The entry.
    pub id: OutboundId,
    /// The size of its body in bytes.
    pub size: u64,
    /// Envelope and schedule.
    pub draft: OutboundDraft,
}

/// The outbound queue as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboundSummary {
    /// The number of entries.
    pub messages: usize,
    /// The time at which the oldest one was accepted; none for an empty queue.
    pub oldest: Option<UnixTime>,
}

/// An invite: its token, which is not stored, entitles to the creation of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The SHA-256 of the token in hexadecimal, by which the invite is found.
    pub digest: String,
    /// The number of accounts that it may still create.
    pub uses_left: u32,
    /// The time of creation.
    pub created: UnixTime,
    /// The first moment at which it is no longer valid.
    pub expires: UnixTime,
}

impl Invite {
    /// The reason for which the invite cannot be used at this time, if there is one.
    #[must_use]
    pub fn flaw(&self, now: UnixTime) -> Option<InviteFlaw> {
        if self.uses_left == 0 {
            Some(InviteFlaw::UsedUp)
        } else {
            (now >= self.expires).then_some(InviteFlaw::Expired)
        }
    }
}

/// The file system that the store lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Free bytes available to the process (`f_bavail`).
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The findings of opening a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The sequence of the last durable change.
    pub position: u64,
    /// Changes read from the journal.
    pub replayed: u64,
    /// Bytes of unfinished writes that were cut off; a power cut leaves them, and none of them was acknowledged.
    pub torn_bytes: u64,
    /// Whether the index was unusable and was rebuilt; a power cut during a checkpoint may cause that.
    pub index_rebuilt: bool,
    /// Damage and its repair, a sentence each, for the operator. Empty on a sound disk.
    pub damage: Vec<String>,
}
