//! The quota of an account and its usage, asked before a message is kept. `expiry.rs` makes room.

use config::Config;
use mail_types::Address;
use relay_policy::{Load, Quota};
use store::Store;

/// The configured quota.
pub(crate) fn of(config: &Config) -> Quota {
    Quota::of_bytes(config.limits.quota)
}

/// The usage of an account.
pub(crate) fn load(store: &Store, address: &Address) -> store::Result<Load> {
    let store::Usage { bytes, messages } = store.usage(address)?;
    Ok(Load { bytes, messages })
}
