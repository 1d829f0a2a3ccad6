//! The rate limit of an account's submissions: the generic cell rate algorithm (a token per interval, a small bucket).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mail_types::Address;

use crate::refusal::Refusal;

/// The most senders in the table. Those with a full bucket are forgotten, so the table is full only if as many are busy
/// within one refill; then a new sender gets a transient refusal.
const TABLE_LIMIT: usize = 10_000;

/// Counts messages per sender. Memory is bounded, and nothing is kept longer than a bucket takes to refill.
#[derive(Debug)]
pub struct RateLimiter {
    /// One token is refilled in this time.
    interval: Duration,
    /// The time a whole bucket takes, less one token.
    tolerance: Duration,
    /// The time at which each sender's bucket is full again.
    full_at: BTreeMap<Address, Instant>,
    limit: usize,
    /// The table's size after the last sweep.
    swept: usize,
}

impl RateLimiter {
    /// So many messages a minute, of which `burst` may come at once. Zero counts as one.
    #[must_use]
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(60) / per_minute.max(1);
        let tolerance = interval.saturating_mul(burst.max(1).saturating_sub(1));
        Self { interval, tolerance, full_at: BTreeMap::new(), limit: TABLE_LIMIT, swept: 0 }
    }

    /// Counts one message of `sender`, or refuses it, which costs no token.
    pub fn check(&mut self, now: Instant, sender: &Address) -> Result<(), Refusal> {
        let full_at = self.full_at.get(sender).copied().unwrap_or(now).max(now);
        let wait = full_at.duration_since(now).saturating_sub(self.tolerance);
        if !wait.is_zero() {
            return Err(Refusal::TooMuchMail(sender.clone(), wait));
        }
        self.sweep(now);
        if self.full_at.len() >= self.limit && !self.full_at.contains_key(sender) {
            return Err(Refusal::TooMuchMail(sender.clone(), self.interval));
        }
        self.full_at.insert(sender.clone(), full_at + self.interval);
        Ok(())
    }

    /// Forgets full buckets, each time the table has doubled: the cost per message stays constant on average.
    fn sweep(&mut self, now: Instant) {
        if self.full_at.len() >= self.limit || self.full_at.len() > self.swept.saturating_mul(2).max(64) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.swept = self.full_at.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimiter;
    use crate::refusal::Refusal;
    use mail_types::Address;
    use std::time::{Duration, Instant};

    fn anna() -> Address {
        "anna@box.test".parse().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn ten_at_once_and_then_one_a_second() {
        let (mut limiter, start) = (RateLimiter::new(60, 10), start());
        for _ in 0..10 {
            assert_eq!(limiter.check(start, &anna()), Ok(()));
        }
        let second = Duration::from_secs(1);
        assert_eq!(limiter.check(start, &anna()), Err(Refusal::TooMuchMail(anna(), second)));
        assert_eq!(
            limiter.check(start, &"ben@box.test".parse().unwrap()),
            Ok(()),
            "others are not concerned"
        );
        assert!(limiter.check(start + second / 2, &anna()).is_err(), "asking again does not help");
        assert_eq!(limiter.check(start + second, &anna()), Ok(()));
        assert!(limiter.check(start + second, &anna()).is_err());
        for _ in 0..10 {
            assert_eq!(limiter.check(start + second * 60, &anna()), Ok(()), "the bucket is full again");
        }
        assert!(limiter.check(start + second * 60, &anna()).is_err());
    }

    #[test]
    fn the_reply_is_what_clients_look_for() {
        let refusal = Refusal::TooMuchMail(anna(), Duration::from_millis(400));
        let expected = "450 4.7.1: Too much mail from <anna@box.test>, try again in 1 s";
        assert_eq!(refusal.reply().to_string(), expected);
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let (mut limiter, start) = (RateLimiter::new(60, 10), start());
        limiter.limit = 100;
        let address = |number: u32| format!("u{number}@box.test").parse::<Address>().unwrap();
        for number in 0..100 {
            assert_eq!(limiter.check(start, &address(number)), Ok(()));
        }
        assert!(limiter.check(start, &address(100)).is_err());
        assert_eq!(limiter.check(start, &address(5)), Ok(()), "who is known is served");
        assert_eq!(limiter.check(start + Duration::from_secs(2), &address(100)), Ok(()));
        assert!(limiter.full_at.len() < 3);
    }

    #[test]
    fn zero_means_one() {
        let (mut limiter, start) = (RateLimiter::new(0, 0), start());
        assert_eq!(limiter.check(start, &anna()), Ok(()));
        assert!(limiter.check(start + Duration::from_secs(59), &anna()).is_err());
        assert_eq!(limiter.check(start + Duration::from_secs(60), &anna()), Ok(()));
    }
}
