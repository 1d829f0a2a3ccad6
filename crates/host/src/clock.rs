//! The machine's clocks: the only place that reads one, or sets it.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clock_steering::unix::UnixClock;
use clock_steering::{Clock, LeapIndicator, TimeOffset};
pub use mail_types::UnixTime;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

/// A time before all images, 2026-11-01: a clock that shows an earlier one is wrong.
pub const PROGRAM_WRITTEN: UnixTime = UnixTime(1_793_491_200);

/// The time of the monotonic clock (`CLOCK_MONOTONIC`), for limits and time-outs.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the monotonic clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of the calendar (`CLOCK_REALTIME`), in whole seconds. A clock before 1970 counts as 1970.
#[must_use]
pub fn wall() -> UnixTime {
    UnixTime(since_1970().as_secs())
}

/// The time of the calendar since 1970. A clock before 1970 counts as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place where the calendar is read")]
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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

/// Sets the calendar's time forward by `seconds` and `nanoseconds`, which are less than 10⁹; backward by negative seconds.
/// Needs `CAP_SYS_TIME`.
///
/// # Errors
///
/// `EPERM` without the capability, `EINVAL` for a time that the kernel does not take.
pub fn step(seconds: i64, nanoseconds: u32) -> io::Result<()> {
    UnixClock::CLOCK_REALTIME.step_clock(TimeOffset { seconds, nanos: nanoseconds })?;
    Ok(())
}

/// Lets the calendar run faster than the machine's crystal by so many parts per million, or slower if negative. The kernel
/// takes 500 at most, and keeps the rate until it is set anew. Needs `CAP_SYS_TIME`.
///
/// # Errors
///
/// `EPERM` without the capability.
pub fn set_rate(ppm: f64) -> io::Result<()> {
    // Nothing else disciplines the clock, least of all the kernel's own loop (`adjtimex(2)`, STA_PLL).
    UnixClock::CLOCK_REALTIME.disable_kernel_ntp_algorithm()?;
    UnixClock::CLOCK_REALTIME.set_frequency(ppm)?;
    Ok(())
}

/// Tells the kernel that the calendar is right within `error` (`adjtimex(2)`, STA_UNSYNC). It lets the error grow by 500
/// parts per million, and calls its clock unsynchronised when it is 16 s. Needs `CAP_SYS_TIME`.
///
/// # Errors
///
/// `EPERM` without the capability.
pub fn mark_synchronised(error: Duration) -> io::Result<()> {
    UnixClock::CLOCK_REALTIME.error_estimate_update(error, error)?;
    UnixClock::CLOCK_REALTIME.set_leap_seconds(LeapIndicator::NoWarning)?;
    Ok(())
}

/// A timeout in the form that `poll` takes.
#[must_use]
pub fn poll_timeout(duration: Duration) -> Timespec {
    let tv_sec = duration.as_secs().try_into().unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() }
}
