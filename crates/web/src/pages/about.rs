//! What the server offers, and what it keeps: from the settings it really runs with.

use relay_policy::Registration;

use super::{Page, Width, escape};
use crate::site::{Certificate, Site};

/// What the server offers and where it ends.
pub(crate) fn info(site: &Site) -> String {
    let expiry = &site.expiry;
    let comment = site.about.comment.as_deref().map(|text| format!("<p>{}</p>", escape(text)));
    let main = format!(
        "<h1>About this server</h1>{}<p>{} is a chatmail server in somebody’s home. It carries end-to-end encrypted \
         messages between <a href=\"https://delta.chat\">Delta Chat</a> apps, and nothing unencrypted.</p>\
         <h2>Who can join</h2><p>{}</p>\
         <h2>Limits</h2><ul><li>{} messages a minute, {} MB each at most</li><li>{} MB of storage for a profile</li>\
         <li>Messages wait at most {} for the phone to fetch them; large ones that were read, {}</li>\
         <li>A profile that nobody uses for {} is removed</li></ul>\
         <h2>Connection</h2><p>{}</p>{}",
        comment.unwrap_or_default(),
        escape(&site.domain),
        who_can_join(site.registration),
        site.sends_per_minute,
        megabytes(site.message_size),
        megabytes(site.quota),
        days(expiry.keep_days),
        days(expiry.keep_large_days),
        days(expiry.inactive_days.into()),
        match site.certificate {
            Certificate::SelfSigned => "Encrypted (TLS) with a certificate that the box signed itself.",
            Certificate::Trusted => "Encrypted (TLS) with a certificate from a public authority.",
        },
        contact(site)
    );
    Page {
        title: "About this server",
        name: &site.domain,
        refresh: None,
        width: Width::Text,
        main: &main,
        bottom: "",
    }
    .html()
}

/// What is kept, and for how long.
pub(crate) fn privacy(site: &Site) -> String {
    let expiry = &site.expiry;
    let main = format!(
        "<h1>Privacy</h1><p>The server stands in the home of the people who run it. It asks for no name, no phone \
         number, and no other address.</p>\
         <h2>What it cannot know</h2><p>Messages, files, names and groups: they are encrypted from app to app. The \
         server refuses what is not encrypted, and has no key to what is.</p>\
         <h2>What it keeps</h2><ul>\
         <li>Of a profile: its made-up address, its password in a form that cannot be turned back, and the day of the \
         last login. {} without a login later everything is removed; the address is never given to anybody else.</li>\
         <li>Encrypted messages until the phone has fetched and deleted them, {} at most.</li>\
         <li>Who a message is from and to, as long as the message waits: it is written on it, as on a letter.</li>{}</ul>{}\
         <h2>What it does not keep</h2><ul><li>No IP addresses, on the card or in logs.</li><li>No list of who wrote \
         to whom, and no times of logins.</li><li>These pages set no cookies, run no scripts and load nothing from \
         elsewhere.</li></ul>{}",
        capitalised(&days(expiry.inactive_days.into())),
        days(expiry.keep_days),
        site.push_host.as_deref().map_or("", |_| PUSH_TOKEN),
        site.push_host.as_deref().map_or_else(String::new, push),
        contact(site)
    );
    Page { title: "Privacy", name: &site.domain, refresh: None, width: Width::Text, main: &main, bottom: "" }
        .html()
}

/// What is kept so that phones can be woken.
const PUSH_TOKEN: &str = "<li>The push token of each phone that wants to be woken: the app encrypted it, and this server \
                          cannot read it. It goes when the push service says that the phone is gone, or with the \
                          profile.</li>";

/// What leaves the house so that phones wake.
fn push(host: &str) -> String {
    format!(
        "<h2>What it tells others</h2><p>A phone that sleeps is woken by its maker only. So when a message comes, this \
         server sends the phone’s push token to <code>{}</code>, which alone can read it and has the phone woken by \
         Apple, Google or whoever else can. With the token it sends nothing: not the message, not from whom or to whom \
         it is, not even an address. The service sees the home’s IP address, and when a phone is woken.</p>",
        escape(host)
    )
}

fn who_can_join(registration: Registration) -> &'static str {
    match registration {
        Registration::Open => "Anybody.",
        Registration::Pairing => "Whoever scans the code that appears after a press of the box’s button.",
        Registration::Invite => "Whoever has an invite.",
        Registration::Closed => "Nobody new at the moment.",
    }
}

/// Whom to ask; nothing, where the owner told nobody.
fn contact(site: &Site) -> String {
    let Some(admin) = &site.about.admin else { return String::new() };
    let shown = escape(admin.strip_prefix("mailto:").unwrap_or(admin));
    format!("<h2>Contact</h2><p><a href=\"{}\">{shown}</a></p>", escape(admin))
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn days(days: u64) -> String {
    match days {
        1 => "one day".to_owned(),
        days => format!("{days} days"),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
