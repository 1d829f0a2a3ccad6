//! The recipients of a submitted message, sorted into those who get it and those who cannot be reached; and the refusal
//! of a message that would reach nobody. Pure: `delivery` looks accounts up and writes.

use mail_types::Address;
use relay_policy::{FailedRecipient, Refusal};
use store::Target;

/// The recipients of a message, sorted.
#[derive(Default)]
pub(super) struct Plan {
    /// The accounts that it reaches, in the order of `targets`.
    pub(super) accounts: Vec<Address>,
    pub(super) targets: Vec<Target>,
    pub(super) unreached: Vec<Unreached>,
}

/// A recipient that does not get the message, and the reason.
pub(super) struct Unreached {
    recipient: Address,
    refusal: Refusal,
}

impl Plan {
    /// The refusal of the whole message, if nobody but its sender can be reached: a copy for the sender's other devices
    /// of a message that nobody gets would look delivered there. A sender elsewhere is none of the accounts.
    pub(super) fn refusal(&self, sender: Option<&Address>) -> Option<Refusal> {
        if self.accounts.iter().any(|account| Some(account) != sender) {
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
    pub(super) fn no_such_user(recipient: Address) -> Self {
        Self { refusal: Refusal::NoSuchUser(recipient.clone()), recipient }
    }

    pub(super) fn mailbox_full(recipient: Address) -> Self {
        Self { refusal: Refusal::MailboxFull(recipient.clone()), recipient }
    }

    pub(super) fn elsewhere(recipient: Address) -> Self {
        Self { refusal: Refusal::NoTransport(recipient.clone()), recipient }
    }

    pub(super) fn into_failed(self) -> FailedRecipient {
        let Self { recipient: address, refusal } = self;
        FailedRecipient { address, status: refusal.status(), diagnostic: refusal.reply() }
    }
}
