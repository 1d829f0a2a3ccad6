//! The autoconfiguration file (`config-v1.1.xml`) that clients ask for by the domain alone (chatmail/core,
//! `src/configure.rs`).

use maud::{Markup, PreEscaped, html};

use crate::site::Site;

/// Six servers, those on port 443 last: clients learn of that port only here.
pub(crate) fn autoconfig(site: &Site) -> String {
    let ports = site.ports;
    html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        clientConfig version="1.1" {
            emailProvider id=(site.domain) {
                domain { (site.domain) }
                displayName { (site.domain) }
                @for (port, socket) in [(ports.imaps, "SSL"), (ports.imap, "STARTTLS"), (ports.https, "SSL")] {
                    incomingServer type="imap" { (server(&site.domain, port, socket)) }
                }
                @for (port, socket) in
                    [(ports.submissions, "SSL"), (ports.submission, "STARTTLS"), (ports.https, "SSL")]
                {
                    outgoingServer type="smtp" { (server(&site.domain, port, socket)) }
                }
            }
        }
        "\n"
    }
    .into_string()
}

fn server(host: &str, port: u16, socket: &str) -> Markup {
    html! {
        hostname { (host) }
        port { (port) }
        socketType { (socket) }
        authentication { "password-cleartext" }
        username { "%EMAILADDRESS%" }
    }
}
