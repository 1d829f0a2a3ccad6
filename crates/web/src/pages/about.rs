//! The pages about the server: its offer and its data protection, from the settings it really runs with.

use maud::{Markup, html};
use relay_policy::Registration;

use super::Page;
use crate::site::{Certificate, Site};

/// The server's offer and its limits.
pub(crate) fn info(site: &Site) -> String {
    let expiry = &site.expiry;
    let main = html! {
        h1 { "About this server" }
        @if let Some(comment) = &site.about.comment {
            p { (comment) }
        }
        p {
            (site.domain) " is a chatmail server in somebody’s home. It carries end-to-end encrypted messages between "
            a href="https://delta.chat" { "Delta Chat" } " apps, and nothing unencrypted."
        }
        h2 { "Who can join" }
        p { (who_can_join(site.registration)) }
        h2 { "Limits" }
        ul {
            li { (site.sends_per_minute) " messages a minute, " (megabytes(site.message_size)) " MB each at \
                most, which a file of " (megabytes(site.message_size / 3 * 2)) " MB reaches when it is encrypted" }
            li { (megabytes(site.quota)) " MB of storage for a profile" }
            li {
                "Messages wait at most " (days(expiry.keep_days)) " for the phone to fetch them; large ones that were \
                read, " (days(expiry.keep_large_days))
            }
            li { "A profile that nobody uses for " (days(expiry.inactive_days.into())) " is removed" }
        }
        h2 { "Connection" }
        p {
            @match site.certificate() {
                Certificate::SelfSigned => "Encrypted (TLS) with a certificate that the box signed itself.",
                Certificate::Trusted => "Encrypted (TLS) with a certificate from a public authority.",
            }
        }
        (contact(site))
    };
    Page::text("About this server", &site.domain, main).html()
}

/// The data that is kept, and its retention periods.
pub(crate) fn privacy(site: &Site) -> String {
    let expiry = &site.expiry;
    let main = html! {
        h1 { "Privacy" }
        p {
            "The server stands in the home of the people who run it. It asks for no name, no phone number, and no \
            other address."
        }
        h2 { "What it cannot know" }
        p {
            "Messages, files, names and groups: they are encrypted from app to app. The server refuses what is not \
            encrypted, and has no key to what is."
        }
        h2 { "What it keeps" }
        ul {
            li {
                "Of a profile: its made-up address, its password in a form that cannot be turned back, and the day of \
                the last login. " (capitalised(&days(expiry.inactive_days.into()))) " without a login later \
                everything is removed; the address is never given to anybody else."
            }
            li {
                "Encrypted messages until the phone has fetched and deleted them, " (days(expiry.keep_days))
                " at most."
            }
            li { "Who a message is from and to, as long as the message waits: it is written on it, as on a letter." }
            @if site.push_host.is_some() {
                li {
                    "The push token of each phone that wants to be woken: the app encrypted it, and this server \
                    cannot read it. It goes when the push service says that the phone is gone, or with the profile."
                }
            }
        }
        @if let Some(host) = &site.push_host {
            (push(host))
        }
        h2 { "What it does not keep" }
        ul {
            li { "No IP addresses, on the card or in logs." }
            li { "No list of who wrote to whom, and no times of logins." }
            li { "These pages set no cookies, run no scripts and load nothing from elsewhere." }
        }
        (contact(site))
    };
    Page::text("Privacy", &site.domain, main).html()
}

/// The data that the push service gets.
fn push(host: &str) -> Markup {
    html! {
        h2 { "What it tells others" }
        p {
            "A phone that sleeps is woken by its maker only. So when a message comes, this server sends the phone’s \
            push token to " code { (host) } ", which alone can read it and has the phone woken by Apple, Google or \
            whoever else can. With the token it sends nothing: not the message, not from whom or to whom it is, not \
            even an address. The service sees the home’s IP address, and when a phone is woken."
        }
    }
}

fn who_can_join(registration: Registration) -> &'static str {
    match registration {
        Registration::Open => "Anybody.",
        Registration::Pairing => "Whoever scans the code that appears after a press of the box’s button.",
        Registration::Invite => "Whoever has an invite.",
        Registration::Closed => "Nobody new at the moment.",
    }
}

/// The owner's contact; nothing, where the configuration has none.
fn contact(site: &Site) -> Markup {
    html! {
        @if let Some(admin) = &site.about.admin {
            h2 { "Contact" }
            p { a href=(admin) { (admin.strip_prefix("mailto:").unwrap_or(admin)) } }
        }
    }
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
