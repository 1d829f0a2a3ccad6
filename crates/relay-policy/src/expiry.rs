//! Expiry of messages and accounts, and quotas: pure functions over lists, so that one run catches up with days without
//! power.

use mail_types::{Day, UnixTime};

/// One day, in seconds.
const DAY: u64 = 86_400;

/// The rules of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRules {
    /// The lifetime of a message, in days.
    pub keep_days: u64,
    /// The lifetime of a large message that some client has noticed, in days.
    pub keep_large_days: u64,
    /// The largest size that is not large, in bytes.
    pub large: u64,
    /// The lifetime of an account, with all it holds, since its last login, in days.
    pub inactive_days: u32,
    /// The age below which trimming for space spares a message, in seconds.
    pub protected_seconds: u64,
}

impl Default for ExpiryRules {
    /// 20 days, 7 for more than 200 000 bytes, 90 for accounts, one day protected.
    fn default() -> Self {
        Self { keep_days: 20, keep_large_days: 7, large: 200_000, inactive_days: 90, protected_seconds: DAY }
    }
}

/// Whether any client has noticed the message, by selecting its mailbox since it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// By at least one.
    ByAClient,
    /// By none.
    NotYet,
}

/// A message in a list that these rules judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<K> {
    /// The caller's key for it.
    pub key: K,
    /// Its size in bytes.
    pub size: u64,
    /// The time at which it came to this server; a date that its client gives does not count.
    pub received: UnixTime,
    /// Whether a client has noticed it.
    pub noticed: Noticed,
}

/// The default limit of an account's messages: far more than 20 days bring, and few enough to list.
const MESSAGE_COUNT_LIMIT: u64 = 100_000;

/// The limits of one account's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In bytes.
    pub bytes: u64,
    /// In messages.
    pub messages: u64,
}

/// An amount of storage: held by an account, or to be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The sum of the messages' sizes in bytes.
    pub bytes: u64,
    /// Their number.
    pub messages: u64,
}

impl Load {
    /// One message of this size.
    #[must_use]
    pub fn message(size: u64) -> Self {
        Self { bytes: size, messages: 1 }
    }
}

impl Quota {
    /// So many bytes, in as many messages as is usual.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes, messages: MESSAGE_COUNT_LIMIT }
    }

    /// Whether `more` fits beside `used`.
    #[must_use]
    pub fn admits(self, used: Load, more: Load) -> bool {
        used.bytes.saturating_add(more.bytes) <= self.bytes
            && used.messages.saturating_add(more.messages) <= self.messages
    }

    /// Whether the use is a reason to trim (75 %).
    #[must_use]
    pub fn wants_trimming(self, used: Load) -> bool {
        self.fills(used, 75)
    }

    /// Whether more than that share is in use, in percent.
    fn fills(self, used: Load, share: u64) -> bool {
        used.bytes > percent(self.bytes, share) || used.messages > percent(self.messages, share)
    }
}

impl ExpiryRules {
    /// The messages past their lifetime. A clock that went backwards expires nothing.
    #[must_use]
    pub fn expired<'a, K>(&self, now: UnixTime, messages: &'a [Held<K>]) -> Vec<&'a K> {
        let older = |message: &Held<K>, days: u64| age(now, message) > days.saturating_mul(DAY);
        let large = |message: &Held<K>| message.size > self.large && message.noticed == Noticed::ByAClient;
        let gone = |message: &&Held<K>| {
            older(message, self.keep_days) || large(message) && older(message, self.keep_large_days)
        };
        messages.iter().filter(gone).map(|message| &message.key).collect()
    }

    /// The messages to delete, oldest first, so that at most 70 % of the quota is used. The youngest are protected, so
    /// that a flood fills a mailbox rather than emptying it.
    #[must_use]
    pub fn trimmed<'a, K: Ord>(&self, now: UnixTime, quota: Quota, messages: &'a [Held<K>]) -> Vec<&'a K> {
        let bytes = messages.iter().fold(0_u64, |used, message| used.saturating_add(message.size));
        let mut used = Load { bytes, messages: u64::try_from(messages.len()).unwrap_or(u64::MAX) };
        let mut oldest: Vec<&Held<K>> =
            messages.iter().filter(|message| age(now, message) >= self.protected_seconds).collect();
        oldest.sort_by_key(|message| (message.received, &message.key));
        let mut trimmed = Vec::new();
        for message in oldest {
            if !quota.fills(used, 70) {
                break;
            }
            used.bytes = used.bytes.saturating_sub(message.size);
            used.messages = used.messages.saturating_sub(1);
            trimmed.push(&message.key);
        }
        trimmed
    }

    /// Whether an account is past its lifetime. One that was never logged into counts from the day it was made.
    #[must_use]
    pub fn account_expired(&self, last_login: Day, today: Day) -> bool {
        today.0.saturating_sub(last_login.0) > self.inactive_days
    }
}

fn age<K>(now: UnixTime, message: &Held<K>) -> u64 {
    now.0.saturating_sub(message.received.0)
}

fn percent(whole: u64, share: u64) -> u64 {
    // Divided first where the product would overflow: exactness does not matter at that size.
    whole.checked_mul(share).map_or(whole / 100 * share, |product| product / 100)
}

#[cfg(test)]
mod tests {
    use super::{DAY, ExpiryRules, Held, Load, Noticed, Quota};
    use mail_types::{Day, UnixTime};

    const NOW: UnixTime = UnixTime(100 * DAY);

    fn held(key: u32, size: u64, age: u64, noticed: Noticed) -> Held<u32> {
        Held { key, size, received: UnixTime(NOW.0 - age), noticed }
    }

    #[test]
    fn old_messages_go_and_large_ones_go_sooner() {
        let messages = [
            held(1, 10, 20 * DAY, Noticed::ByAClient),
            held(2, 10, 20 * DAY + 1, Noticed::NotYet),
            held(3, 200_001, 7 * DAY + 1, Noticed::ByAClient),
            held(4, 200_001, 7 * DAY + 1, Noticed::NotYet),
            held(5, 200_000, 7 * DAY + 1, Noticed::ByAClient),
            held(6, 200_001, 7 * DAY, Noticed::ByAClient),
        ];
        assert_eq!(ExpiryRules::default().expired(NOW, &messages), [&2, &3]);
        assert!(
            ExpiryRules::default().expired(UnixTime(0), &messages).is_empty(),
            "the clock went backwards"
        );
    }

    #[test]
    fn trimming_takes_the_oldest_until_seventy_percent_and_spares_the_last_day() {
        let quota = Quota::of_bytes(100);
        let messages = [
            held(1, 30, 3 * DAY, Noticed::NotYet),
            held(2, 10, 5 * DAY, Noticed::NotYet),
            held(3, 30, DAY - 1, Noticed::NotYet),
            held(4, 20, 2 * DAY, Noticed::NotYet),
        ];
        assert!(quota.wants_trimming(Load::message(90)) && !quota.wants_trimming(Load::message(75)));
        assert_eq!(ExpiryRules::default().trimmed(NOW, quota, &messages), [&2, &1]);
        assert_eq!(ExpiryRules::default().trimmed(NOW, Quota::of_bytes(10), &messages), [&2, &1, &4]);
        assert!(ExpiryRules::default().trimmed(NOW, Quota::of_bytes(1000), &messages).is_empty());
    }

    #[test]
    fn the_quota_is_a_hard_limit() {
        let quota = Quota::of_bytes(100);
        let admits = |used, more| quota.admits(Load::message(used), Load::message(more));
        assert!(admits(90, 10) && !admits(90, 11) && !admits(1, u64::MAX));
        assert!(Quota::of_bytes(u64::MAX).wants_trimming(Load::message(u64::MAX)));
    }

    #[test]
    fn messages_are_counted_too() {
        let quota = Quota { bytes: 1_000_000, messages: 4 };
        let used = |messages| Load { bytes: 10, messages };
        assert!(quota.admits(used(3), Load::message(1)) && !quota.admits(used(4), Load::message(1)));
        assert!(quota.wants_trimming(used(4)) && !quota.wants_trimming(used(3)));
        let messages: Vec<_> = (1..=4).map(|key| held(key, 1, 9 * DAY, Noticed::NotYet)).collect();
        assert_eq!(ExpiryRules::default().trimmed(NOW, quota, &messages), [&1, &2]);
    }

    #[test]
    fn accounts_go_after_ninety_days_without_login() {
        let rules = ExpiryRules::default();
        assert!(!rules.account_expired(Day(1000), Day(1090)));
        assert!(rules.account_expired(Day(1000), Day(1091)));
        assert!(!rules.account_expired(Day(1000), Day(900)), "the clock went backwards");
    }
}
