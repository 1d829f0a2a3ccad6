//! Slows down guesses of passwords. A guess counts for its account and network together, so that what strangers do never
//! keeps the owner out; and for its network, whatever the account. It counts before its password is hashed, so that the work
//! is charged before it is done.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mail_types::Address;

/// Wrong passwords in a row for one account from one network that cost nothing: people mistype, and a phone tries several
/// ways in.
const FREE_TRIES: u32 = 5;
/// The longest that an account refuses unverified passwords of a network after a wrong one.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Wrong passwords of one network, for any accounts, that cost nothing: a large family after an evening of wrong tries.
const NETWORK_TRIES: u32 = 32;
/// From one wrong password of a network beyond those to the next.
const NETWORK_INTERVAL: Duration = Duration::from_secs(2);
/// The time after which wrong passwords are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);
/// The entries of each table at most; the oldest are forgotten first. An entry costs its guesser a hash.
const ENTRIES_KEPT: usize = 4096;

/// The wrong passwords, in memory only.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    pairs: HashMap<(Address, IpAddr), Failures>,
    /// The time at which a network will have paid for its wrong passwords.
    networks: HashMap<IpAddr, Instant>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    wait_until: Instant,
}

impl Throttle {
    /// True if this network may try a password of this account now.
    pub(crate) fn permits(&self, account: &Address, network: IpAddr, now: Instant) -> bool {
        let failures = self.pairs.get(&(account.clone(), network));
        failures.is_none_or(|failures| now >= failures.wait_until) && self.has_credit(network, now)
    }

    /// Counts a try as wrong, until it turns out right; false if it may not be made. Each wrong one after the free tries doubles
    /// the wait, from one second on.
    pub(crate) fn begin(&mut self, account: &Address, network: IpAddr, now: Instant) -> bool {
        if !self.permits(account, network, now) {
            return false;
        }
        let pair = (account.clone(), network);
        make_room(&mut self.pairs, &pair, |failures| failures.last);
        let failures = self.pairs.entry(pair).or_insert(Failures { count: 0, last: now, wait_until: now });
        if now >= failures.last + FORGOTTEN_AFTER {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(excess) = failures.count.checked_sub(FREE_TRIES) {
            let seconds = 1_u64.checked_shl(excess.min(30)).unwrap_or(u64::MAX);
            failures.wait_until = now + Duration::from_secs(seconds).min(LONGEST_WAIT);
        }
        if !network.is_loopback() {
            make_room(&mut self.networks, &network, |paid| *paid);
            let paid = self.networks.entry(network).or_insert(now);
            *paid = (*paid).max(now) + NETWORK_INTERVAL;
        }
        true
    }

    /// A try turned out right.
    pub(crate) fn succeeded(&mut self, account: &Address, network: IpAddr) {
        self.pairs.remove(&(account.clone(), network));
        if let Some(paid) = self.networks.get_mut(&network) {
            *paid = paid.checked_sub(NETWORK_INTERVAL).unwrap_or(*paid);
        }
    }

    /// True if the network has tries left. The machine itself may be a proxy for everybody: there only the account counts.
    fn has_credit(&self, network: IpAddr, now: Instant) -> bool {
        let limit = NETWORK_INTERVAL * (NETWORK_TRIES - 1);
        self.networks.get(&network).is_none_or(|paid| paid.saturating_duration_since(now) <= limit)
    }
}

/// Forgets the oldest entries, a sixteenth of all, if this one would be one too many.
fn make_room<K: Eq + Hash, V>(table: &mut HashMap<K, V>, key: &K, age: impl Fn(&V) -> Instant) {
    if table.len() >= ENTRIES_KEPT && !table.contains_key(key) {
        let mut ages: Vec<Instant> = table.values().map(&age).collect();
        let (_, last, _) = ages.select_nth_unstable(ENTRIES_KEPT / 16);
        table.retain(|_, entry| age(entry) > *last);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use host::clock;
    use mail_types::Address;

    use crate::accounts::throttle::{ENTRIES_KEPT, Throttle};

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn anna() -> Address {
        "anna@example.org".parse().unwrap()
    }

    fn peer(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    fn seconds(start: Instant) -> impl Fn(u64) -> Instant {
        move |seconds| start + Duration::from_secs(seconds)
    }

    #[test]
    fn guesses_get_slower_and_a_right_password_ends_that() {
        let at = seconds(clock::now());
        let (account, network) = (anna(), LOOPBACK);
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert!(throttle.begin(&account, network, at(0)));
        }
        assert!(!throttle.begin(&account, network, at(0)));
        assert!(throttle.begin(&account, network, at(1)));
        assert!(!throttle.begin(&account, network, at(2)));
        for second in 3..10_000 {
            throttle.begin(&account, network, at(second));
        }
        let tries = (10_000..10_600).filter(|second| throttle.begin(&account, network, at(*second))).count();
        assert_eq!(tries, 10, "one a minute");
        assert!(throttle.begin(&account, network, at(10_660)));
        throttle.succeeded(&account, network);
        assert!(throttle.begin(&account, network, at(10_660)));
    }

    #[test]
    fn what_strangers_do_keeps_nobody_out() {
        let now = clock::now();
        let mut throttle = Throttle::default();
        for stranger in 1..1_000 {
            while throttle.begin(&anna(), peer(stranger), now) {}
        }
        assert!(throttle.begin(&anna(), peer(0), now), "the first try of another network");
    }

    #[test]
    fn wrong_passwords_for_many_accounts_slow_a_network_and_right_ones_do_not() {
        let at = seconds(clock::now());
        let mut throttle = Throttle::default();
        let account = |number: u64| format!("anna{number}@example.org").parse::<Address>().unwrap();
        for number in 0..100 {
            assert!(throttle.begin(&account(number), peer(1), at(0)));
            throttle.succeeded(&account(number), peer(1));
        }
        let tried = (0..100).filter(|number| throttle.begin(&account(*number), peer(1), at(0))).count();
        assert_eq!(tried, 32);
        let tried =
            (0..100).filter(|number| throttle.begin(&account(100 + number), peer(1), at(*number))).count();
        assert_eq!(tried, 49, "one in two seconds");
        assert!(throttle.begin(&account(7), peer(2), at(0)), "another network");
        let tried = (0..100).filter(|number| throttle.begin(&account(*number), LOOPBACK, at(0))).count();
        assert_eq!(tried, 100, "a proxy for everybody");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_forgotten_first() {
        let at = seconds(clock::now());
        let mut throttle = Throttle::default();
        let entries = u32::try_from(ENTRIES_KEPT).unwrap();
        while throttle.begin(&anna(), peer(0), at(0)) {}
        for number in 1..entries {
            throttle.begin(&anna(), peer(number), at(number.into()));
        }
        assert_eq!((throttle.pairs.len(), throttle.networks.len()), (ENTRIES_KEPT, ENTRIES_KEPT));
        assert!(!throttle.permits(&anna(), peer(0), at(0)));
        for number in entries..2 * entries {
            throttle.begin(&anna(), peer(number), at(number.into()));
            assert!(throttle.pairs.len() <= ENTRIES_KEPT && throttle.networks.len() <= ENTRIES_KEPT);
        }
        assert!(throttle.pairs.len() > ENTRIES_KEPT / 2);
        assert!(throttle.permits(&anna(), peer(0), at(0)), "forgotten");
    }

    #[test]
    fn wrong_passwords_are_forgotten_after_an_hour() {
        let at = seconds(clock::now());
        let mut throttle = Throttle::default();
        for _ in 0..4 {
            assert!(throttle.begin(&anna(), peer(1), at(0)));
        }
        let free = |throttle: &mut Throttle, second| {
            (0..9).filter(|_| throttle.begin(&anna(), peer(1), at(second))).count()
        };
        assert_eq!(free(&mut throttle, 3_599), 1);
        assert_eq!(free(&mut throttle, 3_599 + 3_600), 5);
    }
}
