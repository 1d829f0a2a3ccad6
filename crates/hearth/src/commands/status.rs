//! `hearth status`: how the running server is.

use std::path::Path;
use std::process::ExitCode;

use host::clock;
use ipc::control::{DiskStatus, PushStatus, Request, Response, ServerStatus};
use ipc::network::ClockSource;
use ipc::queue::SendingStatus;

use super::control_client::{unexpected, with_server};
use super::words::duration;

/// `hearth status`
pub(crate) fn run(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_server(config, &Request::Status, |response, out| match response {
        Response::Status(status) if json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?),
        Response::Status(status) => write!(out, "{}", in_words(&status)),
        other => unexpected(&other),
    })
}

/// Until when a certificate is valid, both in seconds since 1970.
fn validity(expires: u64, now: u64) -> String {
    match expires.checked_sub(now) {
        Some(left) => format!("valid for {} more days", left / 86_400),
        None => format!("expired {} days ago: apps and browsers refuse it", (now - expires) / 86_400),
    }
}

fn notifications(push: PushStatus) -> String {
    let PushStatus { pending, sent, failed, given_up, gone } = push;
    format!(
        "{pending} pending; since the start {sent} sent, {failed} tries failed, {given_up} given up, {gone} devices gone"
    )
}

fn sending(status: &SendingStatus) -> String {
    match (status.servers.as_str(), status.clock_is_right) {
        ("off", _) => "off: mail stays on this server".to_owned(),
        (_, false) => "mail waits: the clock is not known to be right yet".to_owned(),
        ("relays", true) => "to chatmail relays only".to_owned(),
        (_, true) => "to every mail server that encrypts the connection".to_owned(),
    }
}

fn queue(messages: usize, status: &SendingStatus) -> String {
    let oldest = status.oldest.map(|age| format!(", the oldest for {}", duration(age))).unwrap_or_default();
    let given_up = status.given_up;
    format!("{messages} messages wait for other servers{oldest}; {given_up} given up since the start")
}

/// The words for a clock that is right, but could be better.
const CLOCK_BY_DATES: &str = "right to about a second, by the dates of web servers: no time server is believed; if none answers, see \
                              that the router lets UDP port 123 through";

fn in_words(status: &ServerStatus) -> String {
    let ServerStatus { version, domain, kernel, .. } = status;
    let mut text = format!("Hearth {version} for {domain} (Linux {kernel})\n");
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<14}{value}\n"));
    line("Accounts:", format!("{}; registration is {}", status.accounts, status.registration));
    line("Connections:", format!("{} of at most {}", status.connections, status.connections_limit));
    line("Sending:", sending(&status.sending));
    line("Queue:", queue(status.queue, &status.sending));
    if !status.sending.clock_is_right {
        let wait = "not known to be right yet: certificates and mail to other servers wait for a time server, or for the dates of web servers";
        line("Clock:", wait.to_owned());
    } else if status.clock == Some(ClockSource::WebServers) {
        line("Clock:", CLOCK_BY_DATES.to_owned());
    }
    line("Push:", status.push.map_or("off".to_owned(), notifications));
    if let Some(DiskStatus { free, total }) = status.disk {
        line("Disk:", format!("{} MiB free of {} MiB", free >> 20, total >> 20));
    }
    line("Certificate:", format!("{}: {}", status.certificate_source, status.certificate.join(", ")));
    if let Some(expires) = status.certificate_expires {
        line("", validity(expires, clock::wall().0));
    }
    for (service, addresses) in &status.listening {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        line("Listening:", format!("{service} on {}", addresses.join(", ")));
    }
    if let Some(tunnel) = &status.tunnel {
        let addresses: Vec<String> = tunnel.addresses.iter().map(ToString::to_string).collect();
        line("Tunnel:", format!("{}: {}", addresses.join(", "), tunnel.in_words()));
    }
    let window = status.pairing_window.as_ref();
    line("Pairing:", window.map_or("closed".to_owned(), |closes| format!("open; closes {closes}")));
    for trouble in &status.troubles {
        line("Attention:", trouble.clone());
    }
    text
}

#[cfg(test)]
mod tests {
    use ipc::queue::SendingStatus;

    use super::{queue, sending, validity};

    #[test]
    fn mail_for_other_servers_is_told_with_the_reason_why_it_waits() {
        let status = |servers: &str, clock_is_right| SendingStatus {
            servers: servers.to_owned(),
            oldest: Some(7200),
            given_up: 1,
            clock_is_right,
        };
        assert_eq!(sending(&status("relays", true)), "to chatmail relays only");
        assert_eq!(sending(&status("all", false)), "mail waits: the clock is not known to be right yet");
        assert!(sending(&status("off", false)).starts_with("off"));
        assert_eq!(
            queue(3, &status("all", true)),
            "3 messages wait for other servers, the oldest for 2 h; 1 given up since the start"
        );
    }

    #[test]
    fn an_expired_certificate_is_called_so() {
        assert_eq!(validity(3 * 86_400, 86_400), "valid for 2 more days");
        assert_eq!(validity(86_400, 86_401), "expired 0 days ago: apps and browsers refuse it");
        assert_eq!(validity(86_400, 11 * 86_400), "expired 10 days ago: apps and browsers refuse it");
    }
}
