//! The reach of an attempt, and with it the lot of other messages to the same destination.

/// The reach of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To no server: all messages of the destination wait.
    Nowhere,
    /// To a server, or to the knowledge that there is none.
    Answered,
    /// To a server that has no way for this message, and may have one for others.
    NotForThisOne,
}
