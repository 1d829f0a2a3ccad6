//! The retry schedule of a message that another server did not accept (RFC 5321 section 4.5.4.1): retry, or bounce.
//!
//! A box at home is offline more often than a relay in a data centre, and so are its friends: patience is measured in
//! days, and trouble of the connection never counts as a refusal.

use std::time::Duration;

use mail_types::{Address, UnixTime};
use smtp::Reply;
use smtp::client::Fate;

use crate::bounce::FailedRecipient;

/// The times of delivery attempts to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Seconds until the second try; every further wait is twice as long.
    pub first_wait: u64,
    /// The longest wait in seconds.
    pub longest_wait: u64,
    /// The longest time in the queue, in seconds; then the message bounces.
    pub lifetime: u64,
}

impl Default for RetrySchedule {
    /// One minute, doubling up to an hour and six minutes, for two days.
    fn default() -> Self {
        Self { first_wait: 60, longest_wait: 4000, lifetime: 2 * 86_400 }
    }
}

/// The next step for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The other server has the message.
    Nothing,
    /// Try again at this time.
    Retry(UnixTime),
    /// Tell the sender.
    Bounce(FailedRecipient),
}

/// The history of a queued message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The time of its acceptance from the sender.
    pub since: UnixTime,
    /// The number of attempts, the last one included.
    pub tries: u32,
}

/// RFC 3463 X.4.1: no answer from host.
const NO_ANSWER: (u8, u16, u16) = (4, 4, 1);
/// RFC 3463 X.4.7: delivery time expired.
const EXPIRED: (u8, u16, u16) = (4, 4, 7);

impl RetrySchedule {
    /// The consequence of a fate. The chance spreads tries by up to an eighth, so that a queue which built up while
    /// a server was away does not fall on it at once.
    #[must_use]
    pub fn next(&self, now: UnixTime, queued: Queued, recipient: &Address, fate: &Fate, chance: u8) -> Next {
        let bounce = |status, diagnostic| {
            Next::Bounce(FailedRecipient { address: recipient.clone(), status, diagnostic })
        };
        let expired = self.expired(now, queued.since);
        match fate {
            Fate::Delivered => Next::Nothing,
            Fate::Refused(reply) if !reply.is_transient() => {
                bounce(status(reply).unwrap_or((5, 0, 0)), reply.clone())
            }
            Fate::Refused(reply) if expired => bounce(status(reply).unwrap_or(EXPIRED), reply.clone()),
            Fate::Unsettled(trouble) if expired => {
                bounce(NO_ANSWER, Reply::new(451, &format!("4.4.1 {trouble}")))
            }
            Fate::Refused(_) | Fate::Unsettled(_) => {
                let wait = self.spread_wait(queued.tries, chance).as_secs();
                Next::Retry(UnixTime(now.0.saturating_add(wait)))
            }
        }
    }

    /// Whether a message that was accepted at `since` has been in the queue for too long. A clock that went backwards
    /// makes no message older.
    #[must_use]
    pub fn expired(&self, now: UnixTime, since: UnixTime) -> bool {
        now.0.saturating_sub(since.0) >= self.lifetime
    }

    /// The time from the last of so many attempts to the next one; chance spreads it, as in [`RetrySchedule::next`].
    #[must_use]
    pub fn spread_wait(&self, tries: u32, chance: u8) -> Duration {
        Duration::from_secs(spread_wait(self.first_wait, self.longest_wait, tries, chance))
    }
}

/// The wait after so many tries: it doubles from the first up to the longest, and chance makes it longer by up to an eighth.
pub(crate) fn spread_wait(first: u64, longest: u64, tries: u32, chance: u8) -> u64 {
    let doublings = tries.saturating_sub(1);
    let factor = 1_u64.checked_shl(doublings).filter(|factor| *factor > 0).unwrap_or(u64::MAX);
    let wait = first.saturating_mul(factor).min(longest);
    wait.saturating_add(wait / 8 * u64::from(chance) / 256)
}

/// status-code = class "." subject "." detail (RFC 3463 section 2), where a reply opens with one of its own class.
fn status(reply: &Reply) -> Option<(u8, u16, u16)> {
    let mut numbers = reply.text().split([' ', ':']).next()?.split('.');
    let class: u8 = numbers.next()?.parse().ok()?;
    let subject = numbers.next()?.parse().ok().filter(|number| *number < 1000)?;
    let detail = numbers.next()?.parse().ok().filter(|number| *number < 1000)?;
    let own = u16::from(class) == reply.code() / 100 && numbers.next().is_none();
    own.then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::{Next, Queued, RetrySchedule};
    use crate::bounce::FailedRecipient;
    use mail_types::{Address, UnixTime};
    use smtp::Reply;
    use smtp::client::{Fate, Trouble};

    const START: UnixTime = UnixTime(1_000_000);

    fn ben() -> Address {
        "ben@other.test".parse().unwrap()
    }

    /// The step after a fate `age` seconds after the message was accepted.
    fn next(age: u64, tries: u32, fate: &Fate) -> Next {
        let queued = Queued { since: START, tries };
        RetrySchedule::default().next(UnixTime(START.0 + age), queued, &ben(), fate, 0)
    }

    fn refused(code: u16, text: &str) -> Fate {
        Fate::Refused(Reply::new(code, text))
    }

    fn bounce(status: (u8, u16, u16), code: u16, text: &str) -> Next {
        Next::Bounce(FailedRecipient { address: ben(), status, diagnostic: Reply::new(code, text) })
    }

    #[test]
    fn what_was_delivered_or_refused_for_good_is_settled_at_once() {
        assert_eq!(next(0, 1, &Fate::Delivered), Next::Nothing);
        assert_eq!(next(999_999, 9, &Fate::Delivered), Next::Nothing);
        assert_eq!(next(0, 1, &refused(550, "5.1.1 no")), bounce((5, 1, 1), 550, "5.1.1 no"));
        assert_eq!(
            next(0, 1, &refused(523, "Encryption Needed")),
            bounce((5, 0, 0), 523, "Encryption Needed")
        );
        // A status of another class than the code, or a wrong one, is none.
        assert_eq!(next(0, 1, &refused(550, "4.1.1 no")), bounce((5, 0, 0), 550, "4.1.1 no"));
        assert_eq!(next(0, 1, &refused(550, "5.1.1.1 no")), bounce((5, 0, 0), 550, "5.1.1.1 no"));
        assert_eq!(next(0, 1, &refused(550, "5.1.1000 no")), bounce((5, 0, 0), 550, "5.1.1000 no"));
    }

    #[test]
    fn waits_grow_up_to_an_hour_and_end_after_two_days() {
        let trouble = Fate::Unsettled(Trouble::ConnectionLost);
        for (tries, wait) in
            [(0, 60), (1, 60), (2, 120), (3, 240), (7, 3840), (8, 4000), (65, 4000), (u32::MAX, 4000)]
        {
            assert_eq!(next(10, tries, &trouble), Next::Retry(UnixTime(START.0 + 10 + wait)));
            assert_eq!(next(10, tries, &refused(450, "later")), Next::Retry(UnixTime(START.0 + 10 + wait)));
        }
        let text = "4.4.1 the other server closed the connection";
        assert!(matches!(next(2 * 86_400 - 1, 50, &trouble), Next::Retry(_)));
        assert_eq!(next(2 * 86_400, 50, &trouble), bounce((4, 4, 1), 451, text));
        assert_eq!(next(2 * 86_400, 50, &refused(450, "4.2.1 later")), bounce((4, 2, 1), 450, "4.2.1 later"));
        assert_eq!(next(2 * 86_400, 50, &refused(450, "later")), bounce((4, 4, 7), 450, "later"));
    }

    #[test]
    fn tries_are_spread_by_chance_and_survive_a_wrong_clock() {
        let (schedule, fate) = (RetrySchedule::default(), Fate::Unsettled(Trouble::TimedOut));
        let queued = Queued { since: START, tries: 7 };
        let late = schedule.next(START, queued, &ben(), &fate, 255);
        assert_eq!(late, Next::Retry(UnixTime(START.0 + 3840 + 478)));
        let before = schedule.next(UnixTime(0), queued, &ben(), &fate, 0);
        assert_eq!(before, Next::Retry(UnixTime(3840)));
    }
}
