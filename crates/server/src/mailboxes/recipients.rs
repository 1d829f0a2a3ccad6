//! The recipients of a submitted message, sorted into those who get it and those who cannot be reached; and the refusal
//! of a message that would reach nobody. Pure: `delivery` looks accounts up and writes.

use std::collections::BTreeMap;

use mail_types::{Address, Domain};
use relay_policy::{FailedRecipient, Refusal};
use store::Target;

/// The recipients of a message, sorted.
#[derive(Default)]
pub(super) struct Plan {
    /// The accounts that it reaches, in the order of `targets`.
    pub(super) accounts: Vec<Address>,
    pub(super) targets: Vec<Target>,
    /// The recipients at other servers, by destination.
    pub(super) remote: BTreeMap<Domain, Vec<Address>>,
    /// Whether anybody at another server has the message, or may still get it.
    pub(super) elsewhere: bool,
    pub(super) unreached: Vec<Unreached>,
}

/// A recipient that does not get the message, and the reason.
pub(super) struct Unreached {
    recipient: Address,
    refusal: Refusal,
}

impl Plan {
    /// Whether anybody on this server gets the message but its sender.
    pub(super) fn reaches_another(&self, sender: &Address) -> bool {
        self.accounts.iter().any(|account| account != sender)
    }

    /// The refusal of the whole message, if nobody but its sender can be reached: a copy for the sender's other devices
    /// of a message that nobody gets would look delivered there. A sender elsewhere is none of the accounts.
    pub(super) fn refusal(&self, sender: Option<&Address>) -> Option<Refusal> {
        let reached = self.accounts.iter().any(|account| Some(account) != sender);
        if reached || self.elsewhere || !self.remote.is_empty() {
            return None;
        }
        // A sender whose own mailbox is full learns rather about somebody else, if there is one.
        let other = self.unreached.iter().find(|unreached| Some(&unreached.recipient) != sender);
        let first = other.or_else(|| self.unreached.first())?;
        let refusal = first.refusal.clone();
        match self.unreached.len() {
            1 => Some(refusal),
            count => Some(Refusal::NobodyReached { first: Box::new(refusal), others: count - 1 }),
        }
    }
}

impl Unreached {
    /// Refused by another server, or given up.
    pub(super) fn by_other_server(failed: FailedRecipient) -> Self {
        let FailedRecipient { address: recipient, status, diagnostic: reply } = failed;
        Self { recipient, refusal: Refusal::OtherServer { status, reply } }
    }

    pub(super) fn no_such_user(recipient: Address) -> Self {
        Self { refusal: Refusal::NoSuchUser(recipient.clone()), recipient }
    }

    pub(super) fn mailbox_full(recipient: Address) -> Self {
        Self { refusal: Refusal::MailboxFull(recipient.clone()), recipient }
    }

    pub(super) fn elsewhere(recipient: Address) -> Self {
        Self { refusal: Refusal::NoTransport(recipient.clone()), recipient }
    }

    pub(super) fn from_home_address(recipient: Address) -> Self {
        Self { refusal: Refusal::HomeAddress(recipient.clone()), recipient }
    }

    pub(super) fn into_failed(self) -> FailedRecipient {
        let Self { recipient: address, refusal } = self;
        FailedRecipient { address, status: refusal.status(), diagnostic: refusal.reply() }
    }
}
