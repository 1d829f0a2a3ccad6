//! The pace of the requests: growing pauses, spread by chance, and a bound for each hour.

use std::time::{Duration, Instant};

/// The time, or up to an eighth less, so that not all boxes ask at the same moment.
pub(super) fn spread(time: Duration, chance: u8) -> Duration {
    time.saturating_sub(time / 8 * u32::from(chance) / 256)
}

/// A pause that doubles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// The first one.
    pub(super) first: Duration,
    /// The longest one.
    pub(super) longest: Duration,
}

impl Pauses {
    /// The pause after so many failures in a row, from 1.
    pub(super) fn after(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor.max(1)).min(self.longest)
    }
}

/// A bucket of requests: a burst, and a number an hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: u32,
    filled: Instant,
}

impl Budget {
    /// Requests at once.
    pub(super) const BURST: u32 = 60;
    /// The time in which one more may be sent: 1200 an hour. Twelve mappings with a lifetime of two minutes, the shortest
    /// that RFC 6887 (section 15) knows, take 720.
    const REFILL: Duration = Duration::from_secs(3);

    /// A full one.
    pub(super) fn new(now: Instant) -> Self {
        Self { left: Self::BURST, filled: now }
    }

    /// Takes a request out, or tells when there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let passed = now.saturating_duration_since(self.filled);
        let grown = u32::try_from(passed.as_millis() / Self::REFILL.as_millis()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(grown).min(Self::BURST);
        self.filled = if self.left == Self::BURST { now } else { self.filled + Self::REFILL * grown };
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.filled + Self::REFILL),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Budget, Pauses, spread};

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let pauses = Pauses { first: Duration::from_secs(60), longest: Duration::from_secs(3600) };
        let seconds = |failures| pauses.after(failures).as_secs();
        assert_eq!([1, 2, 3, 7, 40, u32::MAX].map(seconds), [60, 120, 240, 3600, 3600, 3600]);
        let spread: Vec<_> =
            (0..=u8::MAX).map(|chance| spread(Duration::from_secs(80), chance).as_millis()).collect();
        assert!(spread.iter().all(|time| (70_000..=80_000).contains(time)), "{spread:?}");
        assert!(spread.iter().max() > spread.iter().min().map(|time| time + 5000).as_ref(), "{spread:?}");
    }

    #[test]
    fn after_a_burst_a_request_costs_three_seconds() {
        #[expect(clippy::disallowed_methods, reason = "a test's beginning of time")]
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for _ in 0..Budget::BURST {
            assert_eq!(budget.take(start), Ok(()));
        }
        let next = start + Duration::from_secs(3);
        assert_eq!(budget.take(start), Err(next));
        assert_eq!(budget.take(start + Duration::from_secs(2)), Err(next));
        assert_eq!(budget.take(next), Ok(()));
        assert_eq!(budget.take(next), Err(next + Duration::from_secs(3)));
        let later = next + Duration::from_secs(7200);
        let taken = (0..1000).filter(|_| budget.take(later).is_ok()).count();
        assert_eq!(taken, 60);
    }
}
