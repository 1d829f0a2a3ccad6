//! `hearth status`: how the running server is.

use std::path::Path;
use std::process::ExitCode;

use host::clock;
use ipc::control::{DiskStatus, PushStatus, Request, Response, ServerStatus};

use super::control_client::{unexpected, with_server};

/// `hearth status`
pub(crate) fn run(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_server(config, &Request::Status, |response, out| match response {
        Response::Status(status) if json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?),
        Response::Status(status) => write!(out, "{}", in_words(&status)),
        other => unexpected(&other),
    })
}

fn notifications(push: PushStatus) -> String {
    let PushStatus { pending, sent, failed, given_up, gone } = push;
    format!(
        "{pending} pending; since the start {sent} sent, {failed} tries failed, {given_up} given up, {gone} devices gone"
    )
}

fn in_words(status: &ServerStatus) -> String {
    let ServerStatus { version, domain, kernel, .. } = status;
    let mut text = format!("Hearth {version} for {domain} (Linux {kernel})\n");
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<14}{value}\n"));
    line("Accounts:", format!("{}; registration is {}", status.accounts, status.registration));
    line("Connections:", format!("{} of at most {}", status.connections, status.connections_limit));
    line("Queue:", format!("{} messages for other relays", status.queue));
    line("Push:", status.push.map_or("off".to_owned(), notifications));
    if let Some(DiskStatus { free, total }) = status.disk {
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
