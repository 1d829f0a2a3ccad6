//! The words of the store's interface. Everything here is plain data.

use std::fmt;
use std::sync::Arc;

use mail_types::{Address, Day, Flags, ModSeq, Secret, Uid, UidValidity, UnixTime};
use serde::{Deserialize, Serialize};

use crate::error::InviteFlaw;

/// A mailbox, for ever: names may change, ids do not, and no id is used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailboxId(pub(crate) u64);

/// An entry of the outbound queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutboundId(pub(crate) u64);

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
    /// Kept, but nobody can log in.
    Suspended,
}

/// An account as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's address, which is also its login name.
    pub address: Address,
    /// The password's hash, in a form of the caller's choice.
    pub password_hash: Secret,
    /// The day of creation.
    pub created: Day,
    /// The day of the last login.
    pub last_login: Day,
    /// Whether it may be used.
    pub state: AccountState,
}

/// What an account takes of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The sum of the messages' sizes in bytes, each message counted in each of its mailboxes.
    pub bytes: u64,
    /// The number of messages.
    pub messages: u64,
}

/// RFC 6154: what a mailbox is for.
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
    /// Its name; `INBOX` is always spelt like this. The store gives no meaning to separators.
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Never changes.
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

/// One message of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEntry {
    /// The UID.
    pub uid: Uid,
    /// The flags.
    pub flags: Flags,
    /// The size in bytes.
    pub size: u64,
    /// When the server received it.
    pub internal_date: UnixTime,
    /// The modification sequence of its last change.
    pub modseq: ModSeq,
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
    /// All messages by ascending UID.
    pub messages: Arc<[MessageEntry]>,
}

impl Snapshot {
    /// The message with this UID.
    #[must_use]
    pub fn message(&self, uid: Uid) -> Option<&MessageEntry> {
        let position = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(position)
    }
}

/// The UIDs from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    /// The lowest.
    pub first: Uid,
    /// The highest.
    pub last: Uid,
}

/// What happened to a mailbox after a modification sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxChanges {
    /// The mailbox now.
    pub snapshot: Snapshot,
    /// New messages and those with new flags, by ascending UID.
    pub changed: Vec<MessageEntry>,
    /// UIDs that are gone, ascending. When the change lies too far back this holds every UID that the mailbox once
    /// gave out and no longer has, which RFC 7162 section 3.2.5.1 allows.
    pub vanished: Vec<UidRange>,
}

/// Where a message is to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The message's first flags.
    pub flags: Flags,
    /// When the server received it.
    pub internal_date: UnixTime,
    /// Whether the owner's devices are to hear of it.
    pub announce: Announce,
}

/// Whether a new message is a reason to notify the devices that left a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// It is: a notification is pending from the moment the message is durable.
    ToDevices,
    /// It is not: the owner put it there.
    ToNobody,
}

/// What became of one target of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The message is on disk under this UID.
    Stored {
        /// The mailbox's UIDVALIDITY.
        uid_validity: UidValidity,
        /// The UID.
        uid: Uid,
    },
    /// The mailbox was deleted in the meantime.
    NoSuchMailbox,
}

/// What became of a message that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// One for each target, in their order.
    pub delivered: Vec<Delivered>,
    /// One for each outbound draft, in their order.
    pub queued: Vec<OutboundId>,
}

/// How flags are changed (RFC 3501 section 6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// The flags become exactly these.
    Set,
    /// These are added.
    Add,
    /// These are taken away.
    Remove,
}

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub mode: FlagMode,
    /// Which.
    pub flags: Flags,
    /// RFC 7162 UNCHANGEDSINCE: messages with a higher modification sequence are left alone.
    pub unchanged_since: Option<ModSeq>,
}

/// What a change of flags did. UIDs that do not exist appear nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagsChanged {
    /// The messages as they are now, also those that had the flags before (their modification sequence stays).
    pub messages: Vec<MessageEntry>,
    /// The messages that UNCHANGEDSINCE protected.
    pub refused: Vec<Uid>,
}

/// What a copy or a move did (RFC 4315 COPYUID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The destination's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Old and new UID of each message, ascending by both.
    pub uids: Vec<(Uid, Uid)>,
}

/// To what a metadata entry (RFC 5464) belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataScope {
    /// The account (mailbox name "").
    Account,
    /// One mailbox of it.
    Mailbox(MailboxId),
}

/// A token with which a device asked for notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushToken {
    /// The opaque token.
    pub token: String,
    /// When the device last registered it.
    pub registered: UnixTime,
}

/// An account whose devices are still to be notified. There is at most one for each account, since a notification says
/// nothing but that there is mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingPush {
    /// Whose devices.
    pub account: Address,
    /// When the last message came.
    pub since: UnixTime,
    /// Which message that was: a number that no other message has.
    pub message: u64,
}

/// A message for one other server's recipients, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundDraft {
    /// The envelope's sender; none is the null sender of bounces.
    pub sender: Option<Address>,
    /// The envelope's recipients that are still to be served.
    pub recipients: Vec<Address>,
    /// When it was accepted.
    pub created: UnixTime,
    /// When to try next.
    pub due: UnixTime,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last try ended with, for the bounce.
    pub last_reply: String,
}

/// An entry of the outbound queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The entry.
    pub id: OutboundId,
    /// The size of its body in bytes.
    pub size: u64,
    /// Everything else.
    pub draft: OutboundDraft,
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
    /// Why it lets nobody in at this time; nothing, if it does.
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
    /// Bytes that may still be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What opening a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The sequence of the last durable change.
    pub position: u64,
    /// Changes read from the journal.
    pub replayed: u64,
    /// Bytes of unfinished writes that were cut off; a power cut leaves them, and nobody was promised anything.
    pub torn_bytes: u64,
    /// The index was not usable and was made again; a power cut during a checkpoint may cause it.
    pub index_rebuilt: bool,
    /// What was found damaged and how it was repaired, for the owner to know. Empty on a sound disk.
    pub damage: Vec<String>,
}
