//! The error of the machine's crystal, learnt from the offsets that it causes. Without a correction the clock of a Pi is
//! off by half a second before the longest interval between two rounds is over.

use std::time::Duration;

use crate::nanoseconds::Nanoseconds;

/// The shortest time over which a drift is believed: over a shorter one the network's delays are larger.
const SHORTEST_SPAN: Duration = Duration::from_secs(1000);
/// The part of a measured drift that is taken over at once.
const GAIN: f64 = 0.5;
/// The largest error of a crystal, in parts per million. With a slew it stays below the 500 that the kernel takes.
const LIMIT: f64 = 100.0;

/// The correction for the crystal's error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Frequency {
    ppm: f64,
}

impl Frequency {
    /// The correction, in parts per million: 100 at most.
    pub(crate) fn ppm(self) -> f64 {
        self.ppm
    }

    /// Learns from an offset that has come about in `span`, while nothing but this correction was in force.
    pub(crate) fn learn(&mut self, offset: Nanoseconds, span: Duration) {
        if span >= SHORTEST_SPAN {
            let drift = offset.as_seconds() / span.as_secs_f64() * 1e6;
            self.ppm = (self.ppm + GAIN * drift).clamp(-LIMIT, LIMIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Frequency, LIMIT, Nanoseconds};

    #[test]
    fn the_correction_approaches_the_crystals_error() {
        let (mut frequency, crystal, span) = (Frequency::default(), -40.0, Duration::from_secs(4096));
        let mut offsets = Vec::new();
        for _ in 0..8 {
            let offset = -(crystal + frequency.ppm()) * 1e-6 * span.as_secs_f64();
            offsets.push(offset.abs());
            frequency.learn(Nanoseconds((offset * 1e9) as i64), span);
        }
        assert!((frequency.ppm() - 40.0).abs() < 1.0, "{frequency:?}");
        assert!(offsets[0] > 0.1 && offsets[7] < 0.005, "{offsets:?}");
    }

    #[test]
    fn a_short_time_teaches_nothing_and_no_offset_too_much() {
        let mut frequency = Frequency::default();
        frequency.learn(Nanoseconds(400_000_000), Duration::from_secs(64));
        assert_eq!(frequency.ppm(), 0.0);
        frequency.learn(Nanoseconds(i64::MAX), Duration::from_secs(1000));
        assert_eq!(frequency.ppm(), LIMIT);
    }
}
