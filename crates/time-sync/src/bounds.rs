//! The times that are not believed, whoever says them.

use std::time::Duration;

use mail_types::UnixTime;

use crate::nanoseconds::Nanoseconds;

/// The time after the image was built at which it is too old to run: 20 years of 365.25 days.
const LIFETIME: u64 = 20 * 31_557_600;
/// The greatest difference from a hint at the first synchronisation.
const HINT_TOLERANCE: Duration = Duration::from_secs(300);

/// The bounds of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    built: UnixTime,
    floor: UnixTime,
    hint: Option<Nanoseconds>,
}

/// A time that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// Before the image was built, or before the end of the machine's last run.
    #[error("the time servers name a time that is past for this machine")]
    Past,
    /// More than 20 years after the image was built.
    #[error("the time servers name a time in the far future")]
    FarFuture,
    /// More than five minutes from the time that a web server named over a connection with a valid certificate.
    #[error("the time servers contradict the time that a web server named")]
    ContradictsHint,
}

impl Bounds {
    /// The bounds for an image that was built at `built`, on a machine that has known the time `floor` in an earlier run.
    /// A later `built` takes the place of the floor.
    #[must_use]
    pub fn new(built: UnixTime, floor: UnixTime) -> Self {
        Self { built, floor: floor.max(built), hint: None }
    }

    /// The time at which the image was built.
    #[must_use]
    pub fn built(&self) -> UnixTime {
        self.built
    }

    /// Takes the time of a web server as a hint (RFC 9110, section 6.6.1): `date` was read at this uptime from a reply whose
    /// certificate was valid.
    pub fn hint(&mut self, date: UnixTime, uptime: Duration) {
        self.hint = Some(Nanoseconds::at(date).minus(Nanoseconds::of(uptime)));
    }

    /// Whether a time is within the bounds, whatever a hint says.
    #[must_use]
    pub fn admits(&self, time: UnixTime) -> bool {
        self.check(Nanoseconds::at(time), Duration::ZERO, false).is_ok()
    }

    /// Whether the time `now` is believed; `uptime` is the uptime at that time. The hint counts for the first
    /// synchronisation only: later the machine's own clock is the better one.
    pub(crate) fn check(&self, now: Nanoseconds, uptime: Duration, first: bool) -> Result<(), OutOfBounds> {
        let latest = UnixTime(self.built.0.saturating_add(LIFETIME));
        let hint = self.hint.filter(|_| first);
        let start = now.minus(Nanoseconds::of(uptime));
        if now < Nanoseconds::at(self.floor) {
            Err(OutOfBounds::Past)
        } else if now > Nanoseconds::at(latest) {
            Err(OutOfBounds::FarFuture)
        } else if hint.is_some_and(|hint| start.minus(hint).magnitude() > HINT_TOLERANCE) {
            Err(OutOfBounds::ContradictsHint)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Duration, Nanoseconds, OutOfBounds, UnixTime};

    const BUILT: u64 = 1_795_000_000;
    const UPTIME: Duration = Duration::from_secs(100);

    #[track_caller]
    fn check(bounds: &Bounds, time: u64, expected: Result<(), OutOfBounds>) {
        assert_eq!(bounds.check(Nanoseconds::at(UnixTime(time)), UPTIME, true), expected, "{time}");
    }

    #[test]
    fn a_time_is_neither_past_nor_far_in_the_future() {
        let bounds = Bounds::new(UnixTime(BUILT), UnixTime(BUILT + 1000));
        check(&bounds, BUILT + 999, Err(OutOfBounds::Past));
        check(&bounds, BUILT + 1000, Ok(()));
        check(&bounds, BUILT + 20 * 31_557_600, Ok(()));
        check(&bounds, BUILT + 20 * 31_557_600 + 1, Err(OutOfBounds::FarFuture));
        check(&Bounds::new(UnixTime(BUILT), UnixTime(0)), BUILT - 1, Err(OutOfBounds::Past));
    }

    #[test]
    fn a_hint_bounds_the_first_time_only() {
        let mut bounds = Bounds::new(UnixTime(BUILT), UnixTime(BUILT));
        bounds.hint(UnixTime(BUILT + 10_000), Duration::from_secs(50));
        check(&bounds, BUILT + 10_050, Ok(()));
        check(&bounds, BUILT + 10_350, Ok(()));
        check(&bounds, BUILT + 10_351, Err(OutOfBounds::ContradictsHint));
        check(&bounds, BUILT + 9749, Err(OutOfBounds::ContradictsHint));
        assert_eq!(bounds.check(Nanoseconds::at(UnixTime(BUILT + 20_000)), UPTIME, false), Ok(()));
    }
}
