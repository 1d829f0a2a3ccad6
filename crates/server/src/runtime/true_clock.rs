//! The knowledge whether the calendar is right. Signatures and certificates name the time, so what needs them waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host::clock;
use relay_policy::certificate::ClockTrust;

/// The time after a start from which on an unknown time is worth a word: time servers answer within seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the calendar is right. All clones learn of it at once.
#[derive(Clone, Debug)]
pub(crate) struct TrueClock {
    told: Arc<AtomicBool>,
    since: Instant,
}

impl TrueClock {
    /// The clock of an ordinary machine: its right time is the business of its owner. Whether the kernel calls it
    /// synchronised is not asked for: a guest follows its host, and a container's host need not say so.
    pub(crate) fn of_machine() -> Self {
        Self { told: Arc::new(true.into()), since: clock::now() }
    }

    /// The clock of a box, which has no battery: it is right from [`TrueClock::set_right`] on.
    pub(crate) fn of_box() -> Self {
        Self { told: Arc::default(), since: clock::now() }
    }

    /// The time client has set it right.
    pub(crate) fn set_right(&self) {
        self.told.store(true, Ordering::Release);
    }

    /// Whether it is right, and shows no time before the program was written.
    pub(crate) fn is_right(&self) -> bool {
        self.told.load(Ordering::Acquire) && clock::wall() >= clock::PROGRAM_WRITTEN
    }

    /// The same for the schedule of certificates.
    pub(crate) fn trust(&self) -> ClockTrust {
        if self.is_right() { ClockTrust::Known } else { ClockTrust::Unknown }
    }

    /// Whether it should have been right for a while.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        !self.is_right() && now.saturating_duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::{PATIENCE, TrueClock};

    #[test]
    fn the_clock_of_a_box_is_right_when_init_says_so() {
        let clock = TrueClock::of_box();
        let later = clock.clone();
        assert!(!clock.is_right() && !clock.is_overdue(clock.since));
        assert!(clock.is_overdue(clock.since + PATIENCE));
        clock.set_right();
        assert!(later.is_right() && !later.is_overdue(clock.since + PATIENCE));
        assert!(TrueClock::of_machine().is_right());
    }
}
