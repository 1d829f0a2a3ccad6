//! One attempt at one destination: its hosts one after the other, by HTTPS first, then by SMTP.
//!
//! A host that answers decides; one that cannot be reached, or with which no secure connection comes about, leaves it to
//! the next (RFC 5321 section 5.1).

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use config::{Outbound as Mode, Smarthost};
use dns::{LookupError, MailHosts, Resolver};
use host::clock;
use host::locks::Mutex;
use mail_types::{Address, Domain};
use smtp::Reply;
use smtp::client::{Fate, Trouble};

use super::content::{Content, Envelope};
use super::memory::PeerMemory;
use super::policies::Policies;
use super::trust::Trusts;

/// The most hosts of one destination that are tried.
const HOSTS: usize = 5;

/// The ports of other servers, and the time that their answers are waited for while a sender waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers {
    pub(crate) smtp: u16,
    pub(crate) https: u16,
    /// That of name servers.
    pub(crate) names: u16,
    pub(crate) patience: Duration,
}

impl Default for Peers {
    fn default() -> Self {
        Self { smtp: 25, https: 443, names: 53, patience: Duration::from_secs(4) }
    }
}

/// The outcome of an attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// One for each recipient.
    pub(super) fates: Vec<(Address, Fate)>,
    /// Whether any server of the destination answered, or the name servers said for good that there is none.
    pub(super) reached: bool,
    /// The host that answered.
    pub(super) host: Option<String>,
}

/// The ways to other servers.
pub(super) struct Transport {
    pub(super) resolver: Resolver,
    pub(super) trusts: Trusts,
    pub(super) policies: Policies,
    /// The argument of EHLO.
    pub(super) host_name: String,
    pub(super) mode: Mode,
    pub(super) smarthost: Option<Smarthost>,
    /// Whether servers in private networks get mail, too.
    pub(super) private_networks: bool,
    pub(super) peers: Peers,
    pub(super) memory: Mutex<PeerMemory>,
}

impl Transport {
    /// Delivers a message to a destination, if a server of it answers.
    pub(super) async fn deliver(
        &self,
        destination: &Domain,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Attempt {
        let idle = self.memory.lock().take(clock::now(), destination);
        if let Some(idle) = idle
            && let Ok(attempt) = self.over(destination, idle.host, idle.connection, envelope, content).await
        {
            return attempt;
        }
        if let Some(smarthost) = self.smarthost.as_ref().filter(|smarthost| smarthost.for_relays) {
            return self.by_smarthost(smarthost, envelope, content).await;
        }
        let hosts = match self.hosts(destination).await {
            Ok(hosts) => hosts,
            Err(fate) => return all(envelope, fate, None),
        };
        let policy = self.policies.of(&self.resolver, destination).await;
        let mut trouble = Trouble::ConnectionLost;
        for name in hosts.into_iter().take(HOSTS) {
            match self.try_host((destination, policy.as_deref()), name, envelope, content).await {
                Ok(attempt) => return attempt,
                Err(other) => trouble = other,
            }
        }
        all(envelope, Fate::Unsettled(trouble), None)
    }

    /// The destination's mail hosts, the best first.
    async fn hosts(&self, destination: &Domain) -> Result<Vec<String>, Fate> {
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
                Err(LookupError::NoData) => refused(format!("5.1.2 The domain {name} has no mail server")),
                Err(error @ LookupError::Unavailable(_)) => Err(Fate::Unsettled(lookup(&error))),
            },
        }
    }

    /// The addresses of a host of a destination. An account must not reach the devices of the house by a domain, or an
    /// address literal, that names them.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Trouble> {
        let mut addresses = self.all_addresses(host).await?;
        addresses.retain(|address| self.private_networks || config::is_routed(*address));
        if addresses.is_empty() {
            return Err(Trouble::NoConnection("the other server is in a private network".to_owned()));
        }
        Ok(addresses)
    }

    pub(super) async fn all_addresses(&self, host: &str) -> Result<Vec<IpAddr>, Trouble> {
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.addresses(host).await.map_err(|error| lookup(&error)),
        }
    }
}

/// The trouble of a step before the dialogue.
pub(super) fn no_connection(step: &str, error: &io::Error) -> Trouble {
    Trouble::NoConnection(format!("{step} failed: {error}"))
}

fn lookup(error: &LookupError) -> Trouble {
    Trouble::NoConnection(format!("the name server gave no answer: {error}"))
}

/// The same fate for all recipients. A refusal is an answer, be it of a host or of the name servers.
pub(super) fn all(envelope: &Envelope, fate: Fate, host: Option<String>) -> Attempt {
    let reached = !matches!(fate, Fate::Unsettled(_));
    let fates = envelope.recipients.iter().map(|recipient| (recipient.clone(), fate.clone())).collect();
    Attempt { fates, reached, host }
}
