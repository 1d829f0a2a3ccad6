//! The SASL exchange of AUTH (RFC 4954): mechanisms PLAIN (RFC 4616) and LOGIN. Knows no accounts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_types::{Address, Secret};

use crate::command::Mechanism;
use crate::reply::{Reply, table};

/// The longest password asked about, in bytes; a longer one cannot be right.
const PASSWORD_LIMIT: usize = 1024;

/// An exchange that waits for the client's next response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// PLAIN without an initial response.
    Plain,
    /// LOGIN, first prompt.
    LoginName,
    /// LOGIN, second prompt.
    LoginPassword(Vec<u8>),
}

/// The next step of the exchange.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A challenge to send, and the state after it.
    Challenge(&'static str, Exchange),
    /// A name and a password to check.
    Check(Address, Secret),
    /// The exchange is over.
    Failed(Reply),
}

/// The first step of an exchange: AUTH with its initial response.
pub(crate) fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> Step {
    let first = match mechanism {
        Mechanism::Plain => Exchange::Plain,
        Mechanism::Login => Exchange::LoginName,
    };
    match (initial, mechanism) {
        // "=" is an initial response of no bytes (RFC 4954 section 4).
        (Some(b"="), _) => first.respond(b""),
        (Some(initial), _) => first.respond(initial),
        (None, Mechanism::Plain) => Step::Challenge("", first),
        (None, Mechanism::Login) => Step::Challenge("VXNlcm5hbWU6", first),
    }
}

impl Exchange {
    /// Takes the client's response, still in base64.
    pub(crate) fn respond(self, response: &[u8]) -> Step {
        if response == b"*" {
            return Step::Failed(table::AUTHENTICATION_ABORTED);
        }
        let Ok(response) = STANDARD.decode(response) else {
            return Step::Failed(table::AUTHENTICATION_SYNTAX);
        };
        match self {
            Self::Plain => plain(&response),
            Self::LoginName => Step::Challenge("UGFzc3dvcmQ6", Self::LoginPassword(response)),
            Self::LoginPassword(user) => check(&user, &response),
        }
    }
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 section 2)
fn plain(message: &[u8]) -> Step {
    let mut parts = message.splitn(3, |byte| *byte == 0);
    let (Some(acting_as), Some(user), Some(password)) = (parts.next(), parts.next(), parts.next()) else {
        return Step::Failed(table::AUTHENTICATION_SYNTAX);
    };
    // No account may act as another one.
    if acting_as.is_empty() || acting_as.eq_ignore_ascii_case(user) {
        check(user, password)
    } else {
        Step::Failed(table::AUTHENTICATION_FAILED)
    }
}

/// No account has a name that is no address, so there is nothing to ask.
fn check(user: &[u8], password: &[u8]) -> Step {
    let user = str::from_utf8(user).ok().and_then(|user| user.parse().ok());
    match user {
        Some(user) if (1..=PASSWORD_LIMIT).contains(&password.len()) && !password.contains(&0) => {
            Step::Check(user, Secret::new(password))
        }
        _ => Step::Failed(table::AUTHENTICATION_FAILED),
    }
}
