//! The part of the session's state that commands read and change.

use crate::view::View;

/// The connection state (RFC 3501 section 3); the logout state ends the session.
#[derive(Debug)]
pub(crate) enum State {
    /// No client has logged in.
    NotAuthenticated,
    /// The client has logged in, and no mailbox is selected.
    Authenticated,
    /// A mailbox is selected.
    Selected(Box<View>),
}

/// The extensions of RFC 7162 that the client has enabled; each implies those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tracking {
    /// None.
    Plain,
    /// `CONDSTORE`: `MODSEQ` in every `FETCH` response (section 3.1).
    Condstore,
    /// `QRESYNC`: `VANISHED` instead of `EXPUNGE` (section 3.2).
    Qresync,
}

/// The view of the selected mailbox, compared with the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// No change was reported since the changes were asked for.
    Fresh,
    /// A change was reported.
    Stale,
    /// A change was reported, but asking for it failed: retried at the next command or keep-alive, not at once.
    Unreachable,
}
