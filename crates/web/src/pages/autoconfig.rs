//! The autoconfiguration file that clients ask for by the domain alone (chatmail-protocol note 1.7).

use super::escape;
use crate::site::Site;

/// Six entries, the ones on 443 last: clients learn of that port only here.
pub(crate) fn autoconfig(site: &Site) -> String {
    let domain = escape(&site.domain);
    let server = |kind: &str, protocol: &str, port: u16, socket: &str| {
        format!(
            "    <{kind} type=\"{protocol}\"><hostname>{domain}</hostname><port>{port}</port>\
             <socketType>{socket}</socketType><authentication>password-cleartext</authentication>\
             <username>%EMAILADDRESS%</username></{kind}>\n"
        )
    };
    let ports = site.ports;
    let servers: String = [
        server("incomingServer", "imap", ports.imaps, "SSL"),
        server("incomingServer", "imap", ports.imap, "STARTTLS"),
        server("incomingServer", "imap", ports.https, "SSL"),
        server("outgoingServer", "smtp", ports.submissions, "SSL"),
        server("outgoingServer", "smtp", ports.submission, "STARTTLS"),
        server("outgoingServer", "smtp", ports.https, "SSL"),
    ]
    .concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{domain}\">\n    \
         <domain>{domain}</domain>\n    <displayName>{domain}</displayName>\n{servers}  </emailProvider>\n</clientConfig>\n"
    )
}
