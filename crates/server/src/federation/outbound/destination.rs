//! One attempt at one destination: its hosts one after the other, by HTTPS first, then by SMTP.
//!
//! A host that answers decides; one that cannot be reached, or with which no secure connection comes about, leaves it to
//! the next (RFC 5321 section 5.1).

use host::clock;
use mail_types::Domain;
use smtp::client::{Fate, Trouble};

use super::addresses::{Unreached, no_server};
use super::content::{Content, Envelope};
use super::mail_host::Host;
use super::transport::{Attempt, Transport, all};

/// The most hosts of one destination that are tried.
const HOSTS: usize = 5;

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
        let policy = self.policy(destination).await;
        let mut trouble = Trouble::ConnectionLost;
        for name in hosts.into_iter().take(HOSTS) {
            let implicit = matches!(destination, Domain::Name(domain) if *domain == name);
            let addresses = match self.addresses(&name).await {
                Ok(addresses) => addresses,
                Err(Unreached::Absent) if implicit => {
                    return all(envelope, Fate::Refused(no_server(&name)), None);
                }
                Err(unreached) => {
                    trouble = unreached.trouble();
                    continue;
                }
            };
            let host = Host { destination, policy: policy.as_deref(), name, addresses };
            match self.try_host(host, envelope, content).await {
                Ok(attempt) => return attempt,
                Err(other) => trouble = other,
            }
        }
        all(envelope, Fate::Unsettled(trouble), None)
    }
}
