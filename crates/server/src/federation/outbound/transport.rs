//! The ways to other servers: settings and memory that all attempts share, and the outcome of one.

use std::io;
use std::time::Duration;

use config::{Outbound as Mode, Smarthost};
use dns::Resolver;
use host::locks::Mutex;
use mail_types::Address;
use relay_policy::PolicyCache;
use smtp::client::{Fate, Trouble};

use super::content::Envelope;
use super::memory::PeerMemory;
use super::reach::Reach;
use super::trust::Trusts;

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
    /// Its reach.
    pub(super) reach: Reach,
    /// The host that answered.
    pub(super) host: Option<String>,
}

impl Attempt {
    /// An attempt that took too long.
    pub(super) fn timed_out(envelope: &Envelope) -> Self {
        all(envelope, Fate::Unsettled(Trouble::TimedOut), None)
    }
}

/// The ways to other servers.
pub(super) struct Transport {
    pub(super) resolver: Resolver,
    pub(super) trusts: Trusts,
    /// The MTA-STS policies that are known.
    pub(super) policies: Mutex<PolicyCache>,
    /// The argument of EHLO.
    pub(super) host_name: String,
    pub(super) mode: Mode,
    pub(super) smarthost: Option<Smarthost>,
    /// Whether servers in private networks get mail, too.
    pub(super) private_networks: bool,
    pub(super) peers: Peers,
    pub(super) memory: Mutex<PeerMemory>,
}

/// The trouble of a step before the dialogue.
pub(super) fn no_connection(step: &str, error: &io::Error) -> Trouble {
    Trouble::NoConnection(format!("{step} failed: {error}"))
}

/// The same fate for all recipients. A refusal is an answer, be it of a host or of the name servers.
pub(super) fn all(envelope: &Envelope, fate: Fate, host: Option<String>) -> Attempt {
    let reach = if matches!(fate, Fate::Unsettled(_)) { Reach::Nowhere } else { Reach::Answered };
    let fates = envelope.recipients.iter().map(|recipient| (recipient.clone(), fate.clone())).collect();
    Attempt { fates, reach, host }
}
