//! The times that are not believed, whoever says them.

use mail_types::UnixTime;

use crate::nanoseconds::Nanoseconds;

/// The time after the image was built at which it is too old to run: 20 years of 365.25 days.
const LIFETIME: u64 = 20 * 31_557_600;

/// The bounds of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    built: UnixTime,
    floor: UnixTime,
}

/// A time that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// Before the image was built, or before the end of the machine's last run.
    #[error("a time that is past for this machine")]
    Past,
    /// More than 20 years after the image was built.
    #[error("a time in the far future")]
    FarFuture,
}

impl Bounds {
    /// The bounds for an image that was built at `built`, on a machine that has known the time `floor` in an earlier run.
    /// A later `built` takes the place of the floor.
    #[must_use]
    pub fn new(built: UnixTime, floor: UnixTime) -> Self {
        Self { built, floor: floor.max(built) }
    }

    /// The time at which the image was built.
    #[must_use]
    pub fn built(&self) -> UnixTime {
        self.built
    }

    /// Whether a time is within the bounds.
    #[must_use]
    pub fn admits(&self, time: UnixTime) -> bool {
        self.check(Nanoseconds::at(time)).is_ok()
    }

    /// Whether the time `now` is believed.
    pub(crate) fn check(&self, now: Nanoseconds) -> Result<(), OutOfBounds> {
        let latest = UnixTime(self.built.0.saturating_add(LIFETIME));
        if now < Nanoseconds::at(self.floor) {
            Err(OutOfBounds::Past)
        } else if now > Nanoseconds::at(latest) {
            Err(OutOfBounds::FarFuture)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Nanoseconds, OutOfBounds, UnixTime};

    const BUILT: u64 = 1_795_000_000;

    #[track_caller]
    fn check(bounds: &Bounds, time: u64, expected: Result<(), OutOfBounds>) {
        assert_eq!(bounds.check(Nanoseconds::at(UnixTime(time))), expected, "{time}");
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
}
