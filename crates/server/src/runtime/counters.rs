//! Counters of events since the start, counted where the events happen: without locks, without names, in memory only.

use std::sync::atomic::{AtomicU64, Ordering};

use mail_types::UnixTime;
use relay_policy::Refusal;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count so far.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections of one protocol.
#[derive(Debug, Default)]
pub(crate) struct ConnectionGauge {
    opened: Counter,
    closed: Counter,
}

/// One open connection; its end is counted when this is dropped.
pub(crate) struct OpenConnection<'a>(&'a ConnectionGauge);

impl ConnectionGauge {
    /// Counts a connection until the returned value is dropped.
    pub(crate) fn enter(&self) -> OpenConnection<'_> {
        self.opened.count();
        OpenConnection(self)
    }

    /// Connections opened since the start.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.value()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        // A connection that opens and closes between the two readings must not make the difference negative.
        let closed = self.closed.value();
        self.opened.value().saturating_sub(closed)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.closed.count();
    }
}

/// All counters of the server.
#[derive(Debug)]
pub(crate) struct Counters {
    /// The time at which counting began.
    pub(crate) since: UnixTime,
    /// IMAP connections, TLS handshake done.
    pub(crate) imap: ConnectionGauge,
    /// Submission connections, the same.
    pub(crate) submission: ConnectionGauge,
    /// Web connections, the same.
    pub(crate) web: ConnectionGauge,
    /// Connections of other servers on port 25, TLS or not yet.
    pub(crate) inbound: ConnectionGauge,
    /// Connections beyond the limits.
    pub(crate) connections_rejected: Counter,
    /// Logins, by how they ended.
    pub(crate) logins: Logins,
    /// Accounts that were created.
    pub(crate) accounts_created: Counter,
    /// Accounts that were not created for want of disk or memory.
    pub(crate) registrations_refused: Counter,
    /// Messages that were accepted from their authors.
    pub(crate) messages_accepted: Counter,
    /// Copies of messages that went into mailboxes, bounces among them.
    pub(crate) messages_delivered: Counter,
    /// Messages that were refused, by reason.
    pub(crate) refused: Refused,
    /// Messages of other servers, by outcome.
    pub(crate) received: Received,
    /// Bounces that were written.
    pub(crate) bounces: Counter,
    /// Messages removed for their age or to make room.
    pub(crate) messages_expired: Counter,
    /// Accounts removed for want of use.
    pub(crate) accounts_expired: Counter,
    /// Notifications.
    pub(crate) pushes: Pushes,
    /// Mail for other servers.
    pub(crate) outbound: OutboundCounters,
}

/// Mail for other servers, counted by recipients.
#[derive(Debug, Default)]
pub(crate) struct OutboundCounters {
    /// Messages that were offered to a server.
    pub(crate) attempts: Counter,
    /// Recipients whose server took the message.
    pub(crate) delivered: Counter,
    /// Recipients whose server put the message off, or could not be reached; once for each attempt.
    pub(crate) deferred: Counter,
    /// Recipients who do not get the message.
    pub(crate) failed: Counter,
    /// Queued messages that were given up for some or all recipients, and reported to their senders.
    pub(crate) given_up: Counter,
}

/// The outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The password is right.
    Accepted,
    /// Wrong password, or no such account and none may be made.
    Wrong,
    /// The address is not of this server.
    Foreign,
    /// Too many wrong passwords; later perhaps.
    Throttled,
    /// The account may be created, but the machine has no room for it.
    NoRoom,
    /// The account has as many connections as it may.
    Crowded,
    /// The server has as many connections as it may; later perhaps.
    Busy,
    /// A failure of the server's own; later perhaps.
    Trouble,
}

/// Logins, by outcome.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    pub(crate) accepted: Counter,
    pub(crate) wrong: Counter,
    pub(crate) throttled: Counter,
    pub(crate) trouble: Counter,
}

/// Messages that were refused, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Not end-to-end encrypted.
    pub(crate) unencrypted: Counter,
    /// The account has sent too much.
    pub(crate) rate: Counter,
    /// In the name of another account.
    pub(crate) sender: Counter,
    /// Cannot be understood, or has too large a header.
    pub(crate) malformed: Counter,
    /// None of the recipients can be reached.
    pub(crate) recipients: Counter,
}

/// Messages of other servers, by outcome.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Taken, on port 25.
    pub(crate) by_smtp: Counter,
    /// Taken, by HTTPS.
    pub(crate) by_https: Counter,
    /// Not end-to-end encrypted.
    pub(crate) unencrypted: Counter,
    /// No valid signature of the domain in From, or in the name of this server.
    pub(crate) unsigned: Counter,
    /// The keys of the domain could not be looked up, or the clock is behind.
    pub(crate) unclear: Counter,
    /// Too many of one domain or network, or at once.
    pub(crate) rate: Counter,
    /// Of a sender that the owner does not want.
    pub(crate) blocked: Counter,
    /// Cannot be understood, is too large, or goes round in a loop.
    pub(crate) malformed: Counter,
    /// For another domain, or for recipients of whom none can be reached.
    pub(crate) recipients: Counter,
    /// Not taken for a failure of the server's own.
    pub(crate) trouble: Counter,
    /// Recipients who did not get a message that others got, and of whom nobody was told.
    pub(crate) unreported: Counter,
}

/// Notifications, by what the push service said.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// It took them.
    pub(crate) sent: Counter,
    /// It does not know the token any more.
    pub(crate) gone: Counter,
    /// Tries that failed; most are tried again.
    pub(crate) failed: Counter,
    /// Failed too often, or came too late.
    pub(crate) given_up: Counter,
}

impl Counters {
    /// All counters at zero.
    pub(crate) fn new(since: UnixTime) -> Self {
        Self {
            since,
            imap: ConnectionGauge::default(),
            submission: ConnectionGauge::default(),
            web: ConnectionGauge::default(),
            inbound: ConnectionGauge::default(),
            connections_rejected: Counter::default(),
            logins: Logins::default(),
            accounts_created: Counter::default(),
            registrations_refused: Counter::default(),
            messages_accepted: Counter::default(),
            messages_delivered: Counter::default(),
            refused: Refused::default(),
            received: Received::default(),
            bounces: Counter::default(),
            messages_expired: Counter::default(),
            accounts_expired: Counter::default(),
            pushes: Pushes::default(),
            outbound: OutboundCounters::default(),
        }
    }

    /// A login ended like this.
    pub(crate) fn login(&self, login: Login) {
        let logins = &self.logins;
        let counter = match login {
            Login::Accepted => &logins.accepted,
            Login::Wrong | Login::Foreign => &logins.wrong,
            Login::Throttled | Login::Crowded => &logins.throttled,
            Login::NoRoom | Login::Busy | Login::Trouble => &logins.trouble,
        };
        counter.count();
    }

    /// A message of another server was refused.
    pub(crate) fn refused_from_elsewhere(&self, refusal: &Refusal) {
        let received = &self.received;
        let counter = match refusal {
            Refusal::Unencrypted | Refusal::EncryptedOtherwise | Refusal::ArmourHeaders => {
                &received.unencrypted
            }
            Refusal::NoDkimSignature | Refusal::NoValidDkimSignature | Refusal::OwnAddress(_) => {
                &received.unsigned
            }
            Refusal::OriginUnclear(_) | Refusal::SignedLater(_) => &received.unclear,
            Refusal::TooMuchMail(..)
            | Refusal::QueueFull(_)
            | Refusal::TooMuchFromDomain(..)
            | Refusal::TooMuchFromNetwork(_)
            | Refusal::Busy => &received.rate,
            Refusal::Blocked(_) => &received.blocked,
            Refusal::HeaderTooLarge
            | Refusal::Malformed
            | Refusal::InvalidFrom(_)
            | Refusal::ForgedFrom { .. }
            | Refusal::NotYourAddress(_)
            | Refusal::NullSender
            | Refusal::TooManyHops => &received.malformed,
            Refusal::RelayDenied
            | Refusal::NoSuchUser(_)
            | Refusal::MailboxFull(_)
            | Refusal::NoTransport(_)
            | Refusal::HomeAddress(_)
            | Refusal::OtherServer { .. }
            | Refusal::NobodyReached { .. } => &received.recipients,
        };
        counter.count();
    }

    /// A message of an account was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let refused = &self.refused;
        let counter = match refusal {
            Refusal::Unencrypted | Refusal::EncryptedOtherwise | Refusal::ArmourHeaders => {
                &refused.unencrypted
            }
            Refusal::TooMuchMail(..) | Refusal::QueueFull(_) => &refused.rate,
            Refusal::NotYourAddress(_) | Refusal::ForgedFrom { .. } | Refusal::NullSender => &refused.sender,
            Refusal::HeaderTooLarge | Refusal::Malformed | Refusal::InvalidFrom(_) => &refused.malformed,
            Refusal::NoSuchUser(_)
            | Refusal::MailboxFull(_)
            | Refusal::NoTransport(_)
            | Refusal::HomeAddress(_)
            | Refusal::OtherServer { .. }
            | Refusal::NobodyReached { .. } => &refused.recipients,
            // No refusals of a submission.
            Refusal::NoDkimSignature
            | Refusal::NoValidDkimSignature
            | Refusal::OriginUnclear(_)
            | Refusal::SignedLater(_)
            | Refusal::OwnAddress(_)
            | Refusal::TooManyHops
            | Refusal::Blocked(_)
            | Refusal::TooMuchFromDomain(..)
            | Refusal::TooMuchFromNetwork(_)
            | Refusal::Busy
            | Refusal::RelayDenied => return,
        };
        counter.count();
    }
}
