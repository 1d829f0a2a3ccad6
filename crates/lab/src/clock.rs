//! The lab's only reader of the monotonic clock, and its deadlines.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The host's monotonic time.
#[expect(clippy::disallowed_methods, reason = "a lab measures real time; this is its one source")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The end of a wait's limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The moment `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// The time that remains, or `None` after the deadline.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|left| !left.is_zero())
    }
}

/// Blocks for `duration`, where no event ends the wait: a button held, a lock polled.
pub(crate) fn pause(duration: Duration) {
    // Nothing is ever sent, so the receiver's time-out is the pause.
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(duration);
}
