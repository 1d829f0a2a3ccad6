//! The machine's two clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mail_types::UnixTime;

/// The time of the monotonic clock (`CLOCK_MONOTONIC`), for limits and time-outs.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the monotonic clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of the calendar (`CLOCK_REALTIME`), in whole seconds. A clock before 1970 counts as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the calendar is read")]
pub fn wall() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
