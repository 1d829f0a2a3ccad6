//! The lab's one look at the clock, and its one way to wait: for an event, with a limit.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The host's monotonic time.
#[expect(clippy::disallowed_methods, reason = "a lab measures real time; this is its one source")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A moment after which a wait gives up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The moment `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// What is left, or `None` when the time is up.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|left| !left.is_zero())
    }
}

/// Lets time pass where the passing itself is the point: a button held, a rhythm watched.
pub(crate) fn let_pass(duration: Duration) {
    // Nobody ever sends: the receiver's limit is the whole event.
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(duration);
}
