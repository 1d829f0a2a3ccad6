//! The control socket: how `hearth status`, `hearth pair` and `hearth invite` speak with a running server. One JSON
//! line each way over a Unix socket that only the server's own user and root may open. This file has the words and the
//! client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use config::Config;
use host::clock;
use serde::{Deserialize, Serialize};

use crate::check;
use crate::cli::{EXIT_CONFIGURATION, EXIT_NOT_RUNNING, EXIT_OK};

/// The longest line either side takes, in bytes.
pub(crate) const LINE_LIMIT: u64 = 256 * 1024;
/// A server that has not answered by then will not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
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
pub(crate) enum Response {
    /// The server's status.
    Status(Box<Status>),
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
pub(crate) struct NewInvite {
    /// What the owner calls it.
    pub(crate) id: String,
    /// How many people it lets in.
    pub(crate) uses: u32,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: u64,
    /// The link that the QR code holds: for the app, or for a browser where no app would accept the certificate.
    pub(crate) link: String,
    /// The link for a browser, if the web listens.
    pub(crate) page: Option<String>,
}

/// An invite without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptInvite {
    /// What the owner calls it.
    pub(crate) id: String,
    /// How many people it still lets in.
    pub(crate) uses_left: u32,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: u64,
    /// Whether it lets anybody in.
    pub(crate) state: InviteState,
}

/// Whether an invite lets anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InviteState {
    /// It does.
    Valid,
    /// It has let in as many as it says.
    UsedUp,
    /// Its time is over.
    Expired,
}

/// What the owner may know of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The server's version.
    pub(crate) version: String,
    /// The version of the system's kernel.
    pub(crate) kernel: String,
    /// The mail domain.
    pub(crate) domain: String,
    /// Who may create an account: `open`, `pairing`, `invite` or `closed`.
    pub(crate) registration: String,
    /// The number of accounts.
    pub(crate) accounts: usize,
    /// The number of open connections.
    pub(crate) connections: u32,
    /// How many connections may be open: as configured, or what the machine's memory bears.
    pub(crate) connections_limit: u32,
    /// Messages that wait for other relays.
    pub(crate) queue: usize,
    /// What wakes phones; none when push is off.
    pub(crate) push: Option<Push>,
    /// The disk that holds the mail.
    pub(crate) disk: Option<Disk>,
    /// Whether the server signed its certificate itself.
    pub(crate) certificate_self_signed: bool,
    /// The certificate's names, or its file.
    pub(crate) certificate: Vec<String>,
    /// From when on clients refuse the certificate, in seconds since 1970.
    pub(crate) certificate_expires: Option<u64>,
    /// What the server really listens on, by service.
    pub(crate) listening: BTreeMap<String, Vec<SocketAddr>>,
    /// When the pairing window closes, in words, if it is open.
    pub(crate) pairing_window: Option<String>,
    /// What needs attention, one sentence each.
    pub(crate) troubles: Vec<String>,
}

/// Notifications, counted since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Push {
    /// Devices that are still to be notified.
    pub(crate) pending: usize,
    /// Notifications that the push service took.
    pub(crate) sent: u64,
    /// Tries that failed; most are tried again.
    pub(crate) failed: u64,
    /// Notifications that failed too often or came too late.
    pub(crate) given_up: u64,
    /// Devices that the push service does not know any more.
    pub(crate) gone: u64,
}

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disk {
    /// Still to be had.
    pub(crate) free: u64,
    /// In all.
    pub(crate) total: u64,
}

/// Where a server with this configuration has what lives as long as it runs.
pub(crate) fn run_directory(config: &Config) -> PathBuf {
    config.state_directory.join("run")
}

/// Where its control socket is.
pub(crate) fn socket(config: &Config) -> PathBuf {
    run_directory(config).join("control.sock")
}

/// `hearth status`
pub(crate) fn status(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_server(config, Request::Status, |response, out| match response {
        Response::Status(status) if json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?),
        Response::Status(status) => write!(out, "{}", in_words(&status)),
        other => unexpected(&other),
    })
}

/// `hearth pair`
pub(crate) fn pair(config: &Path) -> anyhow::Result<ExitCode> {
    with_server(config, Request::Pair, |response, out| match response {
        Response::Pairing { link, closes } => {
            let code = pairing::half_blocks(&link).map_err(std::io::Error::other)?;
            writeln!(out, "Scan with Delta Chat; the window closes {closes}.\n\n{code}")?;
            writeln!(out, "{}{link}", pairing::PAIRING_LINK_LABEL)
        }
        other => unexpected(&other),
    })
}

/// What to say to an answer that does not fit the request.
pub(crate) fn unexpected(response: &Response) -> std::io::Result<()> {
    Err(std::io::Error::other(match response {
        Response::Refused(reason) => reason.clone(),
        _ => "the server answered something else; is it another version?".to_owned(),
    }))
}

/// Asks the server with this configuration, and shows its answer.
pub(crate) fn with_server(
    path: &Path,
    request: Request,
    show: impl FnOnce(Response, &mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let config = match config::load(path) {
        Ok((config, _)) => config,
        Err(findings) => {
            check::print(&findings);
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    let socket = socket(&config);
    let Ok(stream) = UnixStream::connect(&socket) else {
        let mut out = std::io::stderr().lock();
        let _ =
            writeln!(out, "hearth: no server answers at {}; is it running as this user?", socket.display());
        return Ok(ExitCode::from(EXIT_NOT_RUNNING));
    };
    let response =
        ask(stream, request).with_context(|| format!("asking the server at {}", socket.display()))?;
    show(response, &mut std::io::stdout().lock())?;
    Ok(ExitCode::from(EXIT_OK))
}

fn ask(mut stream: UnixStream, request: Request) -> anyhow::Result<Response> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all((serde_json::to_string(&request)? + "\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_LIMIT)).read_line(&mut line)?;
    serde_json::from_str(&line).context("the answer is not understood; is the server another version?")
}

fn notifications(push: Push) -> String {
    let Push { pending, sent, failed, given_up, gone } = push;
    format!(
        "{pending} pending; since the start {sent} sent, {failed} tries failed, {given_up} given up, {gone} devices gone"
    )
}

fn in_words(status: &Status) -> String {
    let Status { version, domain, kernel, .. } = status;
    let mut text = format!("Hearth {version} for {domain} (Linux {kernel})\n");
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<14}{value}\n"));
    line("Accounts:", format!("{}; registration is {}", status.accounts, status.registration));
    line("Connections:", format!("{} of at most {}", status.connections, status.connections_limit));
    line("Queue:", format!("{} messages for other relays", status.queue));
    line("Push:", status.push.map_or("off".to_owned(), notifications));
    if let Some(Disk { free, total }) = status.disk {
        line("Disk:", format!("{} MiB free of {} MiB", free >> 20, total >> 20));
    }
    let kind = if status.certificate_self_signed { "self-signed" } else { "from a file" };
    line("Certificate:", format!("{kind}: {}", status.certificate.join(", ")));
    if let Some(expires) = status.certificate_expires {
        let days = expires.saturating_sub(clock::wall().0) / 86_400;
        line("", format!("valid for {days} more days"));
    }
    for (service, addresses) in &status.listening {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        line("Listening:", format!("{service} on {}", addresses.join(", ")));
    }
    let window = status.pairing_window.as_ref();
    line("Pairing:", window.map_or("closed".to_owned(), |closes| format!("open; closes {closes}")));
    for trouble in &status.troubles {
        line("Attention:", trouble.clone());
    }
    text
}
