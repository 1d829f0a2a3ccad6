//! The mail hosts of a destination and their addresses, and what their absence means.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use dns::{LookupError, MailHosts};
use mail_types::Domain;
use smtp::Reply;
use smtp::client::{Fate, Trouble};

use super::transport::Transport;
use crate::connections::network::network;

impl Transport {
    /// The destination's mail hosts, the best first.
    pub(super) async fn hosts(&self, destination: &Domain) -> Result<Vec<String>, Fate> {
        let refused = |text: String| Err(Fate::Refused(Reply::new(550, &text)));
        let literal = match destination {
            Domain::Ipv4(address) => Some(IpAddr::V4(*address)),
            Domain::Ipv6(address) => Some(IpAddr::V6(*address)),
            Domain::Name(_) => None,
        };
        if literal.is_some_and(|address| !self.private_networks && !config::is_routed(address)) {
            return refused(format!("5.4.4 {destination} is an address of a private network"));
        }
        match destination {
            Domain::Ipv4(address) => Ok(vec![address.to_string()]),
            Domain::Ipv6(address) => Ok(vec![address.to_string()]),
            Domain::Name(name) => match self.resolver.mail_hosts(name).await {
                Ok(MailHosts::Hosts(hosts)) => Ok(hosts),
                // RFC 7505 section 4.1
                Ok(MailHosts::Null) => refused(format!("5.1.10 The domain {name} takes no mail")),
                Err(LookupError::NoSuchDomain) => {
                    refused(format!("5.1.2 The domain {name} does not exist: is the address right?"))
                }
                Err(LookupError::NoData) => Err(Fate::Refused(no_server(name))),
                Err(error @ LookupError::Unavailable(_)) => Err(Fate::Unsettled(lookup(&error))),
            },
        }
    }

    /// The addresses of a host of a destination. An account must not reach the devices of the house by a domain, or an
    /// address literal, that names them.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unreached> {
        let mut addresses = self.all_addresses(host).await?;
        addresses.retain(|address| {
            self.private_networks || config::is_routed(*address) && !is_neighbour(*address)
        });
        if addresses.is_empty() { Err(Unreached::Private) } else { Ok(addresses) }
    }

    /// All addresses of a host.
    pub(super) async fn all_addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unreached> {
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.addresses(host).await.map_err(|error| match error {
                LookupError::NoSuchDomain | LookupError::NoData => Unreached::Absent,
                LookupError::Unavailable(_) => Unreached::Unknown(lookup(&error)),
            }),
        }
    }
}

/// The reason for which a host has no address.
pub(super) enum Unreached {
    /// It has none.
    Absent,
    /// All of them are in private networks.
    Private,
    /// The name servers do not say.
    Unknown(Trouble),
}

impl Unreached {
    pub(super) fn trouble(self) -> Trouble {
        match self {
            Self::Absent => Trouble::NoConnection("the mail server of the domain has no address".to_owned()),
            Self::Private => Trouble::NoConnection("the other server is in a private network".to_owned()),
            Self::Unknown(trouble) => trouble,
        }
    }
}

/// The refusal of a domain that takes no mail.
pub(super) fn no_server(domain: &str) -> Reply {
    Reply::new(550, &format!("5.1.2 The domain {domain} has no mail server"))
}

fn lookup(error: &LookupError) -> Trouble {
    Trouble::NoConnection(format!("the name server gave no answer: {error}"))
}

/// Whether an address is this machine's own, or one of the same IPv6 network: with IPv6 the devices of the house have
/// addresses that are routed everywhere, behind a router that lets nobody in but us.
fn is_neighbour(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Connecting a datagram socket sends nothing; it only chooses the way, and with it our address.
    let own = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    own.is_ok_and(|own| network(own.ip()) == network(address))
}

#[cfg(test)]
mod tests {
    use super::is_neighbour;

    #[test]
    fn the_machine_itself_is_a_neighbour_and_the_internet_is_not() {
        assert!(is_neighbour("127.0.0.1".parse().unwrap()));
        assert!(!is_neighbour("192.0.2.1".parse().unwrap()));
    }
}
