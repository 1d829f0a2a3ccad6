//! The ways in which a lookup fails.

/// The reason why a lookup gave no records. The first two are permanent, the last one is temporary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such name (NXDOMAIN), or it is none that a question can be asked about.
    #[error("the name does not exist")]
    NoSuchDomain,
    /// The name has no records of this kind.
    #[error("the name has no such records")]
    NoData,
    /// No answer could be got: silence, a broken name server, no network. A clause that names no name and no address.
    #[error("{0}")]
    Unavailable(String),
}

impl LookupError {
    /// True if asking again later can help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
