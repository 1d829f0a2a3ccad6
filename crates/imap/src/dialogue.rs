//! Inputs, outputs, questions and answers between a session and its driver: plain values in protocol words.
//!
//! The driver owns the socket, the clock and the store. It feeds [`Input`]s, takes [`Output`]s until there are
//! none, and replies to every [`Question`] with exactly one [`Answer`]. No type of a store appears here.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use mail_types::{Flags, KeywordDictionary, ModSeq, Secret, Uid, UidValidity, UnixTime};

use crate::mail::{
    Access, FlagChange, Mailbox, MailboxChanges, MailboxStatus, MessageFlags, MetadataDepth, MetadataOwner,
    QuotaUsage, Snapshot, SpecialUse, Subscription,
};
use crate::mailbox_name::MailboxName;

/// An event that the driver reports.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the client. Give them only while [`Session::wants_input`](crate::Session::wants_input) holds.
    Bytes(&'a [u8]),
    /// The reply to the question that is open.
    Answer(Answer),
    /// The mailbox that was opened last may have changed: an edge, without content, that may be given too often
    /// but never too late. The session asks [`Question::Changes`] as soon as it may send updates.
    MailboxChanged,
    /// The TLS handshake asked for by [`Output::StartTls`] has been completed.
    TlsStarted,
    /// The time given by the last [`Output::WakeAt`] has come (or earlier; that does no harm).
    Tick,
    /// The server is being stopped: the session sends `BYE` and closes.
    Shutdown,
    /// The server needs the connection's place: the session sends `BYE` and closes.
    MakeRoom,
    /// The client has closed its side, or the connection broke.
    Closed,
}

/// An action for the driver, to be carried out in the order of [`Session::poll`](crate::Session::poll).
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the client.
    Send(Vec<u8>),
    /// Copy this range of the message opened last by [`Question::OpenMessage`] to the client, byte for byte.
    /// Its length has been announced already: when it cannot be read in full, break the connection.
    SendMessage(Range<u64>),
    /// Add these bytes to the message being appended (see [`Question::AppendBegin`]).
    Spool(Vec<u8>),
    /// Discard the message being appended; no answer is expected.
    DiscardSpool,
    /// Answer this question with [`Input::Answer`]. Nothing more comes until then.
    Ask(Question),
    /// Give an [`Input::Tick`] at this time. A later `WakeAt` replaces an earlier one.
    WakeAt(Instant),
    /// Write all that was sent so far, then begin the TLS handshake, then give [`Input::TlsStarted`].
    StartTls,
    /// Write all that was sent so far, then close the connection. The session is over.
    Close,
}

/// A question about the account or its mail; at most one is open at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Verify a name and a password. → [`Answer::Authenticated`]. All later questions are about this account.
    Authenticate {
        /// The name as the client wrote it.
        user: String,
        /// The password as the client wrote it.
        password: Secret,
    },
    /// List all mailboxes and all subscribed names. → [`Answer::Mailboxes`]
    ListMailboxes,
    /// Create a mailbox (missing superior names need not be created). → [`Answer::Done`]
    CreateMailbox {
        /// The new name.
        mailbox: MailboxName,
        /// The special use asked for by `CREATE ... (USE (...))` (RFC 6154 section 3).
        special_use: Option<SpecialUse>,
    },
    /// Delete a mailbox and the messages in it. → [`Answer::Done`]
    DeleteMailbox(MailboxName),
    /// Rename a mailbox and all inferior names, or these alone where the name is only superior to others; of INBOX, move
    /// the messages only (RFC 3501 section 6.3.5). → [`Answer::Done`]
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
        /// `SUBSCRIBE` or `UNSUBSCRIBE`.
        subscription: Subscription,
    },
    /// Count the messages of a mailbox. → [`Answer::Status`]
    Status(MailboxName),
    /// Open a mailbox, and report its changes from now on. → [`Answer::Opened`]. Its new messages then lose
    /// `\Recent` for other sessions, unless it is opened for reading only (RFC 3501 section 2.3.2).
    OpenMailbox {
        /// The mailbox.
        mailbox: MailboxName,
        /// `SELECT` or `EXAMINE`.
        access: Access,
    },
    /// Close the mailbox opened last, and report no more of its changes. → [`Answer::Done`]
    LeaveMailbox,
    /// List the changes of a mailbox after the modification sequence `since`. → [`Answer::Changes`]. New messages
    /// then lose `\Recent` for other sessions, as with [`Self::OpenMailbox`].
    Changes {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The access that it was opened with.
        access: Access,
        /// The modification sequence up to which all changes are known.
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
    /// Check that a message may be appended, before the client sends it. → [`Answer::Done`], after which
    /// [`Output::Spool`] brings exactly `size` bytes, then [`Question::AppendCommit`] or [`Output::DiscardSpool`]
    /// follows.
    AppendBegin {
        /// The target mailbox.
        mailbox: MailboxName,
        /// The flags that the message gets.
        flags: Flags,
        /// The internal date, if the client gave one; otherwise the time of arrival.
        date: Option<UnixTime>,
        /// The length of the message in bytes.
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
        /// The change.
        change: FlagChange,
        /// `UNCHANGEDSINCE`: messages that changed after this are left alone (RFC 7162 section 3.1.3).
        unchanged_since: Option<ModSeq>,
    },
    /// Remove the messages that are flagged `\Deleted` for good. → [`Answer::Expunged`]
    Expunge {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The UIDs that the command names, ascending.
        uids: Vec<Uid>,
    },
    /// Copy messages, all or none. → [`Answer::Copied`]
    Copy {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The messages, ascending; those that are gone are left out of the answer.
        uids: Vec<Uid>,
        /// The target mailbox.
        to: MailboxName,
    },
    /// Move messages, all or none. → [`Answer::Copied`]
    Move {
        /// The open mailbox.
        mailbox: MailboxName,
        /// The messages, ascending; those that are gone are left out of the answer.
        uids: Vec<Uid>,
        /// The target mailbox.
        to: MailboxName,
    },
    /// Read the account's quota and its use. → [`Answer::Quota`]
    Quota,
    /// Read metadata entries (RFC 5464 section 4.2). → [`Answer::Metadata`]
    ReadMetadata {
        /// A mailbox, or the server itself.
        of: MetadataOwner,
        /// Entry names, lower-cased.
        entries: Vec<String>,
        /// The levels below those entries that are wanted too.
        depth: MetadataDepth,
    },
    /// Write metadata entries (RFC 5464 section 4.3); a value of `None` removes one. → [`Answer::Done`]
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
    /// The change asked for is made, and durable.
    Done,
    /// Nothing was done, for this reason. A possible reply to every question.
    Failed(CommandFailure),
    /// The password is right, or the account was created with it.
    Authenticated,
    /// All mailboxes, and all subscribed names.
    Mailboxes(Vec<Mailbox>),
    /// The counts of a mailbox.
    Status(MailboxStatus),
    /// The complete state of the mailbox that was opened.
    Opened(Snapshot),
    /// The changes, complete.
    Changes(MailboxChanges),
    /// The message is open.
    Message {
        /// The length of the message in bytes.
        size: u64,
        /// The first bytes: as many as asked for, or the whole message if it is shorter.
        head: Vec<u8>,
    },
    /// The bytes of the range, all of them.
    Bytes(Vec<u8>),
    /// The message is in the mailbox, and durable.
    Appended {
        /// `UIDVALIDITY` of the target mailbox.
        uid_validity: UidValidity,
        /// The UID of the new message.
        uid: Uid,
    },
    /// The flags are changed, and durable.
    Stored {
        /// The names of the messages' keywords.
        keywords: Arc<KeywordDictionary>,
        /// The flags of the messages as they are now, ascending by UID.
        messages: Vec<MessageFlags>,
        /// The messages left alone because of `unchanged_since`, ascending.
        modified: Vec<Uid>,
    },
    /// The messages are expunged, durably.
    Expunged {
        /// The UIDs that were expunged, ascending.
        uids: Vec<Uid>,
        /// `HIGHESTMODSEQ` of the mailbox after that.
        highest_modseq: ModSeq,
    },
    /// The messages are copied or moved, durably.
    Copied {
        /// `UIDVALIDITY` of the target mailbox.
        uid_validity: UidValidity,
        /// Pairs of old and new UID, ascending by the old one.
        uids: Vec<(Uid, Uid)>,
    },
    /// The quota of the account and its use.
    Quota(QuotaUsage),
    /// Values by entry name; entries that are not listed have no value.
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
    /// The account may be created, but the machine has no room for it: `LIMIT`, with a text of its own.
    #[error("no room for new accounts")]
    NoRoomForAccounts,
    /// The password is right, but the account has as many connections as it may: `LIMIT`, with a text of its own.
    #[error("too many connections of the account")]
    TooManyConnections,
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
