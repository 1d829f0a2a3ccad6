//! What a session and its driver say to each other: plain values, protocol words, no store types.
//!
//! The driver owns the socket, the clock and the store. It feeds [`Input`]s, takes [`Output`]s until there are
//! none, and replies to every [`Question`] with exactly one [`Answer`]. Nothing here knows how mail is kept.

use std::ops::Range;
use std::time::Instant;

use mail_types::{Flags, ModSeq, Secret, Uid, UidValidity, UnixTime};

use crate::mail::{
    Access, FlagChange, Mailbox, MailboxChanges, MailboxStatus, MessageFlags, MetadataDepth, MetadataOwner,
    QuotaUsage, Snapshot, SpecialUse, Subscription,
};
use crate::mailbox_name::MailboxName;

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the client. Give them only while [`Session::wants_input`](crate::Session::wants_input) holds.
    Bytes(&'a [u8]),
    /// The reply to the question that is open.
    Answer(Answer),
    /// Something may have changed in the mailbox that was opened last: an edge, without content, that may be
    /// given too often but never too late. The session asks for [`Question::Changes`] when it may use them.
    MailboxChanged,
    /// The TLS handshake asked for by [`Output::StartTls`] has been completed.
    TlsStarted,
    /// The time given by the last [`Output::WakeAt`] has come (or earlier; that does no harm).
    Tick,
    /// The server is going down: the session takes its leave.
    Shutdown,
    /// The client has closed its side, or the connection broke.
    Closed,
}

/// Something to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the client.
    Send(Vec<u8>),
    /// Copy this range of the message opened last by [`Question::OpenMessage`] to the client, byte for byte.
    /// Its length has been announced already: when it cannot be read in full, break the connection.
    SendMessage(Range<u64>),
    /// Add these bytes to the message being appended (see [`Question::AppendBegin`]).
    Spool(Vec<u8>),
    /// Throw away the message being appended; no answer is expected.
    DiscardSpool,
    /// Ask somebody who knows and come back with [`Input::Answer`]. Nothing more comes until then.
    Ask(Question),
    /// Give an [`Input::Tick`] at this time. A later `WakeAt` replaces an earlier one.
    WakeAt(Instant),
    /// Write all that was sent so far, then begin the TLS handshake, then give [`Input::TlsStarted`].
    StartTls,
    /// Write all that was sent so far, then close the connection. The session is over.
    Close,
}

/// What a session needs to know from outside; at most one question is open at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May this person come in? → [`Answer::Authenticated`]. All later questions are about this account.
    Authenticate {
        /// The name as the client wrote it.
        user: String,
        /// The password as the client wrote it.
        password: Secret,
    },
    /// Which mailboxes are there? → [`Answer::Mailboxes`]
    ListMailboxes,
    /// Make a mailbox (missing parents need not be made). → [`Answer::Done`]
    CreateMailbox {
        /// The new name.
        mailbox: MailboxName,
        /// The role asked for by `CREATE ... (USE (...))`.
        special_use: Option<SpecialUse>,
    },
    /// Delete a mailbox and the messages in it. → [`Answer::Done`]
    DeleteMailbox(MailboxName),
    /// Rename a mailbox and everything below it; of INBOX, move the messages only. → [`Answer::Done`]
    RenameMailbox {
        /// The old name.
        from: MailboxName,
        /// The new name.
        to: MailboxName,
    },
    /// Add to or take from the list of subscribed names, which need not exist. → [`Answer::Done`]
    Subscribe {
        /// The name.
        mailbox: MailboxName,
        /// On the list or off it.
        subscription: Subscription,
    },
    /// How many messages and so on? → [`Answer::Status`]
    Status(MailboxName),
    /// Open a mailbox, to be told of its changes from now on. → [`Answer::Opened`]. Its new messages then count as
    /// told of, unless it is opened for reading only (RFC 3501 section 2.3.2).
    OpenMailbox {
        /// Its name.
        mailbox: MailboxName,
        /// `SELECT` or `EXAMINE`.
        access: Access,
    },
    /// The mailbox opened last is no longer selected; its changes are of no interest now. → [`Answer::Done`]
    LeaveMailbox,
    /// What has happened in a mailbox after the modification sequence `since`? → [`Answer::Changes`]. New messages
    /// count as told of, as with [`Self::OpenMailbox`].
    Changes {
        /// The open mailbox.
        mailbox: MailboxName,
        /// How it was opened.
        access: Access,
        /// The last state known.
        since: ModSeq,
    },
    /// Open one message for reading and keep it open (also when it is expunged meanwhile) until the next one is
    /// opened or another mailbox is. → [`Answer::Message`], or [`CommandFailure::Gone`]
    OpenMessage {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The message.
        uid: Uid,
        /// Bytes of its beginning to send along with the answer, at most [`HEAD_LIMIT`].
        head: u32,
    },
    /// Read from the open message; at most [`READ_LIMIT`] bytes. → [`Answer::Bytes`], all of them.
    ReadMessage(Range<u64>),
    /// A message is about to be appended: is there room? → [`Answer::Done`], after which [`Output::Spool`]
    /// brings exactly `size` bytes, then [`Question::AppendCommit`] or [`Output::DiscardSpool`] follows.
    AppendBegin {
        /// Where it goes.
        mailbox: MailboxName,
        /// Its flags.
        flags: Flags,
        /// Its internal date, if the client gave one.
        date: Option<UnixTime>,
        /// Its length in bytes.
        size: u64,
    },
    /// Make the spooled message durable and visible. → [`Answer::Appended`]
    AppendCommit,
    /// Change flags. → [`Answer::Stored`]
    StoreFlags {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The messages, ascending; those that are gone are left out of the answer.
        uids: Vec<Uid>,
        /// What to do.
        change: FlagChange,
        /// Leave messages alone that changed after this (RFC 7162 section 3.1.3).
        unchanged_since: Option<ModSeq>,
    },
    /// Remove the messages that are flagged `\Deleted` for good. → [`Answer::Expunged`]
    Expunge {
        /// The open mailbox.
        mailbox: MailboxName,
        /// Which of them, ascending.
        uids: Vec<Uid>,
    },
    /// Copy messages, all or none. → [`Answer::Copied`]
    Copy {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The messages, ascending; those that are gone are left out of the answer.
        uids: Vec<Uid>,
        /// Where to.
        to: MailboxName,
    },
    /// Move messages, all or none. → [`Answer::Copied`]
    Move {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The messages, ascending; those that are gone are left out of the answer.
        uids: Vec<Uid>,
        /// Where to.
        to: MailboxName,
    },
    /// How much of the account's space is used? → [`Answer::Quota`]
    Quota,
    /// Read annotations (RFC 5464). → [`Answer::Metadata`]
    ReadMetadata {
        /// A mailbox, or the server itself.
        of: MetadataOwner,
        /// Entry names, lower-cased.
        entries: Vec<String>,
        /// Whether entries below those are wanted too.
        depth: MetadataDepth,
    },
    /// Write annotations; a value of `None` removes one. → [`Answer::Done`]
    WriteMetadata {
        /// A mailbox, or the server itself.
        of: MetadataOwner,
        /// Entry names, lower-cased, with their new values.
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
}

/// The reply to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, and durable.
    Done,
    /// Nothing was done, for this reason. A possible reply to every question.
    Failed(CommandFailure),
    /// The password is right (or the account is new now).
    Authenticated,
    /// All mailboxes, and all subscribed names.
    Mailboxes(Vec<Mailbox>),
    /// A mailbox at a glance.
    Status(MailboxStatus),
    /// A mailbox in full.
    Opened(Snapshot),
    /// What happened since.
    Changes(MailboxChanges),
    /// The message is open.
    Message {
        /// Its length in bytes.
        size: u64,
        /// The first bytes: as many as asked for, or the whole message if it is shorter.
        head: Vec<u8>,
    },
    /// What was read.
    Bytes(Vec<u8>),
    /// The message is in the mailbox, and durable.
    Appended {
        /// The target's.
        uid_validity: UidValidity,
        /// The new message's.
        uid: Uid,
    },
    /// The flags are changed, and durable.
    Stored {
        /// The messages' flags as they are now, ascending by UID.
        messages: Vec<MessageFlags>,
        /// Messages left alone because of `unchanged_since`.
        modified: Vec<Uid>,
    },
    /// The messages are gone, durably.
    Expunged {
        /// Which, ascending.
        uids: Vec<Uid>,
        /// The mailbox's highest modification sequence after that.
        highest_modseq: ModSeq,
    },
    /// The messages are copied or moved, durably.
    Copied {
        /// The target's.
        uid_validity: UidValidity,
        /// Old and new UID, ascending.
        uids: Vec<(Uid, Uid)>,
    },
    /// The account's space.
    Quota(QuotaUsage),
    /// Values by entry name. Entries that are not listed have no value.
    Metadata(Vec<(String, Option<Vec<u8>>)>),
}

/// The reason for a tagged `NO` (RFC 9051 section 7.1.2), each with its response code (RFC 5530).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFailure {
    /// The name or the password is wrong, or there is no such account and none may be created:
    /// `AUTHENTICATIONFAILED`.
    #[error("name or password is wrong")]
    WrongPassword,
    /// The name does not belong to this server: `AUTHENTICATIONFAILED`, with a text of its own.
    #[error("no account of this server")]
    ForeignName,
    /// A fault of the server (disk, load, start-up), after which the client may try again: `UNAVAILABLE`.
    #[error("the server is in trouble")]
    Unavailable,
    /// There is no such mailbox: `NONEXISTENT`, or `TRYCREATE` where the mailbox is a target.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// There is such a mailbox already: `ALREADYEXISTS`.
    #[error("the mailbox exists already")]
    MailboxExists,
    /// The mailbox has children, is INBOX, or otherwise must stay as it is: `CANNOT`.
    #[error("this cannot be done with this mailbox")]
    NotPossible,
    /// The message is no longer there: `EXPUNGEISSUED`.
    #[error("the message is gone")]
    Gone,
    /// The account's quota is used up: `OVERQUOTA`.
    #[error("the account is full")]
    OverQuota,
    /// A single thing is too big, or one too many: `LIMIT`.
    #[error("over a limit of the server")]
    Limit,
    /// The account may not do this: `NOPERM`.
    #[error("not permitted")]
    NotPermitted,
}

/// The most that [`Question::OpenMessage`] asks for at once, in bytes.
pub const HEAD_LIMIT: u32 = 65_536;
/// The most that [`Question::ReadMessage`] asks for at once, in bytes.
pub const READ_LIMIT: u64 = 1_048_576;
