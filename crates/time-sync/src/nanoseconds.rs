//! Points and spans on the calendar.

use std::time::Duration;

use mail_types::UnixTime;

/// Nanoseconds per second.
const PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds of the calendar: since 1970 for a point in time, or a span with a sign. All arithmetic ends at ±292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanoseconds(pub i64);

impl Nanoseconds {
    /// A span.
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// A span of seconds.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(PER_SECOND))
    }

    /// A point in time.
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self::of_seconds(i64::try_from(time.0).unwrap_or(i64::MAX))
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The point in the middle of two, rounded down.
    #[must_use]
    pub fn midpoint(self, other: Self) -> Self {
        Self(self.0.midpoint(other.0))
    }

    /// The span without its sign.
    #[must_use]
    pub fn magnitude(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }

    /// The span in seconds with their fraction, for rates.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        let seconds = self.magnitude().as_secs_f64();
        if self.0 < 0 { -seconds } else { seconds }
    }

    /// The span in whole milliseconds, rounded toward zero.
    #[must_use]
    pub fn as_milliseconds(self) -> i64 {
        self.0 / 1_000_000
    }

    /// The whole seconds and the nanoseconds after them, which are never negative: −0.25 s is (−1, 750 000 000).
    #[must_use]
    pub fn split(self) -> (i64, u32) {
        let rest = self.0.rem_euclid(PER_SECOND);
        (self.0.div_euclid(PER_SECOND), u32::try_from(rest).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Nanoseconds;

    #[test]
    fn a_negative_span_is_split_into_seconds_before_and_nanoseconds_after() {
        for (nanoseconds, expected) in [
            (0, (0, 0)),
            (1_250_000_000, (1, 250_000_000)),
            (-250_000_000, (-1, 750_000_000)),
            (-1_000_000_000, (-1, 0)),
        ] {
            assert_eq!(Nanoseconds(nanoseconds).split(), expected, "{nanoseconds}");
        }
        assert_eq!(Nanoseconds(i64::MIN).minus(Nanoseconds(1)), Nanoseconds(i64::MIN));
        assert_eq!(Nanoseconds(-1_500_000_000).as_seconds(), -1.5);
    }
}
