//! What happened since the start, counted where it happens: no locks, no names, nothing that survives.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Notifications that the push service took.
    pub(crate) pushes_sent: Counter,
    /// Tokens that the push service does not know any more.
    pub(crate) pushes_gone: Counter,
    /// Tries that failed; most are tried again.
    pub(crate) pushes_failed: Counter,
    /// Notifications that failed too often or came too late.
    pub(crate) pushes_given_up: Counter,
}
