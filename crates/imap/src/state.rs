//! What a session is in between two commands, as far as commands look at it and change it.

use crate::view::View;

/// RFC 3501 section 3.
#[derive(Debug)]
pub(crate) enum State {
    /// Nobody has logged in.
    NotAuthenticated,
    /// Logged in, no mailbox selected.
    Authenticated,
    /// A mailbox is selected.
    Selected(Box<View>),
}

/// What the client wants to hear of modification sequences (RFC 7162); each step implies those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tracking {
    /// Nothing.
    Plain,
    /// `MODSEQ` with every change of flags.
    Condstore,
    /// And `VANISHED` instead of `EXPUNGE`.
    Qresync,
}

/// Whether the selected mailbox may have changed since it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Nobody has said so.
    Fresh,
    /// It may.
    Stale,
    /// It may, and looking has just failed: not to be tried again at once.
    Unreachable,
}
