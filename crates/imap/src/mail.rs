//! What questions and answers are made of: mailboxes, messages, flags, space, annotations, as plain values.

use mail_types::{Flags, ModSeq, Uid, UidValidity, UnixTime};

use crate::mailbox_name::MailboxName;

/// How a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `SELECT`
    ReadWrite,
    /// `EXAMINE`
    ReadOnly,
}

/// Whether a name is on the list of subscribed names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// It is.
    Subscribed,
    /// It is not.
    Unsubscribed,
}

/// Whether a mailbox is there or only its name is on the list of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It can be selected.
    Exists,
    /// Only the name is subscribed.
    NameOnly,
}

/// What a mailbox is for (RFC 6154).
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

/// A mailbox in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its name.
    pub name: MailboxName,
    /// Whether it is there.
    pub existence: Existence,
    /// Whether it is subscribed.
    pub subscription: Subscription,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
}

/// A mailbox at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Number of messages.
    pub messages: u32,
    /// Number of messages that no session was told of.
    pub recent: u32,
    /// Number of messages without `\Seen`.
    pub unseen: u32,
    /// Number of messages with `\Deleted`.
    pub deleted: u32,
    /// Sum of their lengths in bytes.
    pub size: u64,
    /// The UID the next message will have.
    pub uid_next: Uid,
    /// Never changes.
    pub uid_validity: UidValidity,
    /// The modification sequence of the latest change.
    pub highest_modseq: ModSeq,
}

/// A mailbox in full, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Never changes.
    pub uid_validity: UidValidity,
    /// The UID the next message will have.
    pub uid_next: Uid,
    /// The modification sequence of the latest change.
    pub highest_modseq: ModSeq,
    /// Messages from this UID on are new: no session was told of them before.
    pub recent_from: Uid,
    /// All messages, ascending by UID.
    pub messages: Vec<MessageInfo>,
}

/// What is known of a message without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: Flags,
    /// Its length in bytes.
    pub size: u64,
    /// When it arrived.
    pub internal_date: UnixTime,
    /// When it or its flags changed last.
    pub modseq: ModSeq,
}

/// The flags of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFlags {
    /// The message.
    pub uid: Uid,
    /// All its flags.
    pub flags: Flags,
    /// When they changed last.
    pub modseq: ModSeq,
}

/// What happened in a mailbox after some modification sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxChanges {
    /// Messages that are new, or whose flags changed, ascending by UID.
    pub changed: Vec<MessageInfo>,
    /// Messages that are there no more.
    pub expunged: Expunged,
    /// The UID the next message will have.
    pub uid_next: Uid,
    /// The modification sequence of the latest change.
    pub highest_modseq: ModSeq,
    /// Messages from this UID on are new: no session was told of them before.
    pub recent_from: Uid,
}

/// Two ways to say which messages are gone; a store may use whichever it has at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expunged {
    /// These are gone (naming some that the session never saw does no harm).
    These(Vec<Uid>),
    /// Everything is gone but these, ascending: all UIDs of the mailbox.
    AllBut(Vec<Uid>),
}

/// What `STORE` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub mode: FlagMode,
    /// With which flags.
    pub flags: Flags,
}

/// How `STORE` treats the flags that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// The account's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUsage {
    /// Bytes used.
    pub used: u64,
    /// Bytes allowed; without a limit none is reported.
    pub limit: Option<u64>,
}

/// Whose annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataOwner {
    /// The server's: mailbox name `""`.
    Server,
    /// A mailbox's.
    Mailbox(MailboxName),
}

/// RFC 5464 section 4.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataDepth {
    /// Only the entries named.
    Zero,
    /// And those immediately below.
    One,
    /// And all below.
    Infinity,
}
