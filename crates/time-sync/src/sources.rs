//! The time servers: names that are looked up again and again, addresses, and whom not to ask.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use mail_types::is_host_name;

use crate::packet::{Kiss, PORT};

/// The most servers; more are ignored.
const SERVERS_LIMIT: usize = 8;
/// The most addresses that are remembered as not to be asked.
const BLOCKED_LIMIT: usize = 64;
/// The time after which a name is looked up again although its server answers: pools move their servers.
const LOOKUP_EVERY: Duration = Duration::from_secs(3600);
/// The time for which a server that was asked too often is left alone.
const RATE_PAUSE: Duration = Duration::from_secs(7200);

/// A time server as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A host name; of several addresses one is asked.
    Name(String),
    /// An address.
    Address(SocketAddr),
}

/// The text is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time server is a host name, an IP address, or an IP address with a port")]
pub struct NoServer;

impl FromStr for Server {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(address, PORT)));
        }
        if is_host_name(text) { Ok(Self::Name(text.to_ascii_lowercase())) } else { Err(NoServer) }
    }
}

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A time.
    Answered,
    /// Nothing of use.
    Silent,
    /// A kiss-o'-death.
    Kissed(Kiss),
}

/// The servers in use.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Source>,
    blocked: Vec<Blocked>,
}

#[derive(Debug)]
struct Source {
    server: Server,
    /// The address that is asked.
    address: Option<SocketAddr>,
    /// The end of the time in which the address needs no lookup.
    lookup_at: Duration,
    /// Whether there was an address at any time.
    present: bool,
}

#[derive(Debug)]
struct Blocked {
    address: SocketAddr,
    until: Duration,
}

impl Sources {
    /// Takes over the list of servers; those that were on it before keep what is known of them.
    pub fn set(&mut self, servers: impl IntoIterator<Item = Server>) {
        let mut former = std::mem::take(&mut self.sources);
        for server in servers {
            if self.sources.len() == SERVERS_LIMIT {
                return;
            }
            if self.sources.iter().any(|source| source.server == server) {
                continue;
            }
            let known = former.iter().position(|source| source.server == server);
            let source = known.map(|at| former.swap_remove(at)).unwrap_or_else(|| Source::new(server));
            self.sources.push(source);
        }
    }

    /// The names to look up before the next round.
    #[must_use]
    pub fn to_look_up(&self, now: Duration) -> Vec<String> {
        let due = self.sources.iter().filter(|source| source.lookup_at <= now);
        due.filter_map(|source| source.name().map(str::to_owned)).collect()
    }

    /// The addresses of a name, in the order of preference. None changes nothing.
    pub fn found(&mut self, name: &str, addresses: &[IpAddr], now: Duration) {
        let of_others: Vec<SocketAddr> = self
            .sources
            .iter()
            .filter(|source| source.name() != Some(name))
            .filter_map(|source| source.address)
            .collect();
        let mut usable = addresses.iter().map(|address| SocketAddr::new(*address, PORT));
        // Two names with one server would be two votes for one clock.
        let chosen = usable.find(|address| !of_others.contains(address) && !self.is_blocked(*address, now));
        let source = self.sources.iter_mut().find(|source| source.name() == Some(name));
        if let (Some(source), Some(address)) = (source, chosen) {
            source.address = Some(address);
            source.lookup_at = now + LOOKUP_EVERY;
            source.present = true;
        }
    }

    /// The addresses to ask in a round.
    #[must_use]
    pub fn to_ask(&self, now: Duration) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> =
            self.sources.iter().filter_map(|source| source.address).collect();
        addresses.retain(|address| !self.is_blocked(*address, now));
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// The number of servers that there are, whether they answer or not.
    #[must_use]
    pub fn present(&self) -> usize {
        self.sources.iter().filter(|source| source.present).count()
    }

    /// Takes the result of a request.
    pub fn settle(&mut self, address: SocketAddr, outcome: Outcome, now: Duration) {
        if let Outcome::Kissed(kiss) = outcome {
            self.block(address, kiss, now);
        }
        if outcome != Outcome::Answered {
            let asked = self.sources.iter_mut().filter(|source| source.address == Some(address));
            asked.for_each(|source| source.lookup_at = now);
        }
    }

    fn block(&mut self, address: SocketAddr, kiss: Kiss, now: Duration) {
        let until = match kiss {
            Kiss::Rate => now + RATE_PAUSE,
            Kiss::Deny => Duration::MAX,
            Kiss::Other => return,
        };
        self.blocked.retain(|blocked| blocked.address != address && blocked.until > now);
        if self.blocked.len() >= BLOCKED_LIMIT {
            self.blocked.remove(0);
        }
        self.blocked.push(Blocked { address, until });
    }

    fn is_blocked(&self, address: SocketAddr, now: Duration) -> bool {
        self.blocked.iter().any(|blocked| blocked.address == address && blocked.until > now)
    }
}

impl Source {
    fn new(server: Server) -> Self {
        let address = match server {
            Server::Name(_) => None,
            Server::Address(address) => Some(address),
        };
        Self { server, address, lookup_at: Duration::ZERO, present: address.is_some() }
    }

    fn name(&self) -> Option<&str> {
        match &self.server {
            Server::Name(name) => Some(name),
            Server::Address(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, IpAddr, Kiss, NoServer, Outcome, RATE_PAUSE, Server, Sources};

    fn sources(servers: &[&str]) -> Sources {
        let mut sources = Sources::default();
        sources.set(servers.iter().map(|server| server.parse().unwrap()));
        sources
    }

    fn found(sources: &mut Sources, name: &str, addresses: &[&str], now: Duration) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        sources.found(name, &addresses, now);
    }

    #[track_caller]
    fn check(sources: &Sources, now: Duration, expected: &[&str]) {
        let asked: Vec<String> = sources.to_ask(now).iter().map(ToString::to_string).collect();
        assert_eq!(asked, expected);
    }

    const START: Duration = Duration::from_secs(10);

    #[test]
    fn a_server_is_a_name_or_an_address() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:123"),
            ("192.0.2.1:1123", "192.0.2.1:1123"),
            ("2001:db8::1", "[2001:db8::1]:123"),
        ] {
            assert_eq!(text.parse(), Ok(Server::Address(expected.parse().unwrap())));
        }
        assert_eq!("0.Pool.test".parse(), Ok(Server::Name("0.pool.test".to_owned())));
        let long = format!("{}.test", "a".repeat(64));
        for text in ["", ".", "a..b", "a b", "pool.test:123", &long, &"a.".repeat(200)] {
            assert_eq!(text.parse::<Server>(), Err(NoServer), "{text:?}");
        }
    }

    #[test]
    fn names_are_looked_up_at_first_after_silence_and_after_an_hour() {
        let mut sources = sources(&["a.test", "b.test", "192.0.2.9"]);
        assert_eq!(sources.to_look_up(START), ["a.test", "b.test"]);
        check(&sources, START, &["192.0.2.9:123"]);
        found(&mut sources, "a.test", &["192.0.2.1", "192.0.2.2"], START);
        found(&mut sources, "b.test", &["192.0.2.1", "192.0.2.2"], START);
        check(&sources, START, &["192.0.2.1:123", "192.0.2.2:123", "192.0.2.9:123"]);
        assert_eq!((sources.to_look_up(START), sources.present()), (Vec::new(), 3));

        sources.settle("192.0.2.1:123".parse().unwrap(), Outcome::Silent, START);
        sources.settle("192.0.2.2:123".parse().unwrap(), Outcome::Answered, START);
        assert_eq!(sources.to_look_up(START), ["a.test"]);
        found(&mut sources, "a.test", &[], START);
        check(&sources, START, &["192.0.2.1:123", "192.0.2.2:123", "192.0.2.9:123"]);
        found(&mut sources, "a.test", &["192.0.2.3"], START);
        check(&sources, START, &["192.0.2.2:123", "192.0.2.3:123", "192.0.2.9:123"]);
        assert_eq!(sources.to_look_up(START + Duration::from_secs(3600)), ["a.test", "b.test"]);
    }

    #[test]
    fn one_server_has_one_vote_whatever_its_names() {
        let mut sources = sources(&["a.test", "b.test"]);
        found(&mut sources, "a.test", &["192.0.2.1"], START);
        found(&mut sources, "b.test", &["192.0.2.1"], START);
        check(&sources, START, &["192.0.2.1:123"]);
        assert_eq!(sources.present(), 1);
    }

    #[test]
    fn a_server_that_wants_to_be_left_alone_is() {
        let mut sources = sources(&["a.test", "192.0.2.9", "192.0.2.8"]);
        found(&mut sources, "a.test", &["192.0.2.1"], START);
        sources.settle("192.0.2.1:123".parse().unwrap(), Outcome::Kissed(Kiss::Rate), START);
        sources.settle("192.0.2.9:123".parse().unwrap(), Outcome::Kissed(Kiss::Deny), START);
        sources.settle("192.0.2.8:123".parse().unwrap(), Outcome::Kissed(Kiss::Other), START);
        check(&sources, START, &["192.0.2.8:123"]);
        found(&mut sources, "a.test", &["192.0.2.1"], START);
        check(&sources, START, &["192.0.2.8:123"]);
        check(&sources, START + RATE_PAUSE, &["192.0.2.1:123", "192.0.2.8:123"]);
        assert_eq!(sources.present(), 3);
        found(&mut sources, "a.test", &["192.0.2.1", "192.0.2.2"], START);
        check(&sources, START, &["192.0.2.2:123", "192.0.2.8:123"]);
    }

    #[test]
    fn a_new_list_keeps_what_is_known_and_is_not_too_long() {
        let mut sources = sources(&["a.test", "b.test"]);
        found(&mut sources, "b.test", &["192.0.2.1"], START);
        sources.set(["b.test", "192.0.2.9", "b.test"].map(|server| server.parse().unwrap()));
        check(&sources, START, &["192.0.2.1:123", "192.0.2.9:123"]);
        let many = (0..100).map(|number| format!("192.0.2.{number}").parse().unwrap());
        sources.set(many);
        assert_eq!(sources.to_ask(START).len(), super::SERVERS_LIMIT);
    }
}
