//! A wait until a time that may not be set.

use std::time::Instant;

/// Waits until this time; for ever if there is none.
pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
