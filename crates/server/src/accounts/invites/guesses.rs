//! Slows down guesses of invites. A token of 142 bits is not hit by chance, but guesses must not keep the box busy.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::connections::network::network;

/// Wrong invites that cost nothing: people mistype, and previews ask too.
const FREE_GUESSES: u32 = 10;
/// The time for which a network's wrong invites are remembered after the last one.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Networks remembered at once.
const NETWORKS_KEPT: usize = 256;

/// The networks that brought wrong invites. Memory only: no address reaches a disk or a log.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    wrong: BTreeMap<IpAddr, Wrong>,
}

#[derive(Debug)]
struct Wrong {
    count: u32,
    until: Instant,
}

impl Guesses {
    /// True if this peer may try an invite now.
    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        let wrong = self.wrong.get(&network(peer));
        wrong.is_none_or(|wrong| now >= wrong.until || wrong.count < FREE_GUESSES)
    }

    /// Counts an unknown invite. A peer on the machine itself may be a proxy for all clients, and is not counted.
    pub(crate) fn failed(&mut self, peer: IpAddr, now: Instant) {
        if peer.to_canonical().is_loopback() {
            return;
        }
        self.wrong.retain(|_, wrong| now < wrong.until);
        if self.wrong.len() >= NETWORKS_KEPT && !self.wrong.contains_key(&network(peer)) {
            let first = self.wrong.iter().min_by_key(|(_, wrong)| wrong.until).map(|(network, _)| *network);
            first.map(|network| self.wrong.remove(&network));
        }
        let wrong = self.wrong.entry(network(peer)).or_insert(Wrong { count: 0, until: now });
        wrong.count = wrong.count.saturating_add(1);
        wrong.until = now + REMEMBERED_FOR;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use host::clock;

    use crate::accounts::invites::guesses::{FREE_GUESSES, Guesses, NETWORKS_KEPT};

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_that_guesses_waits_and_others_do_not() {
        let start = clock::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut guesses = Guesses::default();
        for _ in 0..FREE_GUESSES {
            assert!(guesses.permits(peer("2001:db8::1"), start));
            guesses.failed(peer("2001:db8::1"), start);
        }
        assert!(!guesses.permits(peer("2001:db8::ffff:2"), at(59)), "the same /64");
        assert!(guesses.permits(peer("2001:db8:0:1::1"), start), "another network");
        assert!(guesses.permits(peer("2001:db8::1"), at(60)), "forgiven");
    }

    #[test]
    fn the_machine_itself_is_not_counted() {
        let now = clock::now();
        let mut guesses = Guesses::default();
        for _ in 0..2 * FREE_GUESSES {
            guesses.failed(peer("::ffff:127.0.0.1"), now);
            guesses.failed(peer("::1"), now);
        }
        assert!(guesses.permits(peer("127.0.0.1"), now) && guesses.permits(peer("::1"), now));
    }

    #[test]
    fn memory_is_bounded() {
        let now = clock::now();
        let mut guesses = Guesses::default();
        for number in 0..2 * u32::try_from(NETWORKS_KEPT).unwrap() {
            guesses.failed(IpAddr::from(number.to_be_bytes()), now + Duration::from_millis(number.into()));
        }
        assert_eq!(guesses.wrong.len(), NETWORKS_KEPT);
    }
}
