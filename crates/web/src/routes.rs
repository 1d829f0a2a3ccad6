//! The answers to requests: pure, from the request's head and the state of the box.
//!
//! The surface is that of chatmail/relay's web server: pages, `/new`, autoconfiguration, and the MTA-STS policy (RFC
//! 8461 section 3.2).

use std::net::IpAddr;

use ipc::reachability::Finding;
use mail_types::{Address, Secret};
use relay_policy::certificate::ChallengeToken;
use relay_policy::{InviteToken, JoinRefusal};
use smtp::table;

use crate::backend::Credentials;
use crate::invite::{self, InviteParam};
use crate::request::{Format, PageContext, Request, Scheme};
use crate::site::{Certificate, Site};
use crate::{delivery, join, pages};

/// An answer, before HTTP wraps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The content; it is left out of the answer to `HEAD`.
    pub body: String,
    /// The `Location` header of a redirection.
    pub location: Option<String>,
    /// The `Allow` header: the methods of the path.
    pub allow: Option<&'static str>,
}

/// An answer, or the question that the backend must answer before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The answer.
    Reply(Reply),
    /// Fresh credentials are asked for; [`minted`] makes the answer.
    MintCredentials(Format),
    /// The page of an invite is asked for; [`invitation`] makes the answer.
    ShowInvite(InviteToken),
    /// An account for an invite is asked for; [`redeemed`] makes the answer.
    RedeemInvite(InviteToken, Format),
    /// The findings about the network are asked for; [`network`] makes the answer.
    ShowNetwork,
    /// A look at the network is asked for; [`network`] makes the answer.
    LookAtNetwork,
    /// A message of another relay is coming in.
    ReceiveMail,
    /// An authority looks for the answer to a challenge; [`challenge`] makes it.
    AnswerChallenge(ChallengeToken),
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// RFC 8555 section 8.3.
const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";
const XML: &str = "application/xml; charset=utf-8";

/// The route of a request.
pub fn route(request: &Request<'_>, context: &PageContext<'_>) -> Route {
    if request.path == delivery::PATH {
        // Relays find this box by whatever name an MX record gives, and read nothing here that is secret.
        return mail(request);
    }
    if let Some(token) = ChallengeToken::of_path(request.path) {
        // An authority asks in clear text, from anywhere (RFC 8555 section 8.3). The answer is no secret.
        return match request.method {
            "GET" | "HEAD" => Route::AnswerChallenge(token),
            _ => Route::Reply(Reply { allow: Some("GET, HEAD"), ..reply(405, TEXT, "Method Not Allowed") }),
        };
    }
    if !names_this_box(request.host, context) {
        // DNS rebinding: a page elsewhere that points its own name at our address could read the pairing code.
        return Route::Reply(reply(421, HTML, pages::wrong_name()));
    }
    if request.scheme == Scheme::Http && !request.from_home {
        return Route::Reply(to_https(request, context.site));
    }
    match (request.method, request.path) {
        ("POST", "/new" | "/cgi-bin/newemail.py") => post(request, context, Format::Json),
        ("POST", "/invite") => post(request, context, Format::Html),
        // Who is elsewhere need not know which ports of the house are open, nor have them tried.
        ("GET" | "HEAD", "/network") if request.from_home => Route::ShowNetwork,
        ("POST", "/network") if request.from_home => Route::LookAtNetwork,
        ("GET" | "HEAD", path) => get(path, request, context),
        (_, path) => Route::Reply(wrong_method(path)),
    }
}

/// The route of a relay's request. In clear text nothing is taken, as on port 25.
fn mail(request: &Request<'_>) -> Route {
    match (request.method, request.scheme) {
        ("POST", Scheme::Https) => Route::ReceiveMail,
        ("POST", Scheme::Http) => Route::Reply(reply(403, TEXT, table::TLS_FIRST.to_string())),
        _ => Route::Reply(Reply { allow: Some("POST"), ..reply(405, TEXT, "Method Not Allowed") }),
    }
}

/// The route of a request for an account, by an app or by the invite's page.
fn post(request: &Request<'_>, context: &PageContext<'_>, format: Format) -> Route {
    match (invite::parameter(request.query), format) {
        (InviteParam::Token(token), format) => Route::RedeemInvite(token, format),
        (InviteParam::Absent, Format::Json) => Route::MintCredentials(format),
        (InviteParam::Absent, Format::Html) => {
            Route::Reply(refused(context.site, format, JoinRefusal::InviteNeeded))
        }
        (InviteParam::Malformed, format) => Route::Reply(refused(context.site, format, JoinRefusal::Unknown)),
    }
}

fn get(path: &str, request: &Request<'_>, context: &PageContext<'_>) -> Route {
    let site = context.site;
    let reply = match path {
        "/" => {
            let reload = pages::Reload::from_query(request.query);
            reply(200, HTML, pages::start(context, request.from_home, reload))
        }
        "/new" | "/cgi-bin/newemail.py" => return new_by_browser(request, site),
        "/invite" => match invite::parameter(request.query) {
            InviteParam::Token(token) => return Route::ShowInvite(token),
            InviteParam::Absent => refused(site, Format::Html, JoinRefusal::InviteNeeded),
            InviteParam::Malformed => refused(site, Format::Html, JoinRefusal::Unknown),
        },
        "/help.html" => reply(200, HTML, pages::help(site)),
        "/info.html" => reply(200, HTML, pages::info(site)),
        "/privacy.html" => reply(200, HTML, pages::privacy(site)),
        "/robots.txt" => reply(200, TEXT, "User-agent: *\nDisallow: /\n"),
        "/.well-known/autoconfig/mail/config-v1.1.xml" | "/mail/config-v1.1.xml" => {
            reply(200, XML, pages::autoconfig(site))
        }
        "/.well-known/mta-sts.txt" if site.certificate() == Certificate::Trusted => {
            reply(200, TEXT, mta_sts_policy(&site.domain))
        }
        _ => reply(404, HTML, pages::no_such_page(site)),
    };
    Route::Reply(reply)
}

/// The answer to an authority's challenge: the key authorization, if the challenge is one of ours that is pending.
pub fn challenge(key_authorization: Option<String>) -> Reply {
    match key_authorization {
        Some(text) => reply(200, BINARY, text),
        None => reply(404, TEXT, "Not Found"),
    }
}

/// The MTA-STS policy of the domain (RFC 8461 section 3.2). Its record in the DNS has another ID when this text changes.
pub fn mta_sts_policy(domain: &str) -> String {
    format!("version: STSv1\nmode: enforce\nmx: {domain}\nmax_age: 2419200\n")
}

/// The route of `GET /new`: into the app where the certificate is trusted; elsewhere only a full login link works (note
/// 1.2). With an invite it leads to the app or to the invite's page, but redeems nothing: messengers fetch a link to show
/// its preview.
fn new_by_browser(request: &Request<'_>, site: &Site) -> Route {
    match invite::parameter(request.query) {
        InviteParam::Token(token) => {
            let link = invite::links(site, &token).app.unwrap_or_else(|| invite::page_path(&token));
            Route::Reply(redirect(302, link))
        }
        InviteParam::Malformed => Route::Reply(refused(site, Format::Html, JoinRefusal::Unknown)),
        InviteParam::Absent if site.certificate() == Certificate::Trusted => {
            Route::Reply(redirect(301, format!("dcaccount:https://{}/new", invite::url_host(&site.domain))))
        }
        // HEAD is safe (RFC 9110 section 9.2.1): it makes no credentials.
        InviteParam::Absent if request.method == "HEAD" => Route::Reply(reply(200, JSON, "")),
        InviteParam::Absent => Route::MintCredentials(request.format),
    }
}

/// The answer with fresh credentials, or with the refusal of them.
pub fn minted(site: &Site, format: Format, outcome: Result<Credentials, JoinRefusal>) -> Reply {
    account(site, format, outcome, pages::fresh_code)
}

/// The answer with the account of an invite, or with the refusal of it.
pub fn redeemed(site: &Site, format: Format, outcome: Result<Credentials, JoinRefusal>) -> Reply {
    account(site, format, outcome, pages::welcome)
}

/// The answer about an account: for an app in JSON, for a browser the page that `page` makes of the login link.
fn account(
    site: &Site,
    format: Format,
    outcome: Result<Credentials, JoinRefusal>,
    page: fn(&Site, &str) -> String,
) -> Reply {
    match (outcome, format) {
        (Ok((address, password)), Format::Json) => credentials(site, &address, &password),
        (Ok((address, password)), Format::Html) => {
            let link = site.login_link(&address, &password);
            reply(200, HTML, page(site, &link))
        }
        (Err(refusal), format) => refused(site, format, refusal),
    }
}

/// The answer to a message of another relay.
pub fn delivered(outcome: Result<(), smtp::Reply>) -> Reply {
    let (status, body) = delivery::answer(outcome);
    reply(status, TEXT, body)
}

/// The page about the network; without findings it only offers a look.
pub fn network(context: &PageContext<'_>, findings: Option<&[Finding]>) -> Reply {
    reply(200, HTML, pages::network(context.site, context.naming.as_ref(), findings))
}

/// The page of an invite, or the refusal of it; `found` tells whether redeeming it would create an account.
pub fn invitation(site: &Site, token: &InviteToken, found: Result<(), JoinRefusal>) -> Reply {
    match found {
        Ok(()) => reply(200, HTML, pages::invitation(site, &invite::links(site, token), token)),
        Err(refusal) => refused(site, Format::Html, refusal),
    }
}

/// The JSON with credentials: core reads `email` and `password`; the link as well where the certificate is self-signed.
fn credentials(site: &Site, address: &Address, password: &Secret) -> Reply {
    let text = String::from_utf8_lossy(password.expose());
    let mut answer = serde_json::json!({ "email": address.to_string(), "password": text });
    if site.certificate() == Certificate::SelfSigned
        && let Some(object) = answer.as_object_mut()
    {
        object.insert("dclogin_url".to_owned(), site.login_link(address, password).into());
    }
    reply(200, JSON, answer.to_string())
}

/// The answer that refuses an account: core shows `reason` to the person as it is.
fn refused(site: &Site, format: Format, refusal: JoinRefusal) -> Reply {
    let status = join::status(refusal);
    match format {
        Format::Json => {
            reply(status, JSON, serde_json::json!({ "reason": join::words(refusal) }).to_string())
        }
        Format::Html => reply(status, HTML, pages::refused(site, refusal)),
    }
}

/// The answer to a method that the path does not have (405, RFC 9110 section 15.5.6).
fn wrong_method(path: &str) -> Reply {
    let allow = match path {
        "/new" | "/cgi-bin/newemail.py" | "/invite" | "/network" => "GET, HEAD, POST",
        _ => "GET, HEAD",
    };
    Reply { allow: Some(allow), ..reply(405, TEXT, "This address takes no such request.\n") }
}

fn to_https(request: &Request<'_>, site: &Site) -> Reply {
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    redirect(301, format!("https://{}{}{query}", invite::url_host(&site.domain), request.path))
}

fn redirect(status: u16, location: String) -> Reply {
    Reply { location: Some(location), ..reply(status, TEXT, "") }
}

fn reply(status: u16, content_type: &'static str, body: impl Into<String>) -> Reply {
    Reply { status, content_type, body: body.into(), location: None, allow: None }
}

/// Domains that home routers append to host names, and that cannot be registered: RFC 8375, RFC 6762 appendix G, and one
/// vendor's own domain.
const HOME_DOMAINS: [&str; 7] = ["local", "lan", "home", "internal", "home.arpa", "localdomain", "fritz.box"];

/// True when `Host` names this box: its domain or a name below it, its name at home with any domain that a router
/// appends, or any IP address.
fn names_this_box(host: &str, context: &PageContext<'_>) -> bool {
    let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let own = [&context.site.domain, &context.status.name];
    let below = |own: &&String| {
        name == **own || name.strip_suffix(own.as_str()).is_some_and(|left| left.ends_with('.'))
    };
    let (label, domain) = name.split_once('.').unwrap_or((&name, ""));
    let at_home = (domain.is_empty() || HOME_DOMAINS.contains(&domain))
        && own.iter().any(|own| own.split('.').next() == Some(label));
    name.is_empty() || address.is_ok() || name == "localhost" || at_home || own.iter().any(below)
}

/// The host of a `Host` header: `host [ ":" port ]` (RFC 9110 section 7.2).
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand inside its brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::site::{Ports, WebPorts};

    pub(crate) fn site(certificate: Certificate) -> Site {
        let (config, _) = config::examine("").unwrap();
        Site {
            domain: "hearth-1a2b.local".into(),
            former_domains: Vec::new(),
            certificate: certificate.into(),
            endpoint: pairing::Endpoint {
                host: "192.168.1.7".into(),
                imaps_port: 993,
                submissions_port: 465,
            },
            ports: Ports { imaps: 993, imap: 143, submissions: 465, submission: 587, https: 443 },
            web: WebPorts { http: Some(80), https: Some(443) },
            message_size: 31_457_280,
            quota: 524_288_000,
            sends_per_minute: 60,
            registration: config.registration,
            expiry: config.expiry,
            about: config.about,
            push_host: None,
        }
    }

    fn status() -> pairing::DisplayStatus {
        pairing::DisplayStatus {
            name: "hearth-1a2b.local".into(),
            addresses: vec![],
            led: pairing::LedState::PairingOpen,
            accounts: 0,
            version: "0.1.0".into(),
            troubles: vec![],
            code: Some(pairing::PairingCode { link: "dclogin:x?p=1&v=1".into(), closes: "soon".into() }),
        }
    }

    fn ask(line: &str, host: &str, scheme: Scheme, from_home: bool, certificate: Certificate) -> Route {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let site = site(certificate);
        let request = Request { method, path, query, host, scheme, from_home, format: Format::Json };
        route(&request, &PageContext { site: &site, status: status(), naming: None })
    }

    #[track_caller]
    fn check(line: &str, host: &str, scheme: Scheme, from_home: bool, expected: u16, part: &str) {
        match ask(line, host, scheme, from_home, Certificate::SelfSigned) {
            Route::Reply(reply) => {
                assert_eq!(reply.status, expected, "{line}");
                let text = format!("{}{}", reply.body, reply.location.unwrap_or_default());
                assert!(text.contains(part), "{line}: no {part:?} in {text}");
            }
            Route::MintCredentials(_) => assert_eq!((expected, part), (200, "mint"), "{line}"),
            Route::ShowInvite(token) => {
                assert_eq!((expected, part), (200, "show"), "{line} {}", token.expose())
            }
            Route::ShowNetwork => assert_eq!((expected, part), (200, "network"), "{line}"),
            Route::LookAtNetwork => assert_eq!((expected, part), (200, "look"), "{line}"),
            Route::RedeemInvite(_, format) => {
                let name = if format == Format::Json { "redeem for an app" } else { "redeem for a person" };
                assert_eq!((expected, part), (200, name), "{line}");
            }
            Route::AnswerChallenge(_) => assert_eq!((expected, part), (200, "challenge"), "{line}"),
            Route::ReceiveMail => assert_eq!((expected, part), (200, "receive"), "{line}"),
        }
    }

    #[test]
    fn each_path_has_its_answer() {
        let home = "hearth-1a2b.local";
        check("GET /", home, Scheme::Http, true, 200, "dclogin:x?p=1&amp;v=1");
        check("GET /?still", home, Scheme::Http, true, 200, "This page stays as it is");
        check("HEAD /", home, Scheme::Http, true, 200, "");
        check("POST /new", home, Scheme::Https, false, 200, "mint");
        check("GET /new", home, Scheme::Https, true, 200, "mint");
        check("POST /mxdeliv", "mx.elsewhere.test", Scheme::Https, false, 200, "receive");
        check(
            "POST /mxdeliv",
            home,
            Scheme::Http,
            true,
            403,
            "530 5.7.0 Must issue a STARTTLS command first",
        );
        check("GET /mxdeliv", home, Scheme::Https, false, 405, "Method Not Allowed");
        check("GET /robots.txt", home, Scheme::Https, false, 200, "Disallow: /");
        check("GET /privacy.html", home, Scheme::Https, false, 200, "20 days");
        check("GET /info.html", home, Scheme::Https, false, 200, "60 messages a minute");
        check(
            "GET /.well-known/autoconfig/mail/config-v1.1.xml",
            home,
            Scheme::Https,
            false,
            200,
            "<port>443</port>",
        );
        check("GET /.well-known/mta-sts.txt", home, Scheme::Https, false, 404, "");
        check("GET /../etc/passwd", home, Scheme::Https, false, 404, "no such page");
        check("GET /help.html", home, Scheme::Https, false, 200, "does not work?");
        check("HEAD /new", home, Scheme::Https, true, 200, "");
        check("DELETE /", home, Scheme::Https, true, 405, "");
    }

    #[test]
    fn the_network_is_shown_and_looked_at_from_home_only() {
        let home = "hearth-1a2b.local";
        check("GET /network", home, Scheme::Http, true, 200, "network");
        check("POST /network", home, Scheme::Http, true, 200, "look");
        check("GET /network", home, Scheme::Https, false, 404, "");
        check("POST /network", home, Scheme::Https, false, 405, "");
        check("POST /network", "evil.example", Scheme::Http, true, 421, "");
    }

    #[test]
    fn an_authority_gets_the_answer_to_a_challenge_in_clear_text_from_anywhere() {
        let token = ChallengeToken::try_from("abc-_1").unwrap();
        for host in ["hearth-1a2b.local", "mta-sts.hearth-1a2b.local", "elsewhere.example"] {
            let asked = |line| ask(line, host, Scheme::Http, false, Certificate::SelfSigned);
            let path = "GET /.well-known/acme-challenge/abc-_1";
            assert_eq!(asked(path), Route::AnswerChallenge(token.clone()));
            let Route::Reply(refused) = asked("POST /.well-known/acme-challenge/abc-_1") else {
                panic!("a reply")
            };
            assert_eq!(refused.status, 405);
        }
        assert_eq!(challenge(None).status, 404);
        assert_eq!(challenge(Some("abc.thumb".into())).body, "abc.thumb");
    }

    #[test]
    fn a_trusted_certificate_sends_browsers_into_the_app() {
        let Route::Reply(reply) =
            ask("GET /new", "hearth-1a2b.local", Scheme::Https, false, Certificate::Trusted)
        else {
            panic!("a redirect");
        };
        assert_eq!(
            (reply.status, reply.location.as_deref()),
            (301, Some("dcaccount:https://hearth-1a2b.local/new"))
        );
    }

    #[test]
    fn the_code_is_for_the_home_network_only() {
        for (scheme, expected) in [(Scheme::Http, 301), (Scheme::Https, 200)] {
            let Route::Reply(reply) = ask("GET /", "", scheme, false, Certificate::SelfSigned) else {
                panic!("a page")
            };
            assert_eq!(reply.status, expected);
            assert!(!reply.body.contains("dclogin:"), "{}", reply.body);
        }
    }

    #[test]
    fn a_foreign_name_gets_nothing() {
        for host in [
            "evil.example",
            "evil.example:80",
            "nothearth-1a2b.local",
            "hearth-1a2b.example",
            "nothearth-1a2b",
        ] {
            check("GET /", host, Scheme::Http, true, 421, "");
        }
        for host in [
            "192.168.1.7",
            "192.168.1.7:8080",
            "[fe80::1]:80",
            "[::1]",
            "www.hearth-1a2b.local",
            "localhost:80",
            "hearth-1a2b",
            "hearth-1a2b.fritz.box",
            "Hearth-1A2B.lan.",
        ] {
            check("GET /", host, Scheme::Http, true, 200, "dclogin:");
        }
    }

    #[test]
    fn new_answers_as_clients_expect() {
        let (address, password) = ("ac1_x2345@hearth-1a2b.local".parse().unwrap(), Secret::new("p\"&#"));
        let reply = credentials(&site(Certificate::Trusted), &address, &password);
        assert_eq!(reply.body, r#"{"email":"ac1_x2345@hearth-1a2b.local","password":"p\"&#"}"#);
        let reply = credentials(&site(Certificate::SelfSigned), &address, &password);
        assert!(
            reply.body.contains("dclogin:ac1_x2345@hearth-1a2b.local?p=p%22%26%23&v=1"),
            "{}",
            reply.body
        );
        let reply = refused(&site(Certificate::Trusted), Format::Json, JoinRefusal::UsedUp);
        let expected = r#"{"reason":"This invite has been used already. Ask for a new one."}"#;
        assert_eq!((reply.status, reply.body.as_str()), (410, expected));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        for (line, allow) in
            [("DELETE /", "GET, HEAD"), ("PUT /new", "GET, HEAD, POST"), ("PUT /mxdeliv", "POST")]
        {
            let Route::Reply(reply) = ask(line, "localhost", Scheme::Https, true, Certificate::SelfSigned)
            else {
                panic!("a refusal")
            };
            assert_eq!((reply.status, reply.allow), (405, Some(allow)), "{line}");
        }
    }

    const TOKEN: &str = "ABCDEFGHIJKLMNOPQRSTUVWX";

    #[test]
    fn an_invite_is_redeemed_by_post_only() {
        let home = "hearth-1a2b.local";
        let with = |line: &str| format!("{line}?t={TOKEN}");
        let asked =
            |line: &str, expected, part: &str| check(line, home, Scheme::Https, false, expected, part);
        asked(&with("POST /new"), 200, "redeem for an app");
        asked(&with("POST /cgi-bin/newemail.py"), 200, "redeem for an app");
        asked(&with("POST /invite"), 200, "redeem for a person");
        asked(&with("GET /invite"), 200, "show");
        asked(&with("HEAD /invite"), 200, "show");
        asked(&with("GET /new"), 302, &with("/invite"));
        asked("POST /new?t=short", 403, "not known here");
        asked("POST /invite", 403, "by invite");
        asked("GET /invite", 403, "by invite");
        asked("GET /invite?t=short", 403, "not known here");
        check(
            &with("GET /invite"),
            home,
            Scheme::Http,
            false,
            301,
            &with("https://hearth-1a2b.local/invite"),
        );
        let Route::Reply(reply) = ask(&with("GET /new"), home, Scheme::Https, false, Certificate::Trusted)
        else {
            panic!("a redirect");
        };
        let expected = format!("DCACCOUNT:https://hearth-1a2b.local/new?t={TOKEN}");
        assert_eq!(reply.location, Some(expected));
    }

    #[test]
    fn the_page_of_an_invite_leads_into_the_app_or_asks_for_the_account() {
        let token = TOKEN.parse().unwrap();
        let page = |certificate| invitation(&site(certificate), &token, Ok(())).body;
        assert!(
            page(Certificate::Trusted)
                .contains(&format!("\"DCACCOUNT:https://hearth-1a2b.local/new?t={TOKEN}\""))
        );
        let own = page(Certificate::SelfSigned);
        assert!(own.contains(&format!("<form method=\"post\" action=\"/invite?t={TOKEN}\">")), "{own}");
        assert!(!own.contains("DCACCOUNT") && !own.contains("dclogin:"), "{own}");
        let refused = invitation(&site(Certificate::SelfSigned), &token, Err(JoinRefusal::Expired));
        assert_eq!(refused.status, 410);
        assert!(refused.body.contains("has expired") && !refused.body.contains("<form"), "{}", refused.body);
    }

    #[test]
    fn a_new_account_s_page_says_whether_it_comes_again() {
        let site = site(Certificate::SelfSigned);
        let made = || Ok(("ac1_x2345@hearth-1a2b.local".parse().unwrap(), Secret::new("p")));
        let (welcome, fresh) =
            (redeemed(&site, Format::Html, made()).body, minted(&site, Format::Html, made()).body);
        for page in [&welcome, &fresh] {
            let link = "href=\"dclogin:ac1_x2345@hearth-1a2b.local?p=p&amp;v=1&amp;ih=";
            assert!(page.contains(link), "{page}");
        }
        let words = |page: &str| (page.contains("shown only once"), page.contains("makes another code"));
        assert_eq!((words(&welcome), words(&fresh)), ((true, false), (false, true)));
    }

    #[test]
    fn the_privacy_page_names_the_push_service_while_there_is_one() {
        let mut site = site(Certificate::SelfSigned);
        let without = pages::privacy(&site);
        assert!(!without.contains("push"), "{without}");
        site.push_host = Some("push.example".into());
        let with = pages::privacy(&site);
        assert!(with.contains("push token") && with.contains("<code>push.example</code>"), "{with}");
    }
}
