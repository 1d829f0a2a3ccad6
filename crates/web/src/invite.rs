//! Invites on the web: the links that carry a token, and the parameter that brings it back.
//!
//! Where clients accept the certificate, the app itself redeems an invite by `POST /new?t=TOKEN` (chatmail/core,
//! `src/qr.rs`). Elsewhere no app would speak with the box, so a person opens a page of it, asks there for the account,
//! and gets a login link. Looking at a link redeems nothing: messengers fetch links to show previews.

use std::net::IpAddr;

use relay_policy::InviteToken;

use crate::site::{Certificate, Site};

/// The longest query that is parsed, in bytes; a token and its name need 26.
const QUERY_LIMIT: usize = 512;
/// The parameter that carries the token.
const PARAMETER: &str = "t";

/// The path of an invite's page.
const PAGE: &str = "/invite";

/// The parameter `t` of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InviteParam {
    /// The query has no such parameter.
    Absent,
    /// Its value is no token, or the query is too long.
    Malformed,
    /// A token, of an invite that exists or not.
    Token(InviteToken),
}

/// Parses `t=TOKEN` out of a query. Nothing is percent-decoded: a token has no character that would have to be encoded.
pub(crate) fn parameter(query: Option<&str>) -> InviteParam {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_LIMIT {
        return InviteParam::Malformed;
    }
    let mut pairs = query.split('&').filter_map(|part| part.split_once('='));
    match pairs.find(|(name, _)| *name == PARAMETER) {
        Some((_, value)) => value.parse().map_or(InviteParam::Malformed, InviteParam::Token),
        None => InviteParam::Absent,
    }
}

/// The links of one invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// A `DCACCOUNT:` link, for the app to scan or to tap; none where no app would accept the certificate.
    pub app: Option<String>,
    /// The URL of the invite's page, for a browser; none where the web does not listen.
    pub page: Option<String>,
}

/// The links of the invite with this token.
pub fn links(site: &Site, token: &InviteToken) -> Links {
    let secure = |host: &str, path| site.web.https.map(|port| url("https", host, (port, 443), path, token));
    let plain = |host: &str, path| site.web.http.map(|port| url("http", host, (port, 80), path, token));
    let app = accepts_certificate(site).then(|| secure(&site.domain, "/new")).flatten();
    let page = match site.certificate() {
        Certificate::Trusted => secure(&site.domain, PAGE),
        // In clear, as the start page with its code is: a browser's warning would frighten people at home more than
        // it would protect them, and requests from elsewhere are redirected to TLS.
        Certificate::SelfSigned => {
            let host = &site.endpoint.host;
            plain(host, PAGE).or_else(|| secure(host, PAGE))
        }
    };
    Links { app: app.map(|link| format!("DCACCOUNT:{link}")), page }
}

/// True when clients talk to `/new`: an authority issued the certificate, or the domain begins with an underscore, for
/// which they check none (chatmail/core, `src/net/tls/danger.rs`).
fn accepts_certificate(site: &Site) -> bool {
    site.certificate() == Certificate::Trusted || site.domain.starts_with('_')
}

/// A URL with the token; the scheme's usual port is left out.
fn url(scheme: &str, host: &str, (port, usual): (u16, u16), path: &str, token: &InviteToken) -> String {
    let port = if port == usual { String::new() } else { format!(":{port}") };
    format!("{scheme}://{}{port}{path}?{PARAMETER}={}", url_host(host), token.expose())
}

/// The path and query of an invite's page.
pub(crate) fn page_path(token: &InviteToken) -> String {
    format!("{PAGE}?{PARAMETER}={}", token.expose())
}

/// The host of a URL (RFC 3986 section 3.2.2) for a mail domain or a host that links name: an IPv4 address without
/// brackets, an IPv6 address in them.
pub(crate) fn url_host(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_start_matches("IPv6:");
    match bare.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{InviteParam, Links, links, parameter, url_host};
    use crate::routes::tests::site;
    use crate::site::{Certificate, WebPorts};

    const TOKEN: &str = "ABCDEFGHIJKLMNOPQRSTUVWX";

    #[test]
    fn a_query_carries_an_invite_or_not() {
        let token = InviteParam::Token(TOKEN.parse().unwrap());
        for (query, expected) in [
            ("", InviteParam::Absent),
            ("x=1", InviteParam::Absent),
            ("t", InviteParam::Absent),
            ("tt=1&ut=2", InviteParam::Absent),
            ("t=", InviteParam::Malformed),
            ("t=short", InviteParam::Malformed),
            ("t=ABCDEFGHIJKLMNOPQRSTUVW%58", InviteParam::Malformed),
            ("t=ABCDEFGHIJKLMNOPQRSTUVWX", token.clone()),
            ("utm=1&t=ABCDEFGHIJKLMNOPQRSTUVWX&t=other", token),
        ] {
            assert_eq!(parameter(Some(query)), expected, "{query}");
        }
        assert_eq!(parameter(None), InviteParam::Absent);
        let long = format!("{}&t={TOKEN}", "x".repeat(512));
        assert_eq!(parameter(Some(&long)), InviteParam::Malformed);
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
            assert!(!matches!(parameter(Some(&query)), InviteParam::Token(_)), "{query}");
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
}
