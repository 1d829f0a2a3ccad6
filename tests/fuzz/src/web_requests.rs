//! Requests to the web: each has an answer of HTTP, text never becomes markup, the pairing code stays at home, and no
//! redirection leads elsewhere.

use ipc::control::NamingStatus;
use ipc::reachability::{Finding, FindingState};
use mail_types::Secret;
use relay_policy::{JoinRefusal, Registration};
use web::routes::{self, Reply, Route};
use web::{Certificate, Format, PageContext, Ports, Request, Scheme, Site, WebPorts};

use crate::split_first;

/// The link of the open pairing window.
const PAIRING_LINK: &str = "dclogin:pairing@box.test?p=secret&v=1";
/// The beginnings of all redirections.
const TARGETS: [&str; 4] =
    ["https://box.test/", "dcaccount:https://box.test/", "DCACCOUNT:https://box.test/", "/invite?t="];

/// A byte of circumstances, then three lines: method and target, `Host`, a text of the owner's.
pub(crate) fn requests(data: &[u8]) {
    let (bits, rest) = split_first(data);
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.splitn(3, '\n');
    let (line, host) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let words = lines.next().unwrap_or_default();
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    // What hyper takes for a path.
    if !path.starts_with('/') || path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return;
    }
    let request = Request {
        method,
        path,
        query,
        host,
        scheme: if bits & 1 == 0 { Scheme::Http } else { Scheme::Https },
        from_home: bits & 2 != 0,
        format: if bits & 4 == 0 { Format::Html } else { Format::Json },
    };
    let answers = answers(&request, &site(bits, words), words);
    for answer in &answers {
        check(answer);
    }
    assert!(request.from_home || answers.iter().all(|answer| !answer.body.contains("p=secret")));
    let plain = self::answers(&request, &site(bits, "x"), "x");
    for (answer, plain) in answers.iter().zip(&plain) {
        assert_eq!((answer.status, markup(answer)), (plain.status, markup(plain)), "text becomes markup");
    }
}

fn check(answer: &Reply) {
    assert!(
        [200, 301, 302, 400, 403, 404, 405, 410, 421, 429, 500, 503].contains(&answer.status),
        "{answer:?}"
    );
    assert_eq!(answer.allow.is_some(), answer.status == 405, "{answer:?}");
    assert_eq!(answer.location.is_some(), answer.status / 100 == 3, "{answer:?}");
    if let Some(location) = &answer.location {
        assert!(TARGETS.iter().any(|target| location.starts_with(target)), "{location} leads elsewhere");
    }
}

/// The characters that make markup, in a page; none in anything else.
fn markup(answer: &Reply) -> Option<String> {
    let is_page = answer.content_type.starts_with("text/html");
    is_page.then(|| answer.body.chars().filter(|character| "<>\"".contains(*character)).collect())
}

/// The state of a name in which everything is this text.
fn naming(words: &str) -> NamingStatus {
    let some = || Some(words.to_owned());
    NamingStatus {
        domain: words.to_owned(),
        certificate: words.to_owned(),
        records: some(),
        tunnel: some(),
        ports: some(),
        addresses: some(),
    }
}

/// The answers that a request can have, whatever the backend says.
fn answers(request: &Request<'_>, site: &Site, words: &str) -> Vec<Reply> {
    let made = || Ok(("ac1_x2345@box.test".parse().expect("an address"), Secret::new("p&\"<'")));
    let naming = request.from_home.then(|| naming(words));
    let context = &PageContext { site, status: status(words), naming };
    match routes::route(request, context) {
        Route::Reply(reply) => vec![reply],
        Route::MintCredentials(format) => {
            let refused = Err(JoinRefusal::CodeNeeded);
            vec![routes::minted(site, format, made()), routes::minted(site, format, refused)]
        }
        Route::ShowInvite(token) => {
            let refused = Err(JoinRefusal::UsedUp);
            vec![routes::invitation(site, &token, Ok(())), routes::invitation(site, &token, refused)]
        }
        Route::RedeemInvite(_, format) => {
            let refused = Err(JoinRefusal::TooManyGuesses);
            vec![routes::redeemed(site, format, made()), routes::redeemed(site, format, refused)]
        }
        Route::ShowNetwork | Route::LookAtNetwork => {
            assert!(request.from_home, "the network is shown elsewhere");
            let finding = Finding {
                subject: words.to_owned(),
                state: FindingState::Bad,
                sentence: words.to_owned(),
                advice: Some(words.to_owned()),
            };
            vec![routes::network(context, None), routes::network(context, Some(&[finding]))]
        }
        Route::AnswerChallenge(token) => {
            assert!(request.path.ends_with(token.as_str()) && !token.as_str().contains(['/', '.', '%']));
            vec![routes::challenge(None), routes::challenge(Some(format!("{token}.thumb")))]
        }
        Route::ReceiveMail => {
            let refused = Err(smtp::Reply::new(550, words));
            vec![routes::delivered(Ok(())), routes::delivered(refused)]
        }
    }
}

fn site(bits: u8, words: &str) -> Site {
    let (config, _) = config::examine("").expect("the default configuration");
    let mut about = config.about;
    about.comment = Some(words.to_owned());
    about.admin = Some(words.to_owned());
    Site {
        domain: "box.test".to_owned(),
        former_domains: (bits & 2 != 0).then(|| words.to_owned()).into_iter().collect(),
        certificate: if bits & 8 == 0 { Certificate::SelfSigned } else { Certificate::Trusted }.into(),
        endpoint: pairing::Endpoint { host: "192.0.2.1".to_owned(), imaps_port: 993, submissions_port: 465 },
        ports: Ports { imaps: 993, imap: 143, submissions: 465, submission: 587, https: 443 },
        web: WebPorts { http: Some(80), https: Some(443) },
        message_size: config.limits.message_size,
        quota: config.limits.quota,
        sends_per_minute: config.limits.send_rate.per_minute,
        registration: Registration::ALL[usize::from(bits >> 4 & 3)],
        expiry: config.expiry,
        about,
        push_host: (bits & 64 != 0).then(|| "push.example".to_owned()),
    }
}

fn status(words: &str) -> pairing::DisplayStatus {
    pairing::DisplayStatus {
        name: "box.test".to_owned(),
        addresses: vec![],
        led: pairing::LedState::PairingOpen,
        accounts: 1,
        version: words.to_owned(),
        troubles: vec![words.to_owned()],
        code: Some(pairing::PairingCode { link: PAIRING_LINK.to_owned(), closes: words.to_owned() }),
    }
}
