//! The ways in which an update fails.

use std::time::Duration;

/// The reason why a provider did not take an update: a sentence for the owner without a secret in it, and, by
/// [`UpdateError::remedy`], the thing that ends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The provider does not know the token, the user or the password, or the key.
    #[error("{0}")]
    Credentials(String),
    /// The credentials are right, but may not change this name or these records.
    #[error("{0}")]
    Forbidden(String),
    /// The provider does not have the name.
    #[error("{0}")]
    NoSuchName(String),
    /// The provider has blocked the name or this program, and wants no more requests.
    #[error("{0}")]
    Blocked(String),
    /// The provider has no place for such records, or does not take their data.
    #[error("{0}")]
    Records(String),
    /// Too many requests: none is to be sent for this time.
    #[error("the DNS provider wants no more requests for {} seconds", .0.as_secs())]
    TooMany(Duration),
    /// The provider and this machine do not agree on the time.
    #[error("{0}")]
    Clock(String),
    /// The provider has a trouble of its own, or answers something that makes no sense; to be asked again no sooner than after
    /// this time.
    #[error("{0}")]
    Trouble(String, Duration),
    /// No answer: no network, no such server, no trusted certificate, no time.
    #[error("{0}")]
    Unreachable(String),
}

/// The thing that ends a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Other settings: nothing is sent before the owner has changed them.
    Settings,
    /// Other records: these are not sent again.
    Records,
    /// Time, so much at least.
    Wait(Duration),
    /// Time; or at once a network that has come back.
    Network,
}

impl UpdateError {
    /// The thing that ends it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Credentials(_) | Self::Forbidden(_) | Self::NoSuchName(_) | Self::Blocked(_) => {
                Remedy::Settings
            }
            Self::Records(_) => Remedy::Records,
            Self::TooMany(wait) | Self::Trouble(_, wait) => Remedy::Wait(*wait),
            Self::Clock(_) => Remedy::Wait(Duration::ZERO),
            Self::Unreachable(_) => Remedy::Network,
        }
    }
}
