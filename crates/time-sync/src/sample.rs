//! A server's answer as a claim about the calendar.

use std::time::Duration;

use crate::nanoseconds::Nanoseconds;
use crate::packet::Reply;

/// Added to the uncertainty of each sample: a household does not tell such times apart, and busy servers that are right
/// must not seem to contradict each other.
const MARGIN: Duration = Duration::from_millis(50);
/// The largest uncertainty that is taken: a server with more could be made to agree with anybody.
const UNCERTAINTY_LIMIT: Duration = Duration::from_secs(3);

/// The calendar by one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The time at which the machine started, if the server is right.
    pub start: Nanoseconds,
    /// The greatest possible error to both sides, if the server is right.
    pub uncertainty: Duration,
}

/// A reply that is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The server claims to have kept the request for longer than it was away.
    #[error("its times contradict the time that it took")]
    Contradiction,
    /// The time could be off by more than 3 s.
    #[error("its time is too uncertain")]
    Uncertain,
}

impl Sample {
    /// The claim in a reply to a request that was sent and answered at these uptimes.
    ///
    /// # Errors
    ///
    /// [`SampleError`] for a reply that is of no use.
    pub fn new(reply: &Reply, sent: Duration, received: Duration) -> Result<Self, SampleError> {
        let away = received.checked_sub(sent).ok_or(SampleError::Contradiction)?;
        let kept = reply.sent.minus(reply.received).magnitude();
        // The server's clock may be finer or faster than ours by a little.
        if kept > away + MARGIN {
            return Err(SampleError::Contradiction);
        }
        let uncertainty = (away.saturating_sub(kept) + reply.root_delay) / 2 + reply.root_dispersion + MARGIN;
        let server = reply.received.midpoint(reply.sent);
        let start = server.minus(Nanoseconds::of(sent)).minus(Nanoseconds::of(away / 2));
        Self::within_limit(start, uncertainty)
    }

    /// A claim that is certain enough.
    pub(crate) fn within_limit(start: Nanoseconds, uncertainty: Duration) -> Result<Self, SampleError> {
        if uncertainty > UNCERTAINTY_LIMIT {
            return Err(SampleError::Uncertain);
        }
        Ok(Self { start, uncertainty })
    }

    /// Whether both can be true.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.start.minus(other.start).magnitude() <= self.uncertainty + other.uncertainty
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, MARGIN, Nanoseconds, Reply, Sample, SampleError};

    fn reply(received: i64, sent: i64) -> Reply {
        Reply {
            root_delay: Duration::ZERO,
            root_dispersion: Duration::ZERO,
            received: Nanoseconds(received * 1_000_000),
            sent: Nanoseconds(sent * 1_000_000),
        }
    }

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn half_of_the_way_is_the_error() {
        // 100 ms there and 100 ms back, 20 ms at the server, whose calendar shows 1000 s at the start.
        let sample = Sample::new(&reply(1_005_100, 1_005_120), millis(5000), millis(5220)).unwrap();
        assert_eq!(
            sample,
            Sample { start: Nanoseconds::of_seconds(1000), uncertainty: millis(100) + MARGIN }
        );
    }

    #[test]
    fn a_reply_that_contradicts_its_time_or_is_too_uncertain_is_refused() {
        let refused = |reply, received| Sample::new(&reply, millis(5000), millis(received)).unwrap_err();
        assert_eq!(refused(reply(1_005_000, 1_006_000), 5900), SampleError::Contradiction);
        assert_eq!(refused(reply(1_005_000, 1_005_000), 4999), SampleError::Contradiction);
        assert_eq!(refused(reply(1_005_000, 1_005_000), 11_000), SampleError::Uncertain);
        let far = Reply { root_dispersion: Duration::from_secs(4), ..reply(1_005_000, 1_005_000) };
        assert_eq!(refused(far, 5001), SampleError::Uncertain);
    }
}
