//! The routes of a tunnel: a table of its own, and the rules that lead to it (`ip-rule(8)`), as wg-quick(8) has them.
//!
//! | priority | packets | table |
//! |---|---|---|
//! | 1000 | all, but no default route counts: the home network is reached directly | main |
//! | 1001 | from the tunnel's addresses: answers to whoever came through the tunnel | tunnel |
//! | 1002 | from the other addresses: answers to whoever came by the router | main |
//! | 1003 | all others without the tunnel's mark, while its other end answers | tunnel |
//!
//! The tunnel's own packets bear the mark and go by the router. The last rule stands only while the other end answers, so
//! that a dead tunnel does not take the box's way to the internet: a box without a battery must learn the time before
//! the other end takes its handshakes, which may not be older than the last (WireGuard's paper, 5.1).
//!
//! No rule drops packets: `rp_filter` is off on a box (the kernel's default), and the wire in front of it is the home's.

use std::net::IpAddr;

/// The number of the tunnel's table, and the mark of its own packets: those of wg-quick(8).
pub(crate) const TABLE: u32 = 51_820;
/// The priorities of the rules.
pub(crate) const PRIORITIES: std::ops::RangeInclusive<u32> = HOME..=EVERYTHING;
const HOME: u32 = 1000;
const FROM_TUNNEL: u32 = 1001;
const FROM_OTHERS: u32 = 1002;
const EVERYTHING: u32 = 1003;

/// A network, with no bits behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// The length of its prefix, in bits.
    pub prefix: u8,
}

impl Network {
    /// The network of an address; `None` if the prefix is longer than the address.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { address, prefix })
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A rule for the choice of a routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) priority: u32,
    /// The source address of its packets, if it is not for all.
    pub(crate) source: Option<IpAddr>,
    pub(crate) action: Action,
}

/// The table of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// The main table without its default routes (`suppress_prefixlength 0`).
    MainWithoutDefault,
    /// The main table.
    Main,
    /// The tunnel's table.
    Tunnel,
    /// The tunnel's table, for packets without its mark (`not fwmark`).
    TunnelIfUnmarked,
}

/// Whether everything that has no other way goes through the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Everything {
    ThroughTunnel,
    ByRouter,
}

/// All rules, sorted. `families` are those that the tunnel has.
pub(crate) fn rules(
    families: &[Family],
    tunnel: &[IpAddr],
    others: &[IpAddr],
    everything: Everything,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for &family in families {
        let rule = |priority, source, action| Rule { family, priority, source, action };
        let of_family = |addresses: &[IpAddr]| -> Vec<IpAddr> {
            addresses.iter().copied().filter(|address| Family::of(*address) == family).collect()
        };
        rules.push(rule(HOME, None, Action::MainWithoutDefault));
        rules.extend(of_family(tunnel).iter().map(|own| rule(FROM_TUNNEL, Some(*own), Action::Tunnel)));
        rules.extend(of_family(others).iter().map(|own| rule(FROM_OTHERS, Some(*own), Action::Main)));
        if everything == Everything::ThroughTunnel {
            rules.push(rule(EVERYTHING, None, Action::TunnelIfUnmarked));
        }
    }
    rules.sort();
    rules
}

#[cfg(test)]
mod tests {
    use super::{Action, Everything, Family, Network, rules};

    #[test]
    fn a_network_has_no_bits_behind_its_prefix() {
        let network = |text: &str, prefix| Network::of(text.parse().unwrap(), prefix);
        for (address, prefix, first) in [
            ("10.1.2.3", 8, "10.0.0.0"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("10.1.2.3", 0, "0.0.0.0"),
            ("2001:db8::1", 32, "2001:db8::"),
            ("2001:db8::1", 0, "::"),
            ("2001:db8::1", 128, "2001:db8::1"),
        ] {
            assert_eq!(network(address, prefix).unwrap().address.to_string(), first);
        }
        assert_eq!((network("10.1.2.3", 33), network("::", 129)), (None, None));
    }

    #[test]
    fn each_family_has_its_rules_and_the_last_is_for_a_living_tunnel_only() {
        let [tunnel, home, home6] =
            ["203.0.113.7", "192.168.1.5", "2001:db8::5"].map(|text| text.parse().unwrap());
        let found = |families: &[Family], everything| -> Vec<_> {
            let all = rules(families, &[tunnel], &[home, home6], everything);
            all.iter().map(|rule| (rule.priority, rule.source, rule.action)).collect()
        };
        let first = (1000, None, Action::MainWithoutDefault);
        let answers = [(1001, Some(tunnel), Action::Tunnel), (1002, Some(home), Action::Main)];
        let last = (1003, None, Action::TunnelIfUnmarked);
        let [from_tunnel, from_home] = answers;
        assert_eq!(found(&[Family::V4], Everything::ByRouter), [first, from_tunnel, from_home]);
        assert_eq!(
            found(&[Family::V4, Family::V6], Everything::ThroughTunnel),
            [first, from_tunnel, from_home, last, first, (1002, Some(home6), Action::Main), last]
        );
    }
}
