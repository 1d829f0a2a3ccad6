//! A router's epoch time: whether it still knows what it was asked before (RFC 6887 section 8.5, RFC 6886 section 3.6).

use std::time::Instant;

/// Seconds by which the clocks may differ anyway, for their rounding.
const SLACK: u64 = 2;

/// An epoch time, and when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Seconds.
    pub(super) value: u32,
    /// Our time of its arrival.
    pub(super) at: Instant,
}

impl Epoch {
    /// Whether the router has lost its mappings between this epoch time and a later one: its clock went back by more than
    /// a second, or differs from ours by more than a sixteenth and two seconds of the time that has passed.
    pub(super) fn is_broken_by(self, later: Self) -> bool {
        let ours = later.at.saturating_duration_since(self.at).as_secs();
        let back = self.value.saturating_sub(later.value);
        if back > 0 {
            return back > 1;
        }
        let server = u64::from(later.value - self.value);
        ours + SLACK < server - server / 16 || server + SLACK < ours - ours / 16
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Epoch;

    #[test]
    fn a_clock_that_goes_back_or_astray_tells_a_restart() {
        #[expect(clippy::disallowed_methods, reason = "a test's beginning of time")]
        let start = Instant::now();
        let broken = |before: u32, after: u32, passed: u64| {
            let at = start + Duration::from_secs(passed);
            Epoch { value: before, at: start }.is_broken_by(Epoch { value: after, at })
        };
        for (before, after, passed, expected) in [
            (100, 160, 60, false),
            (100, 99, 0, false),
            (100, 98, 0, true),
            (100, 2, 60, true),
            (100, 155, 60, false),
            (100, 150, 60, true),
            (100, 170, 60, true),
            (3, 50, 60, true),
            (0, 3600, 3400, false),
        ] {
            assert_eq!(broken(before, after, passed), expected, "{before} {after} {passed}");
        }
    }
}
