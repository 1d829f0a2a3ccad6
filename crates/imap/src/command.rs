//! Commands as values: what `parse` makes and `act` carries out.

use mail_types::Secret;

/// A command with all its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `CAPABILITY`
    Capability,
    /// `NOOP` and `CHECK`
    Noop,
    /// `LOGOUT`
    Logout,
    /// `ID`, whose parameters are of no interest.
    Id,
    /// `STARTTLS`
    StartTls,
    /// `LOGIN`
    Login(Credentials),
    /// `AUTHENTICATE PLAIN`, with the initial response of RFC 4959, still in base64.
    AuthenticatePlain(Option<Vec<u8>>),
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
}

/// In which states a command is legal (RFC 3501 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legal {
    /// In every state.
    Always,
    /// Before login only.
    NotAuthenticated,
    /// After login, with or without a selected mailbox.
    Authenticated,
    /// With a selected mailbox.
    Selected,
}

impl Command {
    /// The states in which the command is legal.
    pub(crate) fn legal(&self) -> Legal {
        match self {
            Self::Capability | Self::Noop | Self::Logout | Self::Id => Legal::Always,
            Self::StartTls | Self::Login(_) | Self::AuthenticatePlain(_) => Legal::NotAuthenticated,
        }
    }
}
