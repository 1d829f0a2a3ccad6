//! The pages' text: plain HTML that works without scripts, and the autoconfiguration file.

use pairing::Status;

use super::Site;

const STYLE: &str = "body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:2em auto;padding:0 1em;\
color:#222;background:#fff}svg{display:block;width:min(100%,24em);margin:1em auto}.button{display:block;width:100%;\
box-sizing:border-box;font:inherit;border:0;text-align:center;background:#1a6fb5;color:#fff;padding:.8em;border-radius:.5em;\
text-decoration:none}\
dt{font-weight:bold}.attention{border-left:.3em solid #c60;padding-left:.8em}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8cf}.button{color:#fff}}";

/// How often the start page asks again, in seconds: a press of the button shows by itself.
const REFRESH: u32 = 5;

/// The start page; the code is shown to the home network only.
pub(super) fn start(status: &Status, from_home: bool) -> String {
    let name = escape(&status.name);
    let mut body = format!("<h1>{name}</h1>");
    if !from_home {
        body.push_str(
            "<p>This is a household's own chatmail server. It can be joined from its home network.</p>",
        );
        body.push_str(LINKS);
        return page(&name, "", &body);
    }
    for trouble in &status.troubles {
        body.push_str(&format!("<p class=\"attention\">{}</p>", escape(trouble)));
    }
    match &status.invitation {
        Some(invitation) => body.push_str(&invitation_part(invitation)),
        None => body.push_str(
            "<p>To add a person or a device, press the button on the box. The code appears here for five minutes.</p>",
        ),
    }
    let addresses: Vec<String> = status.addresses.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "none yet".to_owned() } else { addresses.join(", ") };
    body.push_str(&format!(
        "<dl><dt>State</dt><dd>{}</dd><dt>Address</dt><dd>{}</dd><dt>Accounts</dt><dd>{}</dd>\
         <dt>Version</dt><dd>{}</dd></dl>{LINKS}",
        escape(status.led.words()),
        escape(&addresses),
        status.accounts,
        escape(&status.version)
    ));
    page(&name, &format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">"), &body)
}

const LINKS: &str =
    "<p><a href=\"/info.html\">About this server</a> · <a href=\"/privacy.html\">Privacy</a></p>";

fn invitation_part(invitation: &pairing::Invitation) -> String {
    let link = escape(&invitation.link);
    let code = pairing::svg(&invitation.link)
        .unwrap_or_else(|error| format!("<p>{}</p>", escape(&error.to_string())));
    format!(
        "<p>Scan with Delta Chat, or tap the link on the device that has it. The window closes {}.</p>{code}\
         <p><a class=\"button\" href=\"{link}\">Open in Delta Chat</a></p>",
        escape(&invitation.closes)
    )
}

/// What the server offers and where it ends.
pub(super) fn info(site: &Site) -> String {
    let domain = escape(&site.domain);
    let body = format!(
        "<h1>About {domain}</h1><p>A chatmail server in a home: it carries end-to-end encrypted messages between \
         <a href=\"https://delta.chat\">Delta Chat</a> apps, and nothing unencrypted.</p><ul>\
         <li>{} messages a minute, of at most {} MB each</li><li>{} MB of storage an account</li></ul>\
         <p><a href=\"/\">Start page</a> · <a href=\"/privacy.html\">Privacy</a></p>",
        site.sends_per_minute,
        site.message_size / 1_000_000,
        site.quota / 1_000_000
    );
    page(&format!("About {domain}"), "", &body)
}

/// What is kept, and for how long.
pub(super) fn privacy(site: &Site) -> String {
    let domain = escape(&site.domain);
    let body = format!(
        "<h1>Privacy on {domain}</h1><p>The server stands in the household that runs it. It asks for no name, no phone \
         number and no other address.</p><ul><li>Messages are end-to-end encrypted by the apps; the server refuses \
         others, and cannot read what it stores.</li><li>A message stays until the apps have fetched and deleted it, \
         20 days at most.</li><li>Of logins only the day of the last one is kept.</li><li>No IP address and no list of \
         who wrote to whom is stored or logged.</li></ul><p><a href=\"/\">Start page</a></p>"
    );
    page(&format!("Privacy on {domain}"), "", &body)
}

/// The autoconfiguration of chatmail-protocol note 1.7: six entries, the ones on 443 last.
pub(super) fn autoconfig(site: &Site) -> String {
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

/// A whole page.
pub(super) fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>{head}\
         <style>{STYLE}</style></head><body>{body}</body></html>"
    )
}

/// Text as HTML has it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_escapes_into_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
