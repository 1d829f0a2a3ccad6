//! Mailboxes: what is delivered into them, what expires, and what open ones keep in memory. Rules are `relay-policy`'s,
//! durability is the store's.

pub(crate) mod delivery;
pub(crate) mod expiry;
pub(crate) mod memory;
pub(crate) mod quota;
pub(crate) mod recent;
mod recipients;
mod report_pace;
pub(crate) mod reports;
pub(crate) mod spool_buffer;
mod trim_pace;
pub(crate) mod watchers;
