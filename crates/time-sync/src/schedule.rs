//! The times of the rounds.

use std::time::Duration;

/// The first interval between two rounds that brought the time, and after a step: what public servers bear (RFC 5905,
/// section 7.3, calls it a poll exponent of 6).
const SHORTEST: Duration = Duration::from_secs(64);
/// The longest: 4.6 h, so that the kernel, which counts its error up to 16 s at 500 ppm, calls its clock synchronised over
/// one round without the time.
const LONGEST: Duration = Duration::from_secs(16_384);
/// The first wait after a round without the time, before the first one with it; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// The longest such wait where something else has brought the time meanwhile.
const LONGEST_RETRY_IN_VAIN: Duration = Duration::from_secs(1024);

/// The intervals between rounds: each wakes the machine and costs strangers a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval: Duration,
    retry: Duration,
    next: Duration,
    hurried: Option<Duration>,
}

/// The outcome of a round, for the time of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The clock was right, or nearly.
    Good,
    /// The clock was stepped.
    Stepped,
    /// There was no time, and there has not been one yet.
    NotYet,
    /// There was no time, nor has there been one, but something else has brought it.
    NotNeeded,
    /// There was no time, but there has been one.
    Missed,
}

impl Schedule {
    /// The first round is due at once.
    pub(crate) fn new(now: Duration) -> Self {
        Self { interval: SHORTEST, retry: FIRST_RETRY, next: now, hurried: None }
    }

    /// The time of the next round.
    pub(crate) fn next(&self) -> Duration {
        self.next
    }

    /// The network has changed: what failed before may work now. Where it changes all the time, servers that are only slow
    /// would be asked all the time: once in 64 s is enough, since the rounds after it follow each other quickly.
    pub(crate) fn retry_soon(&mut self, now: Duration) {
        if self.hurried.is_some_and(|hurried| now.saturating_sub(hurried) < SHORTEST) {
            return;
        }
        self.hurried = Some(now);
        self.retry = FIRST_RETRY;
        self.next = self.next.min(now + FIRST_RETRY);
    }

    /// A round is over. `chance` spreads the rounds of many machines over an eighth of the interval.
    pub(crate) fn round_ended(&mut self, now: Duration, outcome: Outcome, chance: u8) {
        let wait = match outcome {
            Outcome::Good => {
                self.retry = SHORTEST;
                double(&mut self.interval, LONGEST)
            }
            Outcome::Stepped => {
                self.retry = SHORTEST;
                self.interval = SHORTEST;
                SHORTEST
            }
            Outcome::NotYet => double(&mut self.retry, SHORTEST),
            Outcome::NotNeeded => double(&mut self.retry, LONGEST_RETRY_IN_VAIN),
            Outcome::Missed => double(&mut self.retry, self.interval),
        };
        self.next = now + wait + wait / 8 * u32::from(chance) / 256;
    }
}

/// Doubles a time up to a limit; returns it as it was.
fn double(time: &mut Duration, limit: Duration) -> Duration {
    let doubled = (*time * 2).min(limit);
    std::mem::replace(time, doubled)
}

#[cfg(test)]
mod tests {
    use super::{Duration, LONGEST, Outcome, Schedule};

    fn waits(outcomes: impl IntoIterator<Item = Outcome>) -> Vec<u64> {
        let (mut now, mut schedule) = (Duration::ZERO, Schedule::new(Duration::ZERO));
        let wait = |outcome| {
            now = schedule.next();
            schedule.round_ended(now, outcome, 0);
            (schedule.next() - now).as_secs()
        };
        outcomes.into_iter().map(wait).collect()
    }

    #[test]
    fn good_rounds_make_the_interval_grow() {
        let waits = waits([Outcome::Good; 11]);
        assert_eq!(waits, [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 16_384, 16_384]);
    }

    #[test]
    fn a_round_without_the_time_is_repeated_soon_at_first_and_not_often() {
        assert_eq!(waits([Outcome::NotYet; 8]), [2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(waits([Outcome::NotNeeded; 12])[6..], [128, 256, 512, 1024, 1024, 1024]);
        let mut story = vec![Outcome::Good; 4];
        story.extend([Outcome::Missed; 6]);
        story.push(Outcome::Good);
        assert_eq!(waits(story)[4..], [64, 128, 256, 512, 1024, 1024, 1024]);
        assert_eq!(waits([Outcome::Good, Outcome::Good, Outcome::Stepped, Outcome::Good]), [64, 128, 64, 64]);
    }

    #[test]
    fn chance_adds_an_eighth_at_most() {
        let mut schedule = Schedule { interval: LONGEST, ..Schedule::new(Duration::ZERO) };
        schedule.round_ended(Duration::ZERO, Outcome::Good, 255);
        assert!((LONGEST..LONGEST + LONGEST / 8).contains(&schedule.next()));
        assert!(schedule.next() > LONGEST + LONGEST / 9);
    }

    #[test]
    fn a_change_of_the_network_brings_the_next_round_forward() {
        let mut schedule = Schedule::new(Duration::ZERO);
        (0..8).for_each(|_| schedule.round_ended(Duration::ZERO, Outcome::NotYet, 0));
        schedule.retry_soon(Duration::from_secs(10));
        assert_eq!(schedule.next(), Duration::from_secs(12));
        schedule.retry_soon(Duration::from_secs(100));
        assert_eq!(schedule.next(), Duration::from_secs(12), "never put off");
        schedule.round_ended(Duration::from_secs(100), Outcome::NotYet, 0);
        schedule.round_ended(Duration::from_secs(102), Outcome::NotYet, 0);
        schedule.retry_soon(Duration::from_secs(103));
        assert_eq!(schedule.next(), Duration::from_secs(106), "not all the time");
    }
}
