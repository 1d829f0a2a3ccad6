//! How much an account may hold, and does: asked before anything is kept. `expiry.rs` makes room.

use config::Config;
use mail_types::Address;
use relay_policy::{Load, Quota};
use store::Store;

/// The configured quota.
pub(crate) fn of(config: &Config) -> Quota {
    Quota::of_bytes(config.limits.quota)
}

/// What an account holds.
pub(crate) fn load(store: &Store, address: &Address) -> store::Result<Load> {
    let store::Usage { bytes, messages } = store.usage(address)?;
    Ok(Load { bytes, messages })
}
