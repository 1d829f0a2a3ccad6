//! The count of what the sink has taken.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of recipients that have got a message.
#[derive(Debug, Default)]
pub(super) struct Taken {
    recipients: AtomicUsize,
    changed: Notify,
}

impl Taken {
    pub(super) fn add(&self, recipients: usize) {
        self.recipients.fetch_add(recipients, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(super) fn count(&self) -> usize {
        self.recipients.load(Ordering::Relaxed)
    }

    /// Returns once there were so many.
    pub(super) async fn reach(&self, number: usize) {
        while self.count() < number {
            self.changed.notified().await;
        }
    }
}
