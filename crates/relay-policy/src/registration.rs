//! Registration: the modes in which new accounts come into being, and the reasons why one does not.

use std::fmt;
use std::str::FromStr;

/// The registration mode, as the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The first login with an unused name creates the account.
    Open,
    /// The same, while the pairing window is open.
    Pairing,
    /// An account is created by redeeming an invite.
    Invite,
    /// No account is created.
    Closed,
}

/// The text names no registration mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be \"open\", \"pairing\", \"invite\" or \"closed\"")]
pub struct RegistrationError;

impl Registration {
    /// All modes, from the most to the least open.
    pub const ALL: [Self; 4] = [Self::Open, Self::Pairing, Self::Invite, Self::Closed];

    /// The mode as the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pairing => "pairing",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for Registration {
    type Err = RegistrationError;

    fn from_str(text: &str) -> Result<Self, RegistrationError> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(RegistrationError)
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason why a request for a new account is refused. HTTP status and wording belong to the web interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinRefusal {
    /// The registration mode is [`Registration::Closed`].
    Closed,
    /// The mode is [`Registration::Pairing`], the pairing window is closed, and the request carries no invite.
    CodeNeeded,
    /// The mode is [`Registration::Invite`], and the request carries none.
    InviteNeeded,
    /// No invite has this token.
    Unknown,
    /// The invite has been redeemed as often as its terms allow.
    UsedUp,
    /// The invite's lifetime is over.
    Expired,
    /// The client's network has sent too many unknown tokens.
    TooManyGuesses,
    /// A resource of the machine (disk, accounts) is short.
    Shortage,
    /// The request failed for an internal reason.
    Trouble,
}

#[cfg(test)]
mod tests {
    use super::{Registration, RegistrationError};

    #[test]
    fn modes_are_written_and_read_as_the_same_word() {
        for (word, mode) in [
            ("open", Registration::Open),
            ("pairing", Registration::Pairing),
            ("invite", Registration::Invite),
            ("closed", Registration::Closed),
        ] {
            assert_eq!((word.parse(), mode.to_string().as_str()), (Ok(mode), word));
        }
    }

    #[test]
    fn another_word_is_refused_with_the_list() {
        for text in ["", "Open", " open", "public"] {
            assert_eq!(text.parse::<Registration>(), Err(RegistrationError), "{text}");
        }
        let message = RegistrationError.to_string();
        for mode in Registration::ALL {
            assert!(message.contains(&format!("\"{mode}\"")), "{message}");
        }
    }
}
