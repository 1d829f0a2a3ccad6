//! Slows down guesses of passwords, by account and not by address: a household shares one address, an attacker has many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mail_types::Address;

/// Wrong passwords in a row that cost nothing: people mistype, and a phone tries several ways in.
const FREE_TRIES: u32 = 5;
/// The longest an account refuses unverified passwords after a wrong one.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The accounts with wrong passwords, in memory.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<Address, Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    wait_until: Instant,
}

impl Throttle {
    /// True if a password may be tried now.
    pub(crate) fn permits(&self, account: &Address, now: Instant) -> bool {
        self.failures.get(account).is_none_or(|failures| now >= failures.wait_until)
    }

    /// A password was wrong: each one after the free tries doubles the wait, from one second on.
    pub(crate) fn failed(&mut self, account: &Address, now: Instant) {
        let failures = self.failures.entry(account.clone()).or_insert(Failures { count: 0, wait_until: now });
        failures.count = failures.count.saturating_add(1);
        if let Some(excess) = failures.count.checked_sub(FREE_TRIES) {
            let seconds = 1_u64.checked_shl(excess.min(30)).unwrap_or(u64::MAX);
            failures.wait_until = now + Duration::from_secs(seconds).min(LONGEST_WAIT);
        }
    }

    /// A password was right.
    pub(crate) fn succeeded(&mut self, account: &Address) {
        self.failures.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use host::clock;

    use crate::accounts::throttle::Throttle;

    #[test]
    fn guesses_get_slower_and_a_right_password_ends_that() {
        let start = clock::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let account = "anna@example.org".parse().unwrap();
        let mut throttle = Throttle::default();
        for _ in 0..4 {
            throttle.failed(&account, start);
            assert!(throttle.permits(&account, start));
        }
        throttle.failed(&account, start);
        assert!(!throttle.permits(&account, start));
        assert!(throttle.permits(&account, at(1)));
        throttle.failed(&account, at(1));
        assert!(!throttle.permits(&account, at(2)));
        assert!(throttle.permits(&account, at(3)));
        for _ in 0..100 {
            throttle.failed(&account, at(3));
        }
        assert!(throttle.permits(&account, at(63)));
        throttle.failed(&account, at(63));
        throttle.succeeded(&account);
        assert!(throttle.permits(&account, at(63)));
    }
}
