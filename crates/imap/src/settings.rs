//! Settings of a session, given once when it begins.

use std::time::Duration;

/// The encryption of the connection when the session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Clear text: `LOGINDISABLED`, until `STARTTLS` (RFC 3501 section 6.2.1).
    Plain,
    /// TLS from the first byte (RFC 8314 section 3.2).
    Tls,
}

/// The capability `XDELTAPUSH`: mailboxes take device tokens as metadata. Offer it only with a working notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOffer {
    /// The capability is listed.
    Offered,
    /// The capability is not listed.
    Off,
}

/// Settings that all sessions of a server share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `name` in the response to `ID` (RFC 2971 section 3.3), and in the greeting.
    pub product: String,
    /// The `version` in the response to `ID`.
    pub version: String,
    /// The capability `XDELTAPUSH`.
    pub push: PushOffer,
    /// The longest message that `APPEND` takes, in bytes.
    pub message_size: u64,
    /// The longest time from the start of the connection to the login, whatever the client says meanwhile: a byte a minute
    /// holds no connection for ever.
    pub login_timeout: Duration,
    /// The autologout timer of a silent client that has logged in: at least 30 minutes (RFC 3501 section 5.4).
    pub idle_timeout: Duration,
    /// The interval of `* OK Still here` in an `IDLE` without updates (RFC 2177 leaves it to the server).
    pub keep_alive: Duration,
}

impl Default for Settings {
    /// The values of a chatmail relay.
    fn default() -> Self {
        Self {
            product: "Hearth".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            push: PushOffer::Off,
            message_size: 31_457_280,
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(31 * 60),
            keep_alive: Duration::from_secs(120),
        }
    }
}
