//! Faults of a command as it was received, found before anything is looked up.

/// The fault of a command that cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The command does not match the grammar (RFC 3501 section 9); the text names the first thing missing or wrong.
    Syntax(&'static str),
    /// The command matches the grammar, but names a mailbox that cannot exist (RFC 3501 section 5.1).
    Name,
}
