//! Refusals of mail, and the one table of their replies. Clients and the tests of other projects match on
//! some of these texts to the letter.

use std::time::Duration;

use mail_types::{Address, Domain};
use smtp::Reply;

/// A decision against a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The envelope sender is not the account that logged in.
    NotYourAddress(Address),
    /// The account has sent too much; it may come again after this time.
    TooMuchMail(Address, Duration),
    /// The header section is larger than is taken.
    HeaderTooLarge,
    /// The message can be read in more than one way, or not at all.
    Malformed,
    /// From is missing, is there twice, or has no address; with the field as it came.
    InvalidFrom(String),
    /// The address in From is not the envelope sender.
    ForgedFrom {
        /// The address in From.
        from: Address,
        /// The envelope sender.
        sender: Address,
    },
    /// The message is not end-to-end encrypted.
    Unencrypted,
    /// The message says that it is encrypted, and is not encrypted as relays take it.
    EncryptedOtherwise,
    /// The message is encrypted, and its armour has header lines that everybody can read.
    ArmourHeaders,
    /// A message from elsewhere has no signature of its domain at all.
    NoDkimSignature,
    /// It has signatures, and none of them is valid and of the domain in From.
    NoValidDkimSignature,
    /// The domain in From has keys, perhaps, but they cannot be looked up now.
    OriginUnclear(Domain),
    /// The domain in From has signed later than now. A box without a clock of its own may be behind after a power cut, so
    /// this is no proof against the message.
    SignedLater(Domain),
    /// From is at an address literal of ours, whose users log in to send.
    OwnAddress(Address),
    /// The message has come through more servers than any way is long.
    TooManyHops,
    /// The owner does not want mail of this sender.
    Blocked(Address),
    /// The other domain has sent too much; it may come again after this time.
    TooMuchFromDomain(Domain, Duration),
    /// The network that the client is in has sent too much; it may come again after this time.
    TooMuchFromNetwork(Duration),
    /// So many messages from other servers are coming in that there is no memory for another.
    Busy,
    /// The recipient's domain is not ours, and the client has not logged in.
    RelayDenied,
    /// The recipient has no account here (told only where one status covers all recipients).
    NoSuchUser(Address),
    /// The recipient's mailbox is full.
    MailboxFull(Address),
    /// The recipient is on another server, to which there is no transport.
    NoTransport(Address),
    /// The recipient is on another server, and the sender's address is one from before the server had its name, which
    /// nobody out there could answer.
    HomeAddress(Address),
    /// So much mail of the account waits for other servers that no more may.
    QueueFull(Address),
    /// The recipient's server refuses the message, or could not be reached for too long.
    OtherServer {
        /// The enhanced status code (RFC 3463): class, subject, detail.
        status: (u8, u16, u16),
        /// That server's reply, or the trouble with it.
        reply: Reply,
    },
    /// None of several recipients can be reached.
    NobodyReached {
        /// The refusal of the first one.
        first: Box<Self>,
        /// The number of the others.
        others: usize,
    },
    /// The null sender on a submission port.
    NullSender,
}

impl Refusal {
    /// The reply for the client.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::NotYourAddress(address) => {
                Reply::new(553, &format!("5.7.1 <{address}>: Sender address rejected: not owned by user"))
            }
            Self::TooMuchMail(address, wait) => too_much_mail(&format!("<{address}>"), *wait),
            Self::TooMuchFromDomain(domain, wait) => too_much_mail(&domain.to_string(), *wait),
            Self::TooMuchFromNetwork(wait) => too_much_mail("your network", *wait),
            Self::Busy => Reply::new(451, "4.3.2 Too many messages at once, please try again later"),
            Self::OriginUnclear(domain) => Reply::new(
                451,
                &format!("4.7.5 The DKIM keys of {domain} could not be looked up, please try again later"),
            ),
            Self::SignedLater(domain) => Reply::new(
                451,
                &format!(
                    "4.7.5 The DKIM signature of {domain} is from the future by this server's clock, \
                     please try again later"
                ),
            ),
            Self::OwnAddress(address) => Reply::new(
                554,
                &format!("5.7.1 <{address}>: Sender address rejected: users of this server log in to send"),
            ),
            Self::TooManyHops => Reply::new(554, "5.4.6 Too many hops: the message goes round in a loop"),
            Self::Blocked(address) => Reply::new(
                554,
                &format!("5.7.1 <{address}>: Sender address rejected: blocked by the owner of this server"),
            ),
            Self::HeaderTooLarge => Reply::new(552, "5.3.4 Message header section exceeds maximum size"),
            Self::Malformed => Reply::new(500, "Failed to parse message: malformed header or line end"),
            Self::InvalidFrom(value) => Reply::new(500, &format!("Invalid FROM header: {value}")),
            Self::ForgedFrom { from, sender } => {
                Reply::new(500, &format!("Invalid FROM <{from}> for <{sender}>"))
            }
            Self::Unencrypted => Reply::new(523, "Encryption Needed: Invalid Unencrypted Mail"),
            Self::EncryptedOtherwise => Reply::new(
                523,
                "Encryption Needed: Invalid Unencrypted Mail (it says that it is encrypted, but is not one \
                 armoured OpenPGP message with integrity protection, SEIPD, and nothing around it)",
            ),
            Self::ArmourHeaders => Reply::new(
                554,
                "5.7.1 The message is encrypted, but beside its armour are lines that anybody can read \
                 (Version:, Comment:): switch them off in the mail program \
                 (GnuPG: no-emit-version, no-comments)",
            ),
            Self::NoDkimSignature => Reply::new(554, "5.7.1 No DKIM signature found"),
            Self::NoValidDkimSignature => Reply::new(554, "5.7.1 No valid DKIM signature found"),
            Self::RelayDenied => Reply::new(554, "5.7.1 Relay access denied"),
            // Apps show the following ones to a person, so each says more than its code.
            Self::NoSuchUser(address) => Reply::new(
                550,
                &format!("5.1.1 <{address}>: User doesn't exist: the address is wrong, or no longer in use"),
            ),
            Self::MailboxFull(address) => Reply::new(
                552,
                &format!(
                    "5.2.2 <{address}>: Quota exceeded (mailbox for user is full): \
                     its owner must fetch or delete messages first"
                ),
            ),
            Self::NoTransport(address) => Reply::new(
                550,
                &format!("5.4.4 <{address}>: This server sends to no other servers, only within its own"),
            ),
            Self::HomeAddress(address) => home_address(address),
            Self::QueueFull(address) => Reply::new(
                452,
                &format!("4.3.1 <{address}>: too much mail waits for other servers; try again later"),
            ),
            // What was put off for the last time is refused for good.
            Self::OtherServer { reply, .. } if reply.is_transient() => Reply::new(550, reply.text()),
            Self::OtherServer { reply, .. } => reply.clone(),
            Self::NobodyReached { first, others } => {
                let first = first.reply();
                Reply::new(first.code(), &format!("{} (nor can {others} more be reached)", first.text()))
            }
            Self::NullSender => Reply::new(553, "5.7.1 <>: Sender address rejected: not owned by user"),
        }
    }

    /// The enhanced status code of a recipient that is not reached (RFC 3463), for a bounce: class, subject, detail.
    #[must_use]
    pub fn status(&self) -> (u8, u16, u16) {
        match self {
            Self::NoSuchUser(_) => (5, 1, 1),
            Self::MailboxFull(_) => (5, 2, 2),
            Self::NoTransport(_) => (5, 4, 4),
            Self::HomeAddress(_) => (4, 4, 4),
            Self::QueueFull(_) => (4, 3, 1),
            Self::OtherServer { status, .. } => *status,
            Self::NobodyReached { first, .. } => first.status(),
            _ => (5, 7, 1),
        }
    }
}

/// Transient, so that an app whose profile has the new address, too, sends by that.
fn home_address(recipient: &Address) -> Reply {
    Reply::new(
        451,
        &format!(
            "4.4.4 <{recipient}>: your address works inside the home only; add the box's new address to your profile as \
             a relay (the page of the box shows how)"
        ),
    )
}

fn too_much_mail(sender: &str, wait: Duration) -> Reply {
    // Whole seconds, and never "in 0 s".
    let seconds = wait.as_secs().saturating_add(1);
    Reply::new(450, &format!("4.7.1: Too much mail from {sender}, try again in {seconds} s"))
}
