//! The admission of outgoing and incoming messages: which checks apply, in which order.

use mail_types::{Address, Domain};

use crate::gate::{Content, Inspected};
use crate::refusal::Refusal;

/// Whether the account may use this envelope sender. The answer belongs to RCPT: clients expect it there.
pub fn may_send_as(login: &Address, sender: Option<&Address>) -> Result<(), Refusal> {
    match sender {
        Some(sender) if sender == login => Ok(()),
        Some(sender) => Err(Refusal::NotYourAddress(sender.clone())),
        None => Err(Refusal::NullSender),
    }
}

/// Whether a message of a local account may be delivered; the rate has been counted before, at MAIL.
pub fn judge_outgoing(message: &Inspected, sender: &Address, recipients: &[Address]) -> Result<(), Refusal> {
    if message.from != *sender {
        return Err(Refusal::ForgedFrom { from: message.from.clone(), sender: sender.clone() });
    }
    let to_self = matches!(recipients, [recipient] if recipient == sender);
    match message.content {
        Content::Encrypted | Content::SecureJoinRequest => Ok(()),
        Content::SetupMessage if to_self => Ok(()),
        Content::EncryptedWithArmourHeaders => Err(Refusal::ArmourHeaders),
        Content::Clear if message.says_encrypted => Err(Refusal::EncryptedOtherwise),
        Content::SetupMessage | Content::Bounce | Content::Clear => Err(Refusal::Unencrypted),
    }
}

/// Whether all recipients of a message accept clear text. By default an account does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleartext {
    /// At least one recipient is not.
    Refused,
    /// Every one is.
    Accepted,
}

/// A message from elsewhere that passed the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The recipient of a bounce; none when the envelope sender is not the author, so that a forged sender gets none.
    pub bounce_to: Option<Address>,
    /// The check of the origin that is due before the message is accepted.
    pub origin: Origin,
}

/// The proof of a message's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From is at an address literal: there is no key to ask for, and end-to-end encryption alone protects.
    Unchecked,
    /// A DKIM signature whose `d=` is exactly this domain must be valid.
    NeedsDkim(String),
}

/// Whether a message from another server may come in, up to the check of its origin. The order matters to clients:
/// clear text is refused before a signature is looked at.
pub fn judge_incoming(
    message: &Inspected,
    sender: Option<&Address>,
    cleartext: Cleartext,
) -> Result<Admitted, Refusal> {
    match (message.content, cleartext) {
        (Content::Encrypted | Content::SecureJoinRequest | Content::Bounce, _) | (_, Cleartext::Accepted) => {
        }
        // The words that other relays know: the text for authors is told at submission.
        (
            Content::SetupMessage | Content::Clear | Content::EncryptedWithArmourHeaders,
            Cleartext::Refused,
        ) => return Err(Refusal::Unencrypted),
    }
    let origin = match message.from.domain() {
        Domain::Name(name) => Origin::NeedsDkim(name.clone()),
        Domain::Ipv4(_) | Domain::Ipv6(_) => Origin::Unchecked,
    };
    Ok(Admitted { bounce_to: sender.filter(|sender| **sender == message.from).cloned(), origin })
}
