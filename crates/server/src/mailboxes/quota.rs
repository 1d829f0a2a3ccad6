//! The quota of an account and its usage, asked before a message is kept. `expiry.rs` makes room.

use config::Config;
use mail_types::Address;
use relay_policy::{Load, Quota};
use store::{RECORD_BYTES, Store};

/// The configured quota.
pub(crate) fn of(config: &Config) -> Quota {
    Quota::of_bytes(config.limits.quota)
}

/// The share of a quota that a message of this size takes: its record takes room as well.
pub(crate) fn message(size: u64) -> Load {
    Load::message(size.saturating_add(RECORD_BYTES))
}

/// The usage of an account: messages, their records and metadata. It is counted as they come and go, so that asking for
/// it looks at no message.
pub(crate) fn load(store: &Store, address: &Address) -> store::Result<Load> {
    let store::Usage { bytes, messages } = store.usage(address)?;
    Ok(Load { bytes, messages })
}
