//! The means of a mail session: one value shared by all IMAP and submission connections. Backends ask it, and nothing
//! of connections, pages or operation is in it.

use std::sync::Arc;

use config::{About, Limits};
use relay_policy::Quota;
use store::Store;

use crate::accounts::Accounts;
use crate::mailboxes::delivery::Delivery;
use crate::mailboxes::memory::MailboxMemory;
use crate::mailboxes::recent::Recent;
use crate::mailboxes::watchers::MailboxWatchers;
use crate::runtime::counters::Counters;

/// The means of a mail session.
pub(crate) struct MailServices {
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) watchers: MailboxWatchers,
    pub(crate) recent: Recent,
    pub(crate) memory: MailboxMemory,
    pub(crate) quota: Quota,
    pub(crate) limits: Limits,
    /// The server's own annotations `/shared/comment` and `/shared/admin` (RFC 5464 section 6.2.1).
    pub(crate) about: About,
    pub(crate) push: imap::PushOffer,
    pub(crate) counters: Arc<Counters>,
}
