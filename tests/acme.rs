//! Certificates from Pebble, by all challenges, and its refusals.

use std::sync::Arc;

use acme::{
    Account, Authority, BoxFuture, CertificateOrder, Challenge, ChallengeResponder, Issued, LocalChallenges,
    Optional,
};
use anyhow::{Context, Result, anyhow};
use hearth_tests::pebble::{BLOCKED, Pebble};
use relay_policy::certificate::{
    CertificateFailure, ChallengeKind, ChallengeToken, FailureKind, FailureSource,
};
use tls::{CertificateKey, Port443, Tickets, TlsSettings, self_signed};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

const NAME: &str = "box.test";
const SECOND: &str = "mta-sts.box.test";

/// A server with the ports 443 and 80 of this test, and the authority that looks at them.
struct World {
    pebble: Pebble,
    tls: TlsSettings,
    local: LocalChallenges,
    /// Notified whenever the authority has looked for an answer on port 80.
    asked: Arc<Notify>,
    servers: JoinSet<()>,
}

/// The ports 443 and 80, and the records of Pebble's name server.
struct Responder<'a> {
    local: &'a LocalChallenges,
    pebble: &'a Pebble,
}

impl ChallengeResponder for Responder<'_> {
    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<()>> {
        match challenge {
            Challenge::Dns01 { record, value, .. } => Box::pin(self.pebble.set_txt(record, value)),
            _ => self.local.present(challenge),
        }
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match challenge {
                Challenge::Dns01 { record, .. } => {
                    self.pebble.clear_txt(record).await.expect("the record is removed")
                }
                _ => self.local.withdraw(challenge).await,
            }
        })
    }

    fn forget(&self, challenge: &Challenge) {
        self.local.forget(challenge);
    }
}

impl World {
    async fn new() -> Result<Self> {
        let tickets = Arc::new(Tickets::new(&[0; 32], host::clock::wall));
        let (tls, _) = self_signed(&[NAME.to_owned()], None, tickets)?;
        let local = LocalChallenges { certificates: tls.challenges.clone(), ..LocalChallenges::default() };
        let (http, https) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let ports = (http.local_addr()?.port(), https.local_addr()?.port());
        let asked = Arc::new(Notify::new());
        let mut servers = JoinSet::new();
        servers.spawn(serve_http(http, local.clone(), Arc::clone(&asked)));
        servers.spawn(serve_https(https, tls.clone()));
        let pebble = tokio::task::spawn_blocking(move || Pebble::start(ports.0, ports.1)).await??;
        Ok(Self { pebble, tls, local, asked, servers })
    }

    fn authority(&self) -> Result<Authority> {
        Authority::new(self.pebble.directory(), self.pebble.client())
    }

    async fn account(&self) -> Result<Account> {
        Ok(self.authority()?.account(None, None).await.map_err(failed)?.0)
    }

    async fn order(
        &self,
        account: &Account,
        wish: &CertificateOrder<'_>,
    ) -> Result<Issued, CertificateFailure> {
        let result = account.order(wish, &Responder { local: &self.local, pebble: &self.pebble }).await;
        assert!(self.local.is_idle(), "an answer is still given");
        result
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn wish<'a>(names: &'a [String], key: &'a CertificateKey, challenge: ChallengeKind) -> CertificateOrder<'a> {
    let optional = Optional::Needed(&[]);
    CertificateOrder { names, optional, key, challenge, profile: None, replaces: None }
}

fn failed(failure: CertificateFailure) -> anyhow::Error {
    anyhow!("{failure:?}")
}

async fn serve_http(listener: TcpListener, local: LocalChallenges, asked: Arc<Notify>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that breaks off is of no interest.
        let _ = answer_http(stream, &local).await;
        asked.notify_one();
    }
}

async fn answer_http(mut stream: TcpStream, local: &LocalChallenges) -> Result<()> {
    let mut lines = BufReader::new(&mut stream).lines();
    let request = lines.next_line().await?.context("a request")?;
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let token = request.split(' ').nth(1).and_then(ChallengeToken::of_path);
    let answer = token.and_then(|token| local.answers.answer(&token));
    let (status, body) = answer.map_or(("404 Not Found", String::new()), |answer| ("200 OK", answer));
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    Ok(())
}

async fn serve_https(listener: TcpListener, tls: TlsSettings) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = answer_https(stream, &tls).await;
    }
}

async fn answer_https(stream: TcpStream, tls: &TlsSettings) -> Result<()> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let (Port443::Challenge(settings) | Port443::Service(settings)) = tls.port_443(&start.client_hello());
    start.into_stream(settings).await?.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn each_way_to_prove_a_name_leads_to_a_certificate() -> Result<()> {
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    for challenge in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01, ChallengeKind::Dns01] {
        let both = names(&[NAME, SECOND]);
        let issued = world.order(&account, &wish(&both, &key, challenge)).await.map_err(failed)?;
        assert_eq!(issued.certificate.names(), both);
        assert!(issued.certificate.issuer().starts_with("Pebble"), "{}", issued.certificate.issuer());
        assert!(world.tls.serve_issued(&issued.certificate, &key)?);
        assert!(world.tls.is_vouched_for());
    }
    Ok(())
}

#[tokio::test]
async fn an_address_is_certified_by_both_ports_but_not_by_records() -> Result<()> {
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let address = names(&["127.0.0.1"]);
    for challenge in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01] {
        // A profile that the authority does not offer is not asked for.
        let wish = CertificateOrder { profile: Some("shortlived"), ..wish(&address, &key, challenge) };
        let issued = world.order(&account, &wish).await.map_err(failed)?;
        assert_eq!(issued.certificate.names(), address);
    }
    let refused = world.order(&account, &wish(&address, &key, ChallengeKind::Dns01)).await.unwrap_err();
    assert_eq!((refused.kind, refused.source), (FailureKind::NotOffered, FailureSource::Here));
    assert_eq!(refused.challenge, Some(ChallengeKind::Dns01));
    Ok(())
}

#[tokio::test]
async fn three_renewals_keep_the_key_and_say_what_they_replace() -> Result<()> {
    let world = World::new().await?;
    let (_, kept) = world.authority()?.account(None, Some("mailto:owner@box.test")).await.map_err(failed)?;
    let key = CertificateKey::generate()?;
    let (pinned, kept_key) = (key.public_key(), key.to_pkcs8());
    let own = names(&[NAME]);
    let mut replaced: Option<String> = None;
    for _ in 0..4 {
        // As after a restart: account and key are those that were kept.
        let (account, new) = world.authority()?.account(kept.as_ref(), None).await.map_err(failed)?;
        assert!(new.is_none(), "another account was made");
        let key = CertificateKey::from_pkcs8(&kept_key)?;
        let wish =
            CertificateOrder { replaces: replaced.as_deref(), ..wish(&own, &key, ChallengeKind::TlsAlpn01) };
        let issued = world.order(&account, &wish).await.map_err(failed)?;
        assert!(issued.certificate.is_of(&key));
        world.tls.serve_issued(&issued.certificate, &key)?;
        let identifier = issued.certificate.renewal_identifier().context("an identifier")?;
        let advice = account.renewal_advice(&identifier).await.map_err(failed)?.context("advice")?;
        let (begins, expires) = (issued.certificate.begins(), issued.certificate.expires());
        assert!(begins < advice.start && advice.start < advice.end && advice.end < expires, "{advice:?}");
        replaced = Some(identifier);
    }
    assert_eq!(CertificateKey::from_pkcs8(&kept_key)?.public_key(), pinned);
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_replaced_already_is_no_obstacle() -> Result<()> {
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let own = names(&[NAME]);
    let first = world.order(&account, &wish(&own, &key, ChallengeKind::Http01)).await.map_err(failed)?;
    let identifier = first.certificate.renewal_identifier();
    for replaces in [identifier.as_deref(), identifier.as_deref(), Some("aaaa.bbbb"), Some("nonsense")] {
        let wish = CertificateOrder { replaces, ..wish(&own, &key, ChallengeKind::Http01) };
        world.order(&account, &wish).await.map_err(failed)?;
    }
    assert_eq!(account.renewal_advice("nonsense").await.unwrap_err().kind, FailureKind::Misunderstood);
    Ok(())
}

#[tokio::test]
async fn refusals_are_told_by_kind_and_in_the_authority_s_words() -> Result<()> {
    let mut world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let blocked = names(&[BLOCKED]);
    let refused = world.order(&account, &wish(&blocked, &key, ChallengeKind::Http01)).await.unwrap_err();
    assert_eq!((refused.kind, refused.source), (FailureKind::NameRejected, FailureSource::Authority));
    assert!(refused.words.contains("policy") || refused.words.contains(BLOCKED), "{refused:?}");
    // Nothing listens on the ports any more, as behind a router that passes nothing on.
    world.servers.shutdown().await;
    let own = names(&[NAME]);
    for (challenge, kind, words) in [
        (ChallengeKind::Http01, FailureKind::NoConnection, "refused"),
        // Pebble calls this `unauthorized`; other authorities know better.
        (ChallengeKind::TlsAlpn01, FailureKind::WrongAnswer, "Failed to connect"),
    ] {
        let refused = world.order(&account, &wish(&own, &key, challenge)).await.unwrap_err();
        assert_eq!((refused.kind, refused.challenge), (kind, Some(challenge)), "{refused:?}");
        assert_eq!(refused.names[0].name, NAME);
        assert!(refused.words.contains(words), "{refused:?}");
    }
    // Records are of use with every port shut.
    world.order(&account, &wish(&own, &key, ChallengeKind::Dns01)).await.map_err(failed)?;
    world.pebble.stop();
    let away = world.order(&account, &wish(&own, &key, ChallengeKind::Dns01)).await.unwrap_err();
    assert_eq!((away.kind, away.source), (FailureKind::Unavailable, FailureSource::Here));
    Ok(())
}

#[tokio::test]
async fn a_wrong_answer_is_not_a_certificate() -> Result<()> {
    /// Answers with something else.
    struct Liar<'a>(&'a LocalChallenges);
    impl ChallengeResponder for Liar<'_> {
        fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<()>> {
            Box::pin(async move {
                let lie = match challenge.clone() {
                    Challenge::TlsAlpn01 { name, .. } => Challenge::TlsAlpn01 { name, digest: [0; 32] },
                    Challenge::Http01 { name, token, .. } => {
                        Challenge::Http01 { name, token, key_authorization: "x".into() }
                    }
                    Challenge::Dns01 { .. } => return Ok(()),
                };
                self.0.present(&lie).await
            })
        }
        fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
            self.0.withdraw(challenge)
        }
        fn forget(&self, challenge: &Challenge) {
            self.0.forget(challenge);
        }
    }
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let own = names(&[NAME]);
    for (challenge, kind) in [
        (ChallengeKind::Http01, FailureKind::WrongAnswer),
        (ChallengeKind::TlsAlpn01, FailureKind::WrongAnswer),
        (ChallengeKind::Dns01, FailureKind::WrongAnswer),
    ] {
        let refused = account.order(&wish(&own, &key, challenge), &Liar(&world.local)).await.unwrap_err();
        assert_eq!((refused.kind, refused.challenge), (kind, Some(challenge)), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_optional_name_may_fail_alone() -> Result<()> {
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let (own, second) = (names(&[NAME]), names(&[SECOND]));
    world.pebble.forget_name(SECOND).await?;
    let wish = wish(&own, &key, ChallengeKind::Http01);
    let partly = CertificateOrder { optional: Optional::OrWithout(&second), ..wish };
    let issued = world.order(&account, &partly).await.map_err(failed)?;
    assert_eq!(issued.certificate.names(), own);
    let left_out: Vec<_> = issued.left_out.iter().map(|failure| failure.name.as_str()).collect();
    assert_eq!(left_out, [SECOND]);
    // Where such a certificate is there already, another one is of no use.
    let wholly = CertificateOrder { optional: Optional::Needed(&second), ..wish };
    let refused = world.order(&account, &wholly).await.unwrap_err();
    assert_eq!(refused.names.len(), 1, "{refused:?}");
    // The name that must be there fails: no second order.
    world.pebble.forget_name(NAME).await?;
    let refused = world.order(&account, &partly).await.unwrap_err();
    assert!(refused.names.iter().any(|failure| failure.name == NAME), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn an_order_that_was_cut_is_in_the_way_of_no_other() -> Result<()> {
    let world = World::new().await?;
    let account = world.account().await?;
    let key = CertificateKey::generate()?;
    let own = names(&[NAME]);
    for _ in 0..3 {
        let wish = wish(&own, &key, ChallengeKind::Http01);
        tokio::select! {
            _ = account.order(&wish, &world.local) => panic!("it ended before it was cut"),
            () = world.asked.notified() => {}
        }
        assert!(world.local.is_idle(), "a cut order is forgotten");
    }
    world.order(&account, &wish(&own, &key, ChallengeKind::Http01)).await.map_err(failed)?;
    Ok(())
}

#[tokio::test]
async fn an_account_that_is_not_known_any_more_is_told_and_another_made() -> Result<()> {
    let world = World::new().await?;
    let (_, kept) = world.authority()?.account(None, None).await.map_err(failed)?;
    let other = World::new().await?;
    // The same bytes, as if the authority at this URL had lost its accounts.
    let text = String::from_utf8(kept.context("a new account")?.expose().to_vec())?;
    let base = |world: &World| world.pebble.directory().trim_end_matches("dir").to_owned();
    let moved = text.replace(&base(&world), &base(&other));
    let moved = mail_types::Secret::new(moved);
    let (account, _) = other.authority()?.account(Some(&moved), None).await.map_err(failed)?;
    let key = CertificateKey::generate()?;
    let own = names(&[NAME]);
    let refused = other.order(&account, &wish(&own, &key, ChallengeKind::Http01)).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::AccountRefused, "{refused:?}");
    // Another authority's account, and bytes that are none, lead to a new one.
    for kept in [mail_types::Secret::new(text), mail_types::Secret::new("{}")] {
        let (account, new) = other.authority()?.account(Some(&kept), None).await.map_err(failed)?;
        assert!(new.is_some() && account.url().starts_with("https://127.0.0.1"), "{}", account.url());
    }
    Ok(())
}
