//! The only place that reads a clock; everything below takes the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mail_types::UnixTime;

/// A point on the clock that never jumps, for limits and time-outs.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the monotonic clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

/// The calendar's time. A clock before 1970 counts as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the calendar is read")]
pub fn wall() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
