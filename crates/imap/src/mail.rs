//! Mailboxes, messages, flags, quota and metadata as plain values, of which questions and answers are made.

use std::sync::Arc;

use mail_types::{CompactFlags, Flags, KeywordDictionary, ModSeq, Uid, UidValidity, UnixTime};

use crate::mailbox_name::MailboxName;

/// The access that a mailbox is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `SELECT`
    ReadWrite,
    /// `EXAMINE`
    ReadOnly,
}

/// Membership of a name in the list of subscribed names (RFC 3501 section 6.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// On the list.
    Subscribed,
    /// Not on the list.
    Unsubscribed,
}

/// Existence of the mailbox that a listed name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// The mailbox exists and can be selected.
    Exists,
    /// Only the name is subscribed: `\NonExistent` (RFC 5258 section 3).
    NameOnly,
}

/// The special use of a mailbox (RFC 6154 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A mailbox as listed (RFC 3501 section 7.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name.
    pub name: MailboxName,
    /// Existence of the mailbox itself.
    pub existence: Existence,
    /// Membership in the list of subscribed names.
    pub subscription: Subscription,
    /// The special use, at most one.
    pub special_use: Option<SpecialUse>,
}

/// The counts and numbers of a mailbox that `STATUS` returns (RFC 3501 section 6.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Number of messages.
    pub messages: u32,
    /// Number of messages with `\Recent`: no session was notified of them yet.
    pub recent: u32,
    /// Number of messages without `\Seen`.
    pub unseen: u32,
    /// Number of messages with `\Deleted`.
    pub deleted: u32,
    /// Sum of the message sizes, in bytes (RFC 8438).
    pub size: u64,
    /// `UIDNEXT`: the UID that the next message will have.
    pub uid_next: Uid,
    /// `UIDVALIDITY`: constant as long as UIDs keep their meaning.
    pub uid_validity: UidValidity,
    /// `HIGHESTMODSEQ`: the modification sequence of the latest change.
    pub highest_modseq: ModSeq,
}

/// The complete state of a mailbox at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `UIDVALIDITY`: constant as long as UIDs keep their meaning.
    pub uid_validity: UidValidity,
    /// `UIDNEXT`: the UID that the next message will have.
    pub uid_next: Uid,
    /// `HIGHESTMODSEQ`: the modification sequence of the latest change.
    pub highest_modseq: ModSeq,
    /// The lowest UID with `\Recent`: no session was notified of messages from here on (RFC 3501 section 2.3.2).
    pub recent_from: Uid,
    /// The names of the messages' keywords.
    pub keywords: Arc<KeywordDictionary>,
    /// All messages, ascending by UID.
    pub messages: Vec<MessageInfo>,
}

/// The attributes of a message that are known without opening it (RFC 3501 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// The UID.
    pub uid: Uid,
    /// All flags; the names of keywords come with the answer.
    pub flags: CompactFlags,
    /// `RFC822.SIZE`, in bytes.
    pub size: u64,
    /// `INTERNALDATE`: the time of arrival, or the date given to `APPEND`.
    pub internal_date: UnixTime,
    /// The modification sequence of the arrival or of the latest change of flags.
    pub modseq: ModSeq,
}

/// The flags of one message, with their modification sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFlags {
    /// The message.
    pub uid: Uid,
    /// All flags; the names of keywords come with the answer.
    pub flags: CompactFlags,
    /// The modification sequence of the latest change of flags.
    pub modseq: ModSeq,
}

/// The changes of a mailbox after some modification sequence (RFC 7162 section 3.2.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxChanges {
    /// The names of the messages' keywords.
    pub keywords: Arc<KeywordDictionary>,
    /// Messages that are new, or whose flags changed, ascending by UID.
    pub changed: Vec<MessageInfo>,
    /// Messages that were expunged.
    pub expunged: Expunged,
    /// `UIDNEXT`: the UID that the next message will have.
    pub uid_next: Uid,
    /// `HIGHESTMODSEQ`: the modification sequence of the latest change.
    pub highest_modseq: ModSeq,
    /// The lowest UID with `\Recent`: no session was notified of messages from here on (RFC 3501 section 2.3.2).
    pub recent_from: Uid,
}

/// The expunged messages, listed or by exclusion; a store may use either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expunged {
    /// UIDs that were expunged; UIDs that the session never saw do no harm.
    These(Vec<Uid>),
    /// All UIDs that are left in the mailbox, ascending; every other message was expunged.
    AllBut(Vec<Uid>),
}

/// The change of flags that `STORE` asks for (RFC 3501 section 6.4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// The treatment of the flags that are set already.
    pub mode: FlagMode,
    /// The flags in the command.
    pub flags: Flags,
}

impl FlagChange {
    /// The flags of a message after the change, with the change's own in few bytes.
    pub(crate) fn applied_to(&self, flags: CompactFlags, own: CompactFlags) -> CompactFlags {
        match self.mode {
            FlagMode::Add => flags.with(own),
            FlagMode::Remove => flags.without(own),
            FlagMode::Replace => own,
        }
    }
}

/// The treatment of flags that are set already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// The resource `STORAGE` of the account's one quota root (RFC 2087 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUsage {
    /// Bytes used.
    pub used: u64,
    /// Bytes allowed; `None` for no limit, of which nothing is reported.
    pub limit: Option<u64>,
}

/// The object that metadata entries belong to (RFC 5464 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataOwner {
    /// The server: mailbox name `""`.
    Server,
    /// A mailbox.
    Mailbox(MailboxName),
}

/// The option `DEPTH` of `GETMETADATA` (RFC 5464 section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataDepth {
    /// The named entries only.
    Zero,
    /// The named entries and those immediately below them.
    One,
    /// The named entries and all below them.
    Infinity,
}
