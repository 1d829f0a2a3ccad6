//! Providers with everything in the query of a GET: dyndns2 and DuckDNS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns_update::{
    Applied, Changes, DnsProvider, ProviderSettings, Rdata, RecordSets, Remedy, ScheduleState, Step,
    UpdateError, UpdateSchedule,
};
use mail_types::{Secret, UnixTime};

use crate::{NOW, addresses, all, name, provider};
use test_support::http_server::{Reply, Request, Server};

/// A server that answers each request with the next of these texts, and the last one from then on.
async fn saying(texts: &'static [&'static str]) -> Server {
    let next = Mutex::new(texts.iter());
    Server::start(move |_| {
        let mut next = next.lock().unwrap();
        let text = next.next().or(texts.last()).unwrap();
        Reply::Answer(200, (*text).to_owned())
    })
    .await
}

fn dyndns2(server: &Server) -> ProviderSettings {
    let url = Secret::new(server.url("/nic/update"));
    let login = Some(("anna", Secret::new("hush")));
    ProviderSettings::dyndns2(name("home.example.org"), &url, login).unwrap()
}

#[tokio::test]
async fn dyndns2_sends_both_addresses_with_login_and_program() {
    let server = saying(&["good 8.8.4.4", "nochg 8.8.4.4"]).await;
    let client = provider(dyndns2(&server));
    let wanted = addresses("home.example.org", &["8.8.4.4", "2606:4700::1"]);
    assert_eq!(client.apply(&all(&wanted), NOW).await, Ok(Applied::default()));
    assert_eq!(client.apply(&all(&wanted), NOW).await, Ok(Applied::default()), "nochg is success");
    let requests = server.requests();
    let query = "/nic/update?hostname=home.example.org&myip=8.8.4.4&myipv6=2606%3A4700%3A%3A1";
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("GET", query));
    assert_eq!(requests[0].field("authorization"), "Basic YW5uYTpodXNo");
    assert_eq!(requests[0].field("user-agent"), concat!("Hearth/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn dyndns2_has_addresses_only_and_keeps_them() {
    let server = saying(&["good"]).await;
    let client = provider(dyndns2(&server));
    let mut wanted = addresses("home.example.org", &["8.8.4.4"]);
    wanted.insert(name("home.example.org"), Rdata::text("v=spf1 a ~all").unwrap());
    let applied = client.apply(&all(&wanted), NOW).await.unwrap();
    assert_eq!(applied.refused.len(), 1);
    let removal = Changes::between(&addresses("home.example.org", &["8.8.4.4"]), &RecordSets::default());
    assert_eq!(client.apply(&removal, NOW).await.unwrap_err().remedy(), Remedy::Records);
    let challenge = client.set_challenge(&name("_acme-challenge.home.example.org"), &["x"], NOW).await;
    assert_eq!(challenge.unwrap_err().remedy(), Remedy::Records);
    assert_eq!(server.requests().len(), 1);
}

/// Runs a schedule for some seconds, one address after another, and returns the number of requests.
async fn run(client: &DnsProvider, seconds: std::ops::Range<u64>, step: usize, change: u64) -> usize {
    let settings = client.settings();
    let mut schedule =
        UpdateSchedule::new(settings.limits(), settings.fingerprint(), ScheduleState::default());
    let mut sent = 0;
    for second in seconds.step_by(step) {
        let now = UnixTime(NOW.0 + second);
        let last = second / change % 250 + 1;
        let wanted = addresses(settings.name().as_str(), &[&format!("8.8.4.{last}")]);
        let Step::Send(changes) = schedule.next(now, &wanted) else { continue };
        schedule.begin(now);
        let result = client.apply(&changes, now).await;
        schedule.settle(now, 0, &changes, &result);
        sent += 1;
    }
    sent
}

#[tokio::test]
async fn dyndns2_is_asked_no_more_after_a_permanent_refusal() {
    for code in ["badauth", "nohost", "abuse", "badagent", "notfqdn", "numhost", "!donator"] {
        let server = Server::start(move |_| Reply::Answer(200, code.to_owned())).await;
        let client = provider(dyndns2(&server));
        assert_eq!(run(&client, 0..30 * 86_400, 3600, 3600).await, 1, "{code}");
    }
}

#[tokio::test]
async fn dyndns2_is_left_alone_for_half_an_hour_after_its_own_trouble() {
    for code in ["911", "dnserr"] {
        let server = Server::start(move |_| Reply::Answer(200, code.to_owned())).await;
        let client = provider(dyndns2(&server));
        assert_eq!(run(&client, 0..1790, 10, 600).await, 1, "{code}");
        assert_eq!(run(&client, 0..1810, 10, 600).await, 2, "{code}");
    }
}

#[tokio::test]
async fn dyndns2_is_asked_on_change_and_every_twenty_five_days() {
    let server = saying(&["good"]).await;
    let client = provider(dyndns2(&server));
    assert_eq!(run(&client, 0..100 * 86_400, 3600, u64::MAX).await, 4);
    assert_eq!(run(&client, 0..86_400, 60, 7200).await, 12);
}

#[tokio::test]
async fn an_update_url_of_another_form_is_filled_in() {
    let server = saying(&["OK"]).await;
    let url = Secret::new(server.url("/update/hush-token?n={name}&a={ipv4}&b={ipv6}"));
    let client = provider(ProviderSettings::dyndns2(name("home.example.org"), &url, None).unwrap());
    client.apply(&all(&addresses("home.example.org", &["2606:4700::1"])), NOW).await.unwrap();
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.target, "/update/hush-token?n=home.example.org&a=&b=2606%3A4700%3A%3A1");
    assert_eq!(request.field("authorization"), "");
}

/// DuckDNS as its page describes it.
#[derive(Default)]
struct Duck {
    four: Option<String>,
    six: Option<String>,
    text: String,
}

const DUCK_TOKEN: &str = "a7c4d0ad-114e-40ef-ba1d-d217904a50f2";

impl Duck {
    fn answer(&mut self, request: &Request) -> Reply {
        let given = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
        let known =
            given("domains").as_deref() == Some("home") && given("token").as_deref() == Some(DUCK_TOKEN);
        if !known {
            return Reply::Answer(200, "KO".to_owned());
        }
        let clears = given("clear").as_deref() == Some("true");
        match (request.parameter("txt"), clears) {
            (Some(_), true) => self.text.clear(),
            (Some(text), false) => self.text = text,
            (None, true) => (self.four, self.six) = (None, None),
            (None, false) => {
                if given("ip").is_some() || given("ipv6").is_none() {
                    // Without an address it takes the sender's.
                    self.four = given("ip").or(Some("the sender's".to_owned()));
                }
                self.six = given("ipv6").or(self.six.take());
            }
        }
        Reply::Answer(200, "OK".to_owned())
    }
}

async fn duck() -> (Server, Arc<Mutex<Duck>>) {
    let duck = Arc::new(Mutex::new(Duck::default()));
    let shared = Arc::clone(&duck);
    (Server::start(move |request| shared.lock().unwrap().answer(request)).await, duck)
}

fn duckdns(server: &Server, owner: &str, token: &str) -> ProviderSettings {
    ProviderSettings::duckdns(name(owner), &server.url(""), Secret::new(token)).unwrap()
}

#[tokio::test]
async fn duckdns_has_addresses_and_one_text() {
    let (server, duck) = duck().await;
    let client = provider(duckdns(&server, "home.duckdns.org", DUCK_TOKEN));
    let both = addresses("home.duckdns.org", &["8.8.4.4", "2606:4700::1"]);
    client.apply(&all(&both), NOW).await.unwrap();
    let six = addresses("home.duckdns.org", &["2606:4700::2"]);
    client.apply(&Changes::between(&both, &six), NOW).await.unwrap();
    {
        let duck = duck.lock().unwrap();
        assert_eq!((duck.four.as_deref(), duck.six.as_deref()), (None, Some("2606:4700::2")));
    }
    let challenge = name("_acme-challenge.home.duckdns.org");
    client.set_challenge(&challenge, &["a text-1_2"], NOW).await.unwrap();
    assert_eq!(duck.lock().unwrap().text, "a text-1_2");
    let two = client.set_challenge(&challenge, &["one", "two"], NOW).await.unwrap_err();
    assert_eq!(two.remedy(), Remedy::Records);
    client.set_challenge(&challenge, &[], NOW).await.unwrap();
    client.apply(&Changes::between(&six, &RecordSets::default()), NOW).await.unwrap();
    let duck = duck.lock().unwrap();
    assert_eq!((duck.text.as_str(), duck.six.as_deref()), ("", None));
}

#[tokio::test]
async fn duckdns_refuses_a_token_or_a_name() {
    let (server, _) = duck().await;
    for (owner, token) in [("home.duckdns.org", "wrong"), ("away.duckdns.org", DUCK_TOKEN)] {
        let client = provider(duckdns(&server, owner, token));
        let error = client.apply(&all(&addresses(owner, &["8.8.4.4"])), NOW).await.unwrap_err();
        assert!(matches!(error, UpdateError::Credentials(_)), "{error:?}");
    }
}

#[tokio::test]
async fn too_many_requests_are_no_reason_to_stop() {
    let server = Server::start(|_| Reply::RetryAfter(429, "120", "abuse".to_owned())).await;
    for settings in [dyndns2(&server), duckdns(&server, "home.duckdns.org", DUCK_TOKEN)] {
        let owner = settings.name().to_string();
        let error = provider(settings).apply(&all(&addresses(&owner, &["8.8.4.4"])), NOW).await;
        assert_eq!(error.unwrap_err(), UpdateError::TooMany(Duration::from_secs(120)));
    }
}
