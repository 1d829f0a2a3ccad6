//! The clocks as init sees them: seconds since the machine started, and the calendar, which init may also set.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

/// The time since the machine started.
pub(super) fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Sets the calendar, in seconds since 1970.
pub(super) fn set_calendar(seconds: u64) -> rustix::io::Result<()> {
    let tv_sec = seconds.try_into().map_err(|_| rustix::io::Errno::INVAL)?;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: 0 })
}

/// A limit for [`rustix::event::poll`].
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
