//! The machine's clocks: the only place that reads one, or sets it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use mail_types::UnixTime;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

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

/// The time since the machine started (`CLOCK_BOOTTIME`): the same in all processes of the box.
pub fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Sets the calendar's time. Needs `CAP_SYS_TIME`.
///
/// # Errors
///
/// `EPERM` without the capability, `EINVAL` for a time that the kernel does not take.
pub fn set_wall(time: UnixTime) -> rustix::io::Result<()> {
    let tv_sec = time.0.try_into().map_err(|_| rustix::io::Errno::INVAL)?;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: 0 })
}

/// A timeout in the form that `poll` takes.
#[must_use]
pub fn poll_timeout(duration: Duration) -> Timespec {
    let tv_sec = duration.as_secs().try_into().unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() }
}
