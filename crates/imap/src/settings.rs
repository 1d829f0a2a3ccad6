//! What a session is told once, when it begins.

use std::time::Duration;

/// Whether the connection is encrypted when the session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Not yet: only `STARTTLS` leads on.
    Plain,
    /// It is.
    Tls,
}

/// Whether the push service is offered (`XDELTAPUSH`); say so only with a working notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOffer {
    /// It is.
    Offered,
    /// It is not.
    Off,
}

/// What the sessions of a server have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name given in the answer to `ID`.
    pub product: String,
    /// The version given in the answer to `ID`.
    pub version: String,
    /// Whether the push service is offered.
    pub push: PushOffer,
    /// The longest message that `APPEND` takes, in bytes.
    pub message_size: u64,
    /// How long a client that has not logged in may be silent.
    pub login_timeout: Duration,
    /// How long a client may be silent otherwise; RFC 3501 section 5.4 demands at least 30 minutes.
    pub idle_timeout: Duration,
    /// How often an `IDLE` without news is told that the server is still there.
    pub keep_alive: Duration,
}

impl Default for Settings {
    /// What a chatmail relay does.
    fn default() -> Self {
        Self {
            product: "Hearth".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            push: PushOffer::Off,
            message_size: 31_457_280,
            login_timeout: Duration::from_secs(180),
            idle_timeout: Duration::from_secs(31 * 60),
            keep_alive: Duration::from_secs(120),
        }
    }
}
