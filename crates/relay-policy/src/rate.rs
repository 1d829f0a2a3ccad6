//! The rate limit of an account's submissions, and of another domain's or network's messages: the generic cell rate algorithm (a token per interval, a bucket of
//! tokens), which delays an answer a little rather than refuse.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mail_types::{Address, Domain};

use crate::refusal::Refusal;
use crate::registration::Registration;

/// The most senders in the table. Those with a full bucket are forgotten, so the table is full only if as many are busy
/// within one refill; then a new sender gets a transient refusal.
const TABLE_LIMIT: usize = 10_000;
/// The longest delay of one answer. A refusal costs the sender far more: core (2.65) comes back after 30 s, then 50, 75
/// and 117.
const DELAY_LIMIT: Duration = Duration::from_secs(1);
/// The most that the answers of one sender are delayed together, until the bucket has been full again. Beyond it the
/// sender is refused, so that one who never pauses holds no connection for ever.
const DELAY_SUM_LIMIT: Duration = Duration::from_secs(30);
/// A message costs a token, and each recipient but the first this part of one. Measured (10 kB each, November 2026): 0.5 ms
/// of CPU and 10.9 kB of disk with one recipient, 0.04 ms and 0.12 kB for each further one.
const RECIPIENTS_A_TOKEN: u32 = 10;

/// The pace at which an account, or somebody elsewhere, may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendRate {
    /// Messages a minute in the long run; zero counts as one.
    pub per_minute: u32,
    /// Messages at once; zero counts as one.
    pub burst: u32,
}

impl SendRate {
    /// The usual pace: that of public relays where anybody may register; elsewhere the accounts are people that the owner
    /// let in, who send a hundred photos at once.
    #[must_use]
    pub fn usual(registration: Registration) -> Self {
        match registration {
            Registration::Open => Self { per_minute: 60, burst: 10 },
            Registration::Pairing | Registration::Invite | Registration::Closed => {
                Self { per_minute: 300, burst: 500 }
            }
        }
    }
}

/// Counts messages per sender. Memory is bounded, and nothing is kept longer than a bucket takes to refill.
#[derive(Debug)]
pub struct RateLimiter<S = Address> {
    /// One token is refilled in this time.
    interval: Duration,
    /// The time a whole bucket takes, less one token.
    tolerance: Duration,
    buckets: BTreeMap<S, Bucket>,
    limit: usize,
    /// The table's size after the last sweep.
    swept: usize,
}

/// A bucket that is not full.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full_at: Instant,
    /// The sum of the delays since it was full.
    delayed: Duration,
}

impl<S: Ord + Clone> RateLimiter<S> {
    /// A limiter for this pace.
    #[must_use]
    pub fn new(rate: SendRate) -> Self {
        let interval = Duration::from_secs(60) / rate.per_minute.max(1);
        let tolerance = interval.saturating_mul(rate.burst.max(1).saturating_sub(1));
        Self { interval, tolerance, buckets: BTreeMap::new(), limit: TABLE_LIMIT, swept: 0 }
    }

    /// Counts one message, and returns the time by which its answer is to be delayed; else the time after which the sender
    /// may come again.
    fn admit(&mut self, now: Instant, sender: &S) -> Result<Duration, Duration> {
        let mut bucket = self.bucket(now, sender);
        let wait = bucket.full_at.duration_since(now).saturating_sub(self.tolerance);
        let delayed = bucket.delayed + wait;
        if wait > DELAY_LIMIT || !wait.is_zero() && delayed > DELAY_SUM_LIMIT {
            return Err(wait);
        }
        self.sweep(now);
        if self.buckets.len() >= self.limit && !self.buckets.contains_key(sender) {
            return Err(self.interval);
        }
        bucket.full_at += self.interval;
        bucket.delayed = delayed;
        self.buckets.insert(sender.clone(), bucket);
        Ok(wait)
    }

    /// Charges a message that [`Self::check`] counted for its recipients beyond the first. The bucket may go below empty:
    /// the next message waits.
    pub fn charge(&mut self, now: Instant, sender: &S, recipients: usize) {
        let further = u32::try_from(recipients.saturating_sub(1)).unwrap_or(u32::MAX);
        let cost = self.interval.saturating_mul(further) / RECIPIENTS_A_TOKEN;
        let mut bucket = self.bucket(now, sender);
        bucket.full_at += cost;
        // A sender that is not in the table any more has a full bucket, and the table may be full.
        if self.buckets.len() < self.limit || self.buckets.contains_key(sender) {
            self.buckets.insert(sender.clone(), bucket);
        }
    }

    fn bucket(&self, now: Instant, sender: &S) -> Bucket {
        let known = self.buckets.get(sender).filter(|bucket| bucket.full_at > now);
        known.copied().unwrap_or(Bucket { full_at: now, delayed: Duration::ZERO })
    }

    /// Forgets full buckets, each time the table has doubled: the cost per message stays constant on average.
    fn sweep(&mut self, now: Instant) {
        if self.buckets.len() >= self.limit || self.buckets.len() > self.swept.saturating_mul(2).max(64) {
            self.buckets.retain(|_, bucket| bucket.full_at > now);
            self.swept = self.buckets.len();
        }
    }
}

impl RateLimiter<Address> {
    /// Counts one message of an account, and returns the time by which its answer is to be delayed.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMuchMail`], which costs no token.
    pub fn check(&mut self, now: Instant, sender: &Address) -> Result<Duration, Refusal> {
        self.admit(now, sender).map_err(|wait| Refusal::TooMuchMail(sender.clone(), wait))
    }
}

impl RateLimiter<Domain> {
    /// Counts one message of another domain, and returns the time by which its answer is to be delayed.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMuchFromDomain`], which costs no token.
    pub fn check(&mut self, now: Instant, sender: &Domain) -> Result<Duration, Refusal> {
        self.admit(now, sender).map_err(|wait| Refusal::TooMuchFromDomain(sender.clone(), wait))
    }
}

impl RateLimiter<IpAddr> {
    /// Counts one message from a network, and returns the time by which its answer is to be delayed.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMuchFromNetwork`], which costs no token.
    pub fn check(&mut self, now: Instant, sender: &IpAddr) -> Result<Duration, Refusal> {
        self.admit(now, sender).map_err(Refusal::TooMuchFromNetwork)
    }
}

impl RateLimiter<()> {
    /// Counts one message, whoever it is of, and returns whether it is within the pace.
    pub fn permits(&mut self, now: Instant) -> bool {
        self.admit(now, &()) == Ok(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::{RateLimiter, SendRate};
    use crate::refusal::Refusal;
    use crate::registration::Registration;
    use mail_types::Address;
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    fn anna() -> Address {
        "anna@box.test".parse().unwrap()
    }

    fn limiter(per_minute: u32, burst: u32) -> RateLimiter<Address> {
        RateLimiter::new(SendRate { per_minute, burst })
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn ten_at_once_and_then_one_a_second_each_delayed_by_its_own() {
        let (mut limiter, start) = (limiter(60, 10), start());
        for _ in 0..10 {
            assert_eq!(limiter.check(start, &anna()), Ok(Duration::ZERO));
        }
        assert_eq!(limiter.check(start, &anna()), Ok(SECOND));
        assert_eq!(
            limiter.check(start, &anna()),
            Err(Refusal::TooMuchMail(anna(), 2 * SECOND)),
            "an answer is delayed by a second at most, also on another connection"
        );
        let ben = "ben@box.test".parse().unwrap();
        assert_eq!(limiter.check(start, &ben), Ok(Duration::ZERO), "others are not concerned");
        assert_eq!(limiter.check(start + SECOND, &anna()), Ok(SECOND), "a refusal cost no token");
        for _ in 0..10 {
            assert_eq!(limiter.check(start + SECOND * 60, &anna()), Ok(Duration::ZERO), "full again");
        }
    }

    #[test]
    fn whoever_never_pauses_is_refused_after_half_a_minute_of_delays_and_may_come_again() {
        let (mut limiter, mut now) = (limiter(60, 10), start());
        let mut sent = 0;
        while let Ok(delay) = limiter.check(now, &anna()) {
            sent += 1;
            now += delay;
        }
        assert_eq!(sent, 10 + 30);
        assert_eq!(limiter.check(now, &anna()), Err(Refusal::TooMuchMail(anna(), SECOND)));
        // A token has come back: no delay, so no refusal either.
        assert_eq!(limiter.check(now + SECOND, &anna()), Ok(Duration::ZERO));
        assert!(limiter.check(now + SECOND, &anna()).is_err());
        assert_eq!(limiter.check(now + 12 * SECOND, &anna()), Ok(Duration::ZERO));
    }

    #[test]
    fn a_message_for_fifty_people_costs_six_tokens_and_goes_out_also_when_there_is_one() {
        let (mut limiter, start) = (limiter(60, 1), start());
        assert_eq!(limiter.check(start, &anna()), Ok(Duration::ZERO));
        limiter.charge(start, &anna(), 51);
        assert_eq!(limiter.check(start, &anna()), Err(Refusal::TooMuchMail(anna(), 6 * SECOND)));
        assert_eq!(limiter.check(start + 6 * SECOND, &anna()), Ok(Duration::ZERO));
        limiter.charge(start + 6 * SECOND, &anna(), 1);
        assert_eq!(limiter.check(start + 7 * SECOND, &anna()), Ok(Duration::ZERO));
    }

    #[test]
    fn a_household_sends_a_hundred_photos_at_once() {
        let photos = |registration| {
            let (mut limiter, now) = (RateLimiter::<Address>::new(SendRate::usual(registration)), start());
            (0..200).all(|_| limiter.check(now, &anna()) == Ok(Duration::ZERO))
        };
        assert!(
            photos(Registration::Pairing) && photos(Registration::Invite) && photos(Registration::Closed)
        );
        assert!(!photos(Registration::Open));
    }

    #[test]
    fn the_reply_is_what_clients_look_for() {
        let refusal = Refusal::TooMuchMail(anna(), Duration::from_millis(400));
        let expected = "450 4.7.1: Too much mail from <anna@box.test>, try again in 1 s";
        assert_eq!(refusal.reply().to_string(), expected);
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let (mut limiter, start) = (limiter(60, 10), start());
        limiter.limit = 100;
        let address = |number: u32| format!("u{number}@box.test").parse::<Address>().unwrap();
        for number in 0..100 {
            assert_eq!(limiter.check(start, &address(number)), Ok(Duration::ZERO));
        }
        assert!(limiter.check(start, &address(100)).is_err());
        limiter.charge(start, &address(101), 500);
        assert_eq!(limiter.buckets.len(), 100);
        assert_eq!(limiter.check(start, &address(5)), Ok(Duration::ZERO), "who is known is served");
        assert_eq!(limiter.check(start + 2 * SECOND, &address(100)), Ok(Duration::ZERO));
        assert!(limiter.buckets.len() < 3);
    }

    #[test]
    fn zero_means_one() {
        let (mut limiter, start) = (limiter(0, 0), start());
        assert_eq!(limiter.check(start, &anna()), Ok(Duration::ZERO));
        assert!(limiter.check(start + 58 * SECOND, &anna()).is_err());
        assert_eq!(limiter.check(start + 59 * SECOND, &anna()), Ok(SECOND));
    }
}
