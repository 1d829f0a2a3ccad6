//! The messages of the control socket: one request and one response a connection. `hearth status`, `hearth pair`,
//! `hearth invite` and `hearth queue` ask, the running server answers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::network::{ClockSource, TunnelState};
use crate::queue::{QueuePage, QueueSelection, SenderIs, SendingStatus};
use crate::reachability::{DomainRecords, Finding};
use crate::words::duration;

/// The longest line of either side, in bytes: a list of all invites fits.
pub const LINE_LIMIT: usize = 256 * 1024;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The server's status.
    Status,
    /// Open the pairing window.
    Pair,
    /// Make an invite.
    MakeInvite {
        /// The number of accounts that can be made with it.
        uses: u32,
        /// Its lifetime in seconds.
        lifetime: u64,
    },
    /// The list of invites.
    Invites,
    /// Revoke the invite with this ID.
    RevokeInvite(String),
    /// A page of the queue of mail for other servers.
    Queue {
        /// The ID behind which the page begins; none for the first page.
        after: Option<String>,
        /// Whether addresses are to be named.
        addresses: bool,
    },
    /// The DNS records of the mail domain.
    Dns {
        /// Whether they are to be compared with those that are published.
        check: bool,
    },
    /// Make the next DKIM key.
    RotateKey,
    /// Look whether others can reach the server, and it them.
    CheckNetwork {
        /// The relay to which the way is tried; a well known one if none is given.
        relay: Option<String>,
    },
    /// Make these queued messages due now.
    RetryQueued(QueueSelection),
    /// The state of the server's name.
    Naming,
    /// Put these settings over the owner's, in the format of the configuration file, and start anew with them.
    ChangeSettings {
        /// The keys and tables that change.
        change: String,
    },
    /// Remove a queued message.
    DropQueued {
        /// Its ID.
        id: String,
        /// Whether its sender is told.
        sender: SenderIs,
    },
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The server's status.
    Status(Box<ServerStatus>),
    /// The window is open.
    Pairing {
        /// The link to scan or to tap.
        link: String,
        /// The end of the window, in words.
        closes: String,
    },
    /// The invite is made.
    Invite(NewInvite),
    /// The invites.
    Invites(Vec<KeptInvite>),
    /// The invite is revoked.
    Revoked,
    /// The records.
    Dns(DomainRecords),
    /// There is a next key; its record has this name.
    NextKey(String),
    /// The findings about the network.
    Findings(Vec<Finding>),
    /// A page of the queue.
    Queue(QueuePage),
    /// So many messages are due now.
    Retried(usize),
    /// The message is removed.
    Dropped,
    /// The state of the server's name.
    Naming(Box<NamingStatus>),
    /// The settings are kept, and the server starts anew if they are others; with the findings about them.
    SettingsChanged(Vec<String>),
    /// It cannot be done, and why.
    Refused(String),
}

/// An invite that was just made. Its links are in no later response: the store keeps a digest only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInvite {
    /// Its ID, by which it is revoked.
    pub id: String,
    /// The number of accounts that can be made with it.
    pub uses: u32,
    /// Its end, in seconds since 1970.
    pub expires: u64,
    /// The link that the QR code holds: for the app, or for a browser where no app would accept the certificate.
    pub link: String,
    /// The link for a browser, if the web listens.
    pub page: Option<String>,
}

/// An invite without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptInvite {
    /// Its ID, by which it is revoked.
    pub id: String,
    /// The number of accounts that can still be made with it.
    pub uses_left: u32,
    /// Its end, in seconds since 1970.
    pub expires: u64,
    /// Its state.
    pub state: InviteState,
}

/// The state of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// An account can be made with it.
    Valid,
    /// All its uses are used up.
    UsedUp,
    /// Its end is past.
    Expired,
}

/// The status of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's version.
    pub version: String,
    /// The version of the system's kernel.
    pub kernel: String,
    /// The mail domain.
    pub domain: String,
    /// The registration mode: `open`, `pairing`, `invite` or `closed`.
    pub registration: String,
    /// The number of accounts.
    pub accounts: usize,
    /// The number of open connections.
    pub connections: u32,
    /// The most connections that may be open: as configured, or as many as the machine's memory bears.
    pub connections_limit: u32,
    /// Messages that wait for other servers.
    pub queue: usize,
    /// Mail for other servers.
    pub sending: SendingStatus,
    /// The kind of servers that a box has its time from; none if it does not know the time, and on any other machine, whose
    /// clock is its owner's business.
    pub clock: Option<ClockSource>,
    /// The counters of notifications; none when push is off.
    pub push: Option<PushStatus>,
    /// The disk that holds the mail.
    pub disk: Option<DiskStatus>,
    /// True when the server signed its certificate itself.
    pub certificate_self_signed: bool,
    /// The certificate's issuer in words: `self-signed`, `from` an authority, or `from a file`.
    pub certificate_source: String,
    /// The certificate's names, or its file.
    pub certificate: Vec<String>,
    /// The end of the certificate's validity, in seconds since 1970.
    pub certificate_expires: Option<u64>,
    /// The addresses that the server listens on, by service; the ports are the real ones where 0 was configured.
    pub listening: BTreeMap<String, Vec<SocketAddr>>,
    /// The tunnel to a public address, if there is one.
    pub tunnel: Option<TunnelStatus>,
    /// The end of the pairing window, in words, if it is open.
    pub pairing_window: Option<String>,
    /// Problems that need attention, one sentence each.
    pub troubles: Vec<String>,
}

/// The state of the tunnel by which the internet reaches a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelStatus {
    /// Whether anybody is at the other end.
    pub state: TunnelState,
    /// The box's addresses in the tunnel.
    pub addresses: Vec<IpAddr>,
    /// Whether the other end has ever answered, so that [`TunnelStatus::seconds`] counts from its last handshake.
    pub has_answered: bool,
    /// Seconds since the last handshake, half a minute too few at most; before the first one, since the box calls.
    pub seconds: u64,
    /// Bytes received through it.
    pub received: u64,
    /// Bytes sent through it.
    pub sent: u64,
}

/// The seconds after which a call without an answer is called one.
const CALLING: u64 = 60;

impl TunnelStatus {
    /// The state as a sentence: the same for a terminal and for a page.
    #[must_use]
    pub fn in_words(&self) -> String {
        let time = duration(self.seconds);
        match (self.state, self.has_answered) {
            (TunnelState::Answers, _) => {
                format!("The WireGuard tunnel's other end answers; last handshake {time} ago.")
            }
            (TunnelState::Calling, false) if self.seconds < CALLING => {
                "The box calls the WireGuard tunnel's other end.".to_owned()
            }
            (TunnelState::Calling | TunnelState::Silent, false) => format!(
                "The WireGuard tunnel's other end has not answered for {time}: is the box's public key known there, is the \
                 other end on?"
            ),
            (TunnelState::Calling | TunnelState::Silent, true) => format!(
                "The WireGuard tunnel's other end does not answer any more; last handshake {time} ago. Is the other end on?"
            ),
        }
    }
}

/// The state of the server's name, a sentence for each part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamingStatus {
    /// The mail domain.
    pub domain: String,
    /// The certificate in use, and the next one.
    pub certificate: String,
    /// The records, if a provider lets the server write them.
    pub records: Option<String>,
    /// The tunnel, if there is one.
    pub tunnel: Option<String>,
    /// The router's forwarding, if it is asked for it.
    pub ports: Option<String>,
    /// The addresses by which others reach the server, as far as known.
    pub addresses: Option<String>,
}

impl NamingStatus {
    /// The parts that there are, each with its heading: the same for a terminal and for a page.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { domain: _, certificate, records, tunnel, ports, addresses } = self;
        let parts = [
            ("Certificate", Some(certificate)),
            ("Records", records.as_ref()),
            ("Tunnel", tunnel.as_ref()),
            ("Router", ports.as_ref()),
            ("Public address", addresses.as_ref()),
        ];
        parts.into_iter().filter_map(|(heading, part)| Some((heading, part?.as_str())))
    }
}

/// Notifications, counted since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushStatus {
    /// Devices that are still to be notified.
    pub pending: usize,
    /// Notifications that the push service took.
    pub sent: u64,
    /// Tries that failed; most are tried again.
    pub failed: u64,
    /// Notifications that failed too often or came too late.
    pub given_up: u64,
    /// Devices that the push service does not know any more.
    pub gone: u64,
}

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Still to be had.
    pub free: u64,
    /// In all.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::{TunnelState, TunnelStatus};

    #[test]
    fn the_words_about_a_tunnel_say_whether_a_person_has_to_act() {
        let words = |state, has_answered, seconds| {
            let addresses = Vec::new();
            TunnelStatus { state, addresses, has_answered, seconds, received: 0, sent: 0 }.in_words()
        };
        let calling = words(TunnelState::Calling, false, 3);
        assert_eq!(calling, "The box calls the WireGuard tunnel's other end.");
        let answers = words(TunnelState::Answers, true, 12);
        assert_eq!(answers, "The WireGuard tunnel's other end answers; last handshake 12 s ago.");
        for state in [TunnelState::Calling, TunnelState::Silent] {
            let never = words(state, false, 300);
            assert!(never.contains("has not answered for 5 min: is the box's public key known"), "{never}");
            let no_more = words(state, true, 7200);
            assert!(no_more.contains("does not answer any more; last handshake 2 h ago."), "{no_more}");
        }
    }
}
