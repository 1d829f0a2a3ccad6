//! The tasks of the processes that read packets from the network.

use std::str::FromStr;

use super::log::LogSource;

/// The task of a network process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// DHCP, addresses and routes.
    Configuration,
    /// The box's name by multicast DNS.
    Responder,
    /// The clock by time servers.
    Time,
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the roles are \"configuration\", \"responder\" and \"time\"")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl Role {
    /// All tasks.
    pub(super) const ALL: [Self; 3] = [Self::Configuration, Self::Responder, Self::Time];

    /// Its name on the command line.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Responder => "responder",
            Self::Time => "time",
        }
    }

    /// The subject of its warnings.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Configuration => "network",
            Self::Responder => "name",
            Self::Time => "time",
        }
    }

    /// The source of its log.
    pub(super) fn log_source(self) -> LogSource {
        match self {
            Self::Configuration => LogSource::Configuration,
            Self::Responder => LogSource::Responder,
            Self::Time => LogSource::Time,
        }
    }
}
