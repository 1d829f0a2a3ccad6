//! Invites on the web: the links that carry one, why it may let nobody in, and the words for that.
//!
//! Where clients accept the certificate, the app itself redeems an invite by `POST /new?t=TOKEN` (chatmail-protocol
//! note 1.2). Elsewhere no app would speak with the box, so a person opens a page of it, asks there for the account,
//! and gets a login link. Looking at a link redeems nothing: messengers fetch links to show previews.

use std::net::IpAddr;

use relay_policy::InviteToken;

use super::site::{Certificate, Site};

/// The longest query that is looked at, in bytes; a token and its name need 26.
const QUERY_LIMIT: usize = 512;
/// The parameter that carries the token.
const PARAMETER: &str = "t";

/// The page of an invite.
const PAGE: &str = "/invite";

/// Why a visitor gets no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Registration is closed.
    Closed,
    /// People come in by the code that the box shows, or by an invite.
    CodeNeeded,
    /// People come in by an invite only.
    InviteNeeded,
    /// The invite is none of ours.
    Unknown,
    /// The invite has let in as many as it says.
    UsedUp,
    /// The invite's time is over.
    Expired,
    /// Too many wrong invites came from the visitor's network.
    TooManyGuesses,
    /// The machine is short of something, and new accounts would make that worse.
    Shortage,
    /// Our own trouble.
    Trouble,
}

impl Refusal {
    /// The status of HTTP (RFC 9110 section 15).
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Closed | Self::CodeNeeded | Self::InviteNeeded | Self::Unknown => 403,
            Self::UsedUp | Self::Expired => 410,
            Self::TooManyGuesses => 429,
            Self::Trouble => 500,
            Self::Shortage => 503,
        }
    }

    /// What the person reads: clients show it as it is.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Closed => "This server takes nobody new at the moment.",
            Self::CodeNeeded => {
                "New people come in by the code that the box shows after a press of its button, or by an invite."
            }
            Self::InviteNeeded => "New people come in by invite. Ask whoever runs this server for one.",
            Self::Unknown => {
                "This invite is not known here. Was all of it copied? If it was, ask for a new one."
            }
            Self::UsedUp => "This invite has been used already. Ask for a new one.",
            Self::Expired => "This invite has expired. Ask for a new one.",
            Self::TooManyGuesses => "Too many wrong invites came from this network. Try again in a minute.",
            Self::Shortage => {
                "The server has no room for anybody new at the moment. Please tell whoever runs it."
            }
            Self::Trouble => "The server is in trouble. Please try again later.",
        }
    }
}

/// What a query says of an invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// Nothing.
    Nothing,
    /// Something that is no invite.
    Nonsense,
    /// An invite, known here or not.
    Token(InviteToken),
}

/// Reads `t=TOKEN` out of a query; a token has no character that would have to be escaped.
pub(super) fn carried(query: Option<&str>) -> Carried {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_LIMIT {
        return Carried::Nonsense;
    }
    let mut pairs = query.split('&').filter_map(|part| part.split_once('='));
    match pairs.find(|(name, _)| *name == PARAMETER) {
        Some((_, value)) => value.parse().map_or(Carried::Nonsense, Carried::Token),
        None => Carried::Nothing,
    }
}

/// The links of one invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// For the app to scan or to tap; none where no app would accept the certificate.
    pub app: Option<String>,
    /// For a browser: a page that explains, and leads into the app.
    pub page: Option<String>,
}

/// The links of the invite with this token, as far as the web listens.
pub fn links(site: &Site, token: &InviteToken) -> Links {
    let secure = |host: &str, path| site.web.https.map(|port| url("https", host, (port, 443), path, token));
    let plain = |host: &str, path| site.web.http.map(|port| url("http", host, (port, 80), path, token));
    let app = accepts_certificate(site).then(|| secure(&site.domain, "/new")).flatten();
    let page = match site.certificate {
        Certificate::Trusted => secure(&site.domain, PAGE),
        // In clear, as the start page with its code is: a browser's warning would frighten people at home more than
        // it would protect them, and whoever comes from elsewhere is sent to TLS.
        Certificate::SelfSigned => {
            let host = &site.endpoint.host;
            plain(host, PAGE).or_else(|| secure(host, PAGE))
        }
    };
    Links { app: app.map(|link| format!("DCACCOUNT:{link}")), page }
}

/// Whether clients talk to `/new`: the certificate is one that they know, or the name is one for which they need not
/// know it (chatmail-protocol note 1.6).
fn accepts_certificate(site: &Site) -> bool {
    site.certificate == Certificate::Trusted || site.domain.starts_with('_')
}

fn url(scheme: &str, host: &str, (port, usual): (u16, u16), path: &str, token: &InviteToken) -> String {
    let port = if port == usual { String::new() } else { format!(":{port}") };
    format!("{scheme}://{}{port}{path}?{PARAMETER}={}", url_host(host), token.expose())
}

/// The path of an invite's page.
pub(super) fn page_path(token: &InviteToken) -> String {
    format!("{PAGE}?{PARAMETER}={}", token.expose())
}

/// A host as a URL has it (RFC 3986 section 3.2.2), from a mail domain or a host that links name: an IPv4 address
/// stands without brackets, an IPv6 address in them.
pub(super) fn url_host(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_start_matches("IPv6:");
    match bare.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Carried, Links, Refusal, carried, links, url_host};
    use crate::routes::tests::site;
    use crate::site::{Certificate, WebPorts};

    const TOKEN: &str = "ABCDEFGHIJKLMNOPQRSTUVWX";

    #[test]
    fn a_query_carries_an_invite_or_not() {
        let token = Carried::Token(TOKEN.parse().unwrap());
        for (query, expected) in [
            ("", Carried::Nothing),
            ("x=1", Carried::Nothing),
            ("t", Carried::Nothing),
            ("tt=1&ut=2", Carried::Nothing),
            ("t=", Carried::Nonsense),
            ("t=short", Carried::Nonsense),
            ("t=ABCDEFGHIJKLMNOPQRSTUVW%58", Carried::Nonsense),
            ("t=ABCDEFGHIJKLMNOPQRSTUVWX", token.clone()),
            ("utm=1&t=ABCDEFGHIJKLMNOPQRSTUVWX&t=other", token),
        ] {
            assert_eq!(carried(Some(query)), expected, "{query}");
        }
        assert_eq!(carried(None), Carried::Nothing);
        let long = format!("{}&t={TOKEN}", "x".repeat(512));
        assert_eq!(carried(Some(&long)), Carried::Nonsense);
    }

    #[test]
    fn noise_in_a_query_is_never_an_invite() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let mut noise = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state >> 33).unwrap()
            };
            let length = noise() % 40;
            let query: String = (0..length).map(|_| char::from(b"tt==&%;?#aA0\xff"[noise() % 13])).collect();
            assert!(!matches!(carried(Some(&query)), Carried::Token(_)), "{query}");
        }
    }

    fn linked(domain: &str, certificate: Certificate, http: Option<u16>, https: Option<u16>) -> Links {
        let mut site = site(certificate);
        site.domain = domain.into();
        site.web = WebPorts { http, https };
        links(&site, &TOKEN.parse().unwrap())
    }

    #[test]
    fn links_fit_the_certificate_and_the_ports() {
        let of = |app: Option<&str>, page: Option<&str>| Links {
            app: app.map(|link| format!("DCACCOUNT:https://{link}/new?t={TOKEN}")),
            page: page.map(|link| format!("{link}/invite?t={TOKEN}")),
        };
        let (trusted, own) = (Certificate::Trusted, Certificate::SelfSigned);
        for (domain, certificate, http, https, expected) in [
            ("chat.test", trusted, Some(80), Some(443), of(Some("chat.test"), Some("https://chat.test"))),
            (
                "chat.test",
                trusted,
                None,
                Some(8443),
                of(Some("chat.test:8443"), Some("https://chat.test:8443")),
            ),
            ("[192.0.2.1]", trusted, None, Some(443), of(Some("192.0.2.1"), Some("https://192.0.2.1"))),
            ("_box.test", own, Some(80), Some(443), of(Some("_box.test"), Some("http://192.168.1.7"))),
            ("box.local", own, Some(80), Some(443), of(None, Some("http://192.168.1.7"))),
            ("box.local", own, Some(8080), None, of(None, Some("http://192.168.1.7:8080"))),
            ("box.local", own, None, Some(443), of(None, Some("https://192.168.1.7"))),
            ("box.local", own, None, None, of(None, None)),
            ("chat.test", trusted, Some(80), None, of(None, None)),
        ] {
            assert_eq!(linked(domain, certificate, http, https), expected, "{domain} {http:?} {https:?}");
        }
    }

    #[test]
    fn hosts_are_written_as_urls_have_them() {
        for (host, expected) in [
            ("chat.test", "chat.test"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("[IPv6:2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(url_host(host), expected);
        }
    }

    #[test]
    fn a_refusal_is_a_sentence_with_an_error_status() {
        for refusal in [
            Refusal::Closed,
            Refusal::CodeNeeded,
            Refusal::InviteNeeded,
            Refusal::Unknown,
            Refusal::UsedUp,
            Refusal::Expired,
            Refusal::TooManyGuesses,
            Refusal::Shortage,
            Refusal::Trouble,
        ] {
            assert!((400..600).contains(&refusal.status()) && refusal.words().ends_with('.'), "{refusal:?}");
        }
    }
}
