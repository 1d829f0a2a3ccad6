//! What happened since the start, counted where it happens: no locks, no names, nothing that survives.

use std::sync::atomic::{AtomicU64, Ordering};

use mail_types::UnixTime;
use relay_policy::Refusal;

use crate::accounts::Login;

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

    /// How many so far.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections of one protocol.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    came: Counter,
    left: Counter,
}

/// One of them; it leaves when this is dropped.
pub(crate) struct Visitor<'a>(&'a Visitors);

impl Visitors {
    /// One comes.
    pub(crate) fn enter(&self) -> Visitor<'_> {
        self.came.count();
        Visitor(self)
    }

    /// How many came since the start.
    pub(crate) fn came(&self) -> u64 {
        self.came.value()
    }

    /// How many are here.
    pub(crate) fn here(&self) -> u64 {
        // Whoever comes and leaves between the two readings must not make it negative.
        let left = self.left.value();
        self.came.value().saturating_sub(left)
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        self.0.left.count();
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Counters {
    /// When counting began.
    pub(crate) since: UnixTime,
    /// IMAP connections, TLS handshake done.
    pub(crate) imap: Visitors,
    /// Submission connections, the same.
    pub(crate) submission: Visitors,
    /// Web connections, the same.
    pub(crate) web: Visitors,
    /// Connections that found no room.
    pub(crate) turned_away: Counter,
    /// Logins, by how they ended.
    pub(crate) logins: Logins,
    /// Accounts that were made.
    pub(crate) accounts_created: Counter,
    /// First logins that made no account since the machine is short of something.
    pub(crate) registrations_refused: Counter,
    /// Messages that were accepted from their authors.
    pub(crate) messages_accepted: Counter,
    /// Copies of messages that went into mailboxes, bounces among them.
    pub(crate) messages_delivered: Counter,
    /// Messages that were refused, by reason.
    pub(crate) refused: Refused,
    /// Bounces that were written.
    pub(crate) bounces: Counter,
    /// Messages that went by themselves, for their age or to make room.
    pub(crate) messages_expired: Counter,
    /// Accounts that went by themselves.
    pub(crate) accounts_expired: Counter,
    /// Notifications.
    pub(crate) pushes: Pushes,
}

/// Logins, by how they ended.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    pub(crate) welcome: Counter,
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
    /// In somebody else's name.
    pub(crate) sender: Counter,
    /// Cannot be understood, or has too large a header.
    pub(crate) malformed: Counter,
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
    /// Nothing happened yet.
    pub(crate) fn new(since: UnixTime) -> Self {
        Self {
            since,
            imap: Visitors::default(),
            submission: Visitors::default(),
            web: Visitors::default(),
            turned_away: Counter::default(),
            logins: Logins::default(),
            accounts_created: Counter::default(),
            registrations_refused: Counter::default(),
            messages_accepted: Counter::default(),
            messages_delivered: Counter::default(),
            refused: Refused::default(),
            bounces: Counter::default(),
            messages_expired: Counter::default(),
            accounts_expired: Counter::default(),
            pushes: Pushes::default(),
        }
    }

    /// A login ended like this.
    pub(crate) fn login(&self, login: Login) {
        let logins = &self.logins;
        let counter = match login {
            Login::Welcome => &logins.welcome,
            Login::Wrong | Login::Foreign => &logins.wrong,
            Login::Throttled => &logins.throttled,
            Login::Trouble => &logins.trouble,
        };
        counter.count();
    }

    /// A message was refused on its way in.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let refused = &self.refused;
        let counter = match refusal {
            Refusal::Unencrypted => &refused.unencrypted,
            Refusal::TooMuchMail(..) => &refused.rate,
            Refusal::NotYourAddress(_) | Refusal::ForgedFrom { .. } | Refusal::NullSender => &refused.sender,
            Refusal::HeaderTooLarge | Refusal::Malformed | Refusal::InvalidFrom(_) => &refused.malformed,
            // Told by a bounce, or not said to our own people.
            Refusal::NoDkimSignature
            | Refusal::NoValidDkimSignature
            | Refusal::RelayDenied
            | Refusal::NoSuchUser(_)
            | Refusal::MailboxFull => return,
        };
        counter.count();
    }
}
