//! The messages of the control socket: one request and one response a connection. `hearth status`, `hearth pair` and
//! `hearth invite` ask, the running server answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The longest line of either side, in bytes: a list of all invites fits.
pub const LINE_LIMIT: usize = 256 * 1024;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How is the server?
    Status,
    /// Open the pairing window.
    Pair,
    /// Make an invite.
    MakeInvite {
        /// How many people it lets in.
        uses: u32,
        /// For how many seconds.
        lifetime: u64,
    },
    /// Which invites are there?
    Invites,
    /// Revoke the invite with this ID.
    RevokeInvite(String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The server's status.
    Status(Box<ServerStatus>),
    /// The window is open.
    Pairing {
        /// The link to scan or to tap.
        link: String,
        /// When the window closes, in words.
        closes: String,
    },
    /// The invite is made.
    Invite(NewInvite),
    /// The invites.
    Invites(Vec<KeptInvite>),
    /// The invite is revoked.
    Revoked,
    /// It cannot be done, and why.
    Refused(String),
}

/// An invite that was just made; its links are told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInvite {
    /// What the owner calls it.
    pub id: String,
    /// How many people it lets in.
    pub uses: u32,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// The link that the QR code holds: for the app, or for a browser where no app would accept the certificate.
    pub link: String,
    /// The link for a browser, if the web listens.
    pub page: Option<String>,
}

/// An invite without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptInvite {
    /// What the owner calls it.
    pub id: String,
    /// How many people it still lets in.
    pub uses_left: u32,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// Whether it lets anybody in.
    pub state: InviteState,
}

/// Whether an invite lets anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// It does.
    Valid,
    /// It has let in as many as it says.
    UsedUp,
    /// Its time is over.
    Expired,
}

/// What the owner may know of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's version.
    pub version: String,
    /// The version of the system's kernel.
    pub kernel: String,
    /// The mail domain.
    pub domain: String,
    /// Who may create an account: `open`, `pairing`, `invite` or `closed`.
    pub registration: String,
    /// The number of accounts.
    pub accounts: usize,
    /// The number of open connections.
    pub connections: u32,
    /// How many connections may be open: as configured, or what the machine's memory bears.
    pub connections_limit: u32,
    /// Messages that wait for other relays.
    pub queue: usize,
    /// What wakes phones; none when push is off.
    pub push: Option<PushStatus>,
    /// The disk that holds the mail.
    pub disk: Option<DiskStatus>,
    /// Whether the server signed its certificate itself.
    pub certificate_self_signed: bool,
    /// The certificate's names, or its file.
    pub certificate: Vec<String>,
    /// From when on clients refuse the certificate, in seconds since 1970.
    pub certificate_expires: Option<u64>,
    /// What the server really listens on, by service.
    pub listening: BTreeMap<String, Vec<SocketAddr>>,
    /// When the pairing window closes, in words, if it is open.
    pub pairing_window: Option<String>,
    /// What needs attention, one sentence each.
    pub troubles: Vec<String>,
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
