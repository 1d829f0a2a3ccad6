//! No secret is in an error or a debug text, even when the provider sends it back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dns_update::{DnsProvider, ProviderSettings, TsigAlgorithm};
use mail_types::Secret;

use crate::{NOW, addresses, all, name, provider};
use test_support::http_server::{Reply, Server};

/// A secret with characters that URLs encode.
const SECRET: &str = "hush+hush/hush==";

/// The forms in which it may appear.
fn forms() -> [String; 4] {
    let login = STANDARD.encode(format!("anna:{SECRET}"));
    [SECRET.to_owned(), "hush%2Bhush%2Fhush%3D%3D".to_owned(), "hush%2Bhush".to_owned(), login]
}

fn by_http(server: &Server) -> Vec<DnsProvider> {
    let owner = || name("home.duckdns.org");
    let secret = || Secret::new(SECRET);
    let encoded = "hush%2Bhush%2Fhush%3D%3D";
    let settings = [
        ProviderSettings::desec(owner(), &server.url(""), secret()),
        ProviderSettings::duckdns(owner(), &server.url(""), secret()),
        ProviderSettings::dyndns2(owner(), &Secret::new(server.url("/u")), Some(("anna", secret()))),
        ProviderSettings::dyndns2(owner(), &Secret::new(server.url(&format!("/{encoded}/u"))), None),
        ProviderSettings::dyndns2(
            owner(),
            &Secret::new(server.url(&format!("/u?t={encoded}&n={{name}}"))),
            None,
        ),
    ];
    settings.into_iter().map(|settings| provider(settings.unwrap())).collect()
}

fn by_dns(server: &Server) -> DnsProvider {
    let secret = Secret::new(STANDARD.encode(SECRET));
    let key = ("key.example", TsigAlgorithm::HmacSha256, &secret);
    let owner = name("home.duckdns.org");
    provider(ProviderSettings::rfc2136(owner, &server.address.to_string(), None, key).unwrap())
}

async fn check(providers: Vec<DnsProvider>) {
    let changes = all(&addresses("home.duckdns.org", &["8.8.4.4"]));
    for provider in providers {
        let updated = provider.apply(&changes, NOW).await;
        let answered = provider.set_challenge(&name("_acme-challenge.home.duckdns.org"), &["x"], NOW).await;
        let shown = format!(
            "{provider:?} {updated:?} {answered:?} {} {}",
            updated.as_ref().map_or_else(ToString::to_string, |_| String::new()),
            answered.as_ref().map_or_else(ToString::to_string, |()| String::new())
        );
        for form in forms() {
            assert!(!shown.contains(&form), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_sends_everything_back_gives_nothing_away() {
    for status in [200, 301, 400, 401, 403, 404, 429, 500] {
        let echo = Server::start(move |request| {
            let fields = request.header.iter().map(|(name, value)| format!("{name}: {value}\n"));
            let body = format!("refused: {}\n{}", request.target, fields.collect::<String>());
            let quoted = serde_json::Value::String(body.clone());
            match request.method.as_str() {
                // In JSON, for deSEC.
                "GET" if request.target.starts_with("/domains") && status != 200 => {
                    Reply::Answer(status, format!("{{\"detail\": {quoted}}}"))
                }
                _ => Reply::Answer(status, body),
            }
        })
        .await;
        check(by_http(&echo)).await;
        assert!(echo.requests().len() > 5);
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_gives_nothing_away() {
    for reply in [Reply::Silence, Reply::Noise] {
        let server = Server::start(move |_| reply.clone()).await;
        check(by_http(&server)).await;
        check(vec![by_dns(&server)]).await;
    }
    let gone = {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        server.local_addr().unwrap()
    };
    let mut server = Server::start(|_| Reply::Silence).await;
    server.address = gone;
    check(by_http(&server)).await;
    check(vec![by_dns(&server)]).await;
}
