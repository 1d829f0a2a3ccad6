//! Certificates from Pebble, by all challenges, and its refusals.

use std::sync::Arc;

use acme::{Account, Authority, CertificateOrder, Issued, LocalChallenges, Optional};
use anyhow::{Context, Result, anyhow};
use hearth_tests::pebble::Pebble;
use relay_policy::certificate::{CertificateFailure, ChallengeKind, ChallengeToken};
use tls::{CertificateKey, Port443, Tickets, TlsSettings, self_signed};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

const NAME: &str = "box.test";

/// A server with the ports 443 and 80 of this test, and the authority that looks at them.
struct World {
    pebble: Pebble,
    tls: TlsSettings,
    local: LocalChallenges,
    _servers: JoinSet<()>,
}

impl World {
    async fn new() -> Result<Self> {
        let tickets = Arc::new(Tickets::new(&[0; 32], host::clock::wall));
        let (tls, _) = self_signed(&[NAME.to_owned()], None, tickets)?;
        let local = LocalChallenges { certificates: tls.challenges.clone(), ..LocalChallenges::default() };
        let (http, https) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let ports = (http.local_addr()?.port(), https.local_addr()?.port());
        let mut servers = JoinSet::new();
        servers.spawn(serve_http(http, local.clone()));
        servers.spawn(serve_https(https, tls.clone()));
        let pebble = tokio::task::spawn_blocking(move || Pebble::start(ports.0, ports.1)).await??;
        Ok(Self { pebble, tls, local, _servers: servers })
    }

    async fn account(&self) -> Result<Account> {
        let authority = Authority::new(self.pebble.directory(), self.pebble.client())?;
        Ok(authority.account(None, None).await.map_err(failed)?.0)
    }

    async fn order(
        &self,
        account: &Account,
        key: &CertificateKey,
        names: &[&str],
        challenge: ChallengeKind,
    ) -> Result<Issued, CertificateFailure> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let wish = CertificateOrder {
            names: &names,
            optional: Optional::Needed(&[]),
            key,
            challenge,
            profile: None,
            replaces: None,
        };
        account.order(&wish, &self.local).await
    }
}

fn failed(failure: CertificateFailure) -> anyhow::Error {
    anyhow!("{failure:?}")
}

async fn serve_http(listener: TcpListener, local: LocalChallenges) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that breaks off is of no interest.
        let _ = answer_http(stream, &local).await;
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
    for challenge in [ChallengeKind::Http01, ChallengeKind::TlsAlpn01] {
        let issued =
            world.order(&account, &key, &[NAME, "mta-sts.box.test"], challenge).await.map_err(failed)?;
        assert_eq!(issued.certificate.names(), [NAME, "mta-sts.box.test"]);
        assert!(world.tls.serve_issued(&issued.certificate, &key)?);
    }
    Ok(())
}
