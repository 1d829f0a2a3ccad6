//! The rate of the lines that a child process may log: a token bucket. Without it a child that is broken, or taken over,
//! wears out the card and pushes everything else out of the kernel's ring buffer.
//!
//! Pure: the time is an argument.

use std::time::Duration;

/// Lines that may come at once.
const BURST: u64 = 100;
/// The time in which one more line may come.
const REFILL_INTERVAL: Duration = Duration::from_millis(100);

/// A token bucket for lines.
#[derive(Debug)]
pub(super) struct LogRate {
    tokens: u64,
    /// The time up to which tokens have been given out.
    refilled: Duration,
    dropped: u64,
}

/// The decision about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Log it.
    Pass,
    /// Log how many lines were dropped before it, then the line.
    PassAfter(u64),
    /// Drop it.
    Drop,
}

impl LogRate {
    /// A full bucket.
    pub(super) fn new(now: Duration) -> Self {
        Self { tokens: BURST, refilled: now, dropped: 0 }
    }

    /// Decides about a line that comes now.
    pub(super) fn admit(&mut self, now: Duration) -> Admission {
        self.refill(now);
        // The note about dropped lines is a line too.
        let cost = if self.dropped == 0 { 1 } else { 2 };
        let Some(left) = self.tokens.checked_sub(cost) else {
            self.dropped = self.dropped.saturating_add(1);
            return Admission::Drop;
        };
        self.tokens = left;
        match self.take_dropped() {
            0 => Admission::Pass,
            dropped => Admission::PassAfter(dropped),
        }
    }

    /// The number of lines dropped since the last one that passed; each is counted once.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn refill(&mut self, now: Duration) {
        let intervals = now.saturating_sub(self.refilled).as_millis() / REFILL_INTERVAL.as_millis();
        let missing = BURST.saturating_sub(self.tokens);
        match u32::try_from(intervals) {
            Ok(intervals) if u64::from(intervals) < missing => {
                self.tokens = self.tokens.saturating_add(intervals.into());
                self.refilled += REFILL_INTERVAL * intervals;
            }
            _ => *self = Self { tokens: BURST, refilled: now.max(self.refilled), dropped: self.dropped },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Admission, LogRate};

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The number of lines that pass out of `count` at one time.
    fn passed(rate: &mut LogRate, count: usize, milliseconds: u64) -> usize {
        (0..count).filter(|_| rate.admit(at(milliseconds)) != Admission::Drop).count()
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_dropped_and_counted() {
        let mut rate = LogRate::new(at(5_000));
        assert_eq!(passed(&mut rate, 150, 5_000), 100);
        assert_eq!(rate.admit(at(5_199)), Admission::Drop, "a line and the note need two tokens");
        assert_eq!(rate.admit(at(5_200)), Admission::PassAfter(51));
        assert_eq!(rate.admit(at(5_299)), Admission::Drop);
        assert_eq!(rate.admit(at(5_400)), Admission::PassAfter(1));
        assert_eq!(rate.admit(at(5_500)), Admission::Pass);
    }

    #[test]
    fn ten_lines_a_second_pass_for_ever() {
        let mut rate = LogRate::new(at(0));
        assert_eq!(passed(&mut rate, 100, 0), 100);
        assert!((1..1000).all(|line| rate.admit(at(line * 100)) == Admission::Pass));
    }

    #[test]
    fn a_flood_leaves_ten_lines_a_second_with_the_notes() {
        let mut rate = LogRate::new(at(0));
        passed(&mut rate, 200, 0);
        let lines: usize = (1..=10_000)
            .map(|millisecond| match rate.admit(at(millisecond)) {
                Admission::Pass => 1,
                Admission::PassAfter(_) => 2,
                Admission::Drop => 0,
            })
            .sum();
        assert_eq!(lines, 100);
    }

    #[test]
    fn a_quiet_time_fills_the_bucket_and_no_more() {
        let mut rate = LogRate::new(at(0));
        passed(&mut rate, 100, 0);
        assert_eq!(passed(&mut rate, 500, 100_000_000_000), 100);
        assert_eq!(rate.admit(at(0)), Admission::Drop, "a clock that goes backwards gives nothing");
    }
}
