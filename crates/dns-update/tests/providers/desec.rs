//! deSEC: one token, and all records by themselves.

use std::time::Duration;

use dns_update::{
    Applied, Changes, DnsProvider, ProviderSettings, Rdata, RecordKind, RecordSet, RecordSets, Remedy,
    ScheduleState, Step, UpdateError, UpdateSchedule,
};
use mail_types::{Secret, UnixTime};

use crate::{NOW, addresses, all, name, provider};
use test_support::desec::{Desec, RESTRICTED, TOKEN};
use test_support::http_server::{Reply, Server};

fn settings(server: &Server, owner: &str, token: &str) -> ProviderSettings {
    ProviderSettings::desec(name(owner), &server.url("/api/v1/"), Secret::new(token)).unwrap()
}

fn client(desec: &Desec, owner: &str) -> DnsProvider {
    provider(settings(&desec.server, owner, TOKEN))
}

/// All records of a box.
fn wanted(owner: &str) -> RecordSets {
    let mut sets = addresses(owner, &["8.8.4.4", "2606:4700::1"]);
    let mut insert = |labels: &str, kind, text: &str| {
        let name = if labels.is_empty() { name(owner) } else { name(owner).below(labels).unwrap() };
        sets.insert(name, Rdata::parse(kind, text).unwrap());
    };
    insert("hearth._domainkey", RecordKind::Txt, &format!("v=DKIM1;k=rsa;p={}", "A".repeat(392)));
    insert("", RecordKind::Mx, &format!("10 {owner}."));
    insert("", RecordKind::Txt, "v=spf1 a ~all");
    insert("_dmarc", RecordKind::Txt, "v=DMARC1;p=reject;adkim=s;aspf=s");
    insert("_mta-sts", RecordKind::Txt, "v=STSv1; id=1");
    insert("mta-sts", RecordKind::Cname, &format!("{owner}."));
    insert("_imaps._tcp", RecordKind::Srv, &format!("0 1 993 {owner}."));
    insert("", RecordKind::Caa, "0 issue \"letsencrypt.org; accounturi=https://acme.example/1\"");
    insert("_25._tcp", RecordKind::Tlsa, &format!("3 1 1 {}", "ab".repeat(32)));
    sets
}

#[tokio::test]
async fn one_token_publishes_everything_and_follows_the_address() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    let (client, before) = (client(&desec, "home.dedyn.io"), wanted("home.dedyn.io"));
    assert_eq!(client.apply(&all(&before), NOW).await, Ok(Applied::default()));
    for (subname, kind, records) in [
        ("", "A", "60: 8.8.4.4"),
        ("", "AAAA", "60: 2606:4700::1"),
        ("", "MX", "3600: 10 home.dedyn.io."),
        ("", "TXT", "3600: \"v=spf1 a ~all\""),
        ("mta-sts", "CNAME", "3600: home.dedyn.io."),
        ("_imaps._tcp", "SRV", "3600: 0 1 993 home.dedyn.io."),
        ("", "CAA", "3600: 0 issue \"letsencrypt.org; accounturi=https://acme.example/1\""),
        ("_25._tcp", "TLSA", &format!("3600: 3 1 1 {}", "ab".repeat(32))),
    ] {
        assert_eq!(desec.records(subname, kind).as_deref(), Some(records), "{subname} {kind}");
    }
    let requests = desec.server.requests();
    let methods: Vec<&str> = requests.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["GET", "GET", "PATCH"]);
    assert!(requests[2].field("user-agent").starts_with("Hearth/"), "{:?}", requests[2]);

    let mut after = before.clone();
    after.set_addresses(&name("home.dedyn.io"), &["8.8.8.8".parse().unwrap()]);
    client.apply(&Changes::between(&before, &after), NOW).await.unwrap();
    assert_eq!(desec.records("", "A").as_deref(), Some("60: 8.8.8.8"));
    assert_eq!(desec.records("", "AAAA"), None);
    let requests = desec.server.requests();
    assert_eq!(requests.len(), 1);
    assert!(!requests[0].body.contains("MX"), "{}", requests[0].body);
}

#[tokio::test]
async fn a_name_below_a_domain_gets_the_times_that_the_domain_allows() {
    let desec = Desec::start("example.org", 3600).await;
    let client = client(&desec, "box.example.org");
    client.apply(&all(&wanted("box.example.org")), NOW).await.unwrap();
    assert_eq!(desec.records("box", "A").as_deref(), Some("3600: 8.8.4.4"));
    assert!(desec.records("_dmarc.box", "TXT").is_some());
}

#[tokio::test]
async fn texts_of_others_stay_and_an_old_spf_record_goes() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    desec.enter("", "TXT", "\"proof=of ownership\"");
    desec.enter("", "TXT", "\"v=spf1 -all\"");
    let (client, before) = (client(&desec, "home.dedyn.io"), wanted("home.dedyn.io"));
    client.apply(&all(&before), NOW).await.unwrap();
    assert_eq!(desec.records("", "TXT").as_deref(), Some("3600: \"proof=of ownership\", \"v=spf1 a ~all\""));
    client.apply(&Changes::between(&before, &RecordSets::default()), NOW).await.unwrap();
    assert!(desec.records("", "TXT").unwrap().ends_with(": \"proof=of ownership\""));
    assert_eq!(desec.records("", "MX"), None);
}

#[tokio::test]
async fn a_certificate_authority_is_answered_several_times_at_once() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    let client = client(&desec, "home.dedyn.io");
    let challenge = name("_acme-challenge.mta-sts.home.dedyn.io");
    client.set_challenge(&challenge, &["one", "two"], NOW).await.unwrap();
    let texts = desec.records("_acme-challenge.mta-sts", "TXT");
    assert_eq!(texts.as_deref(), Some("60: \"one\", \"two\""));
    client.set_challenge(&challenge, &[], NOW).await.unwrap();
    assert_eq!(desec.records("_acme-challenge.mta-sts", "TXT"), None);
    let foreign = client.set_challenge(&name("_acme-challenge.other.dedyn.io"), &["x"], NOW).await;
    assert_eq!(foreign.unwrap_err().remedy(), Remedy::Records);
}

#[tokio::test]
async fn a_refused_record_holds_up_no_other() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    desec.model.lock().unwrap().unknown_type = Some("TLSA");
    let applied = client(&desec, "home.dedyn.io").apply(&all(&wanted("home.dedyn.io")), NOW).await.unwrap();
    let [refused] = applied.refused.as_slice() else { panic!("{applied:?}") };
    assert_eq!(refused.set.kind, RecordKind::Tlsa);
    assert_eq!(refused.reason, "You cannot tinker with this RR type.");
    assert_eq!(desec.records("", "A").as_deref(), Some("60: 8.8.4.4"));
    let set = RecordSet::new(name("other.example"), RecordKind::A, Duration::ZERO, []);
    assert!(!client(&desec, "home.dedyn.io").settings().supports(&set));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    let fails = async |owner: &str, token: &str| {
        let client = provider(settings(&desec.server, owner, token));
        client.apply(&all(&addresses(owner, &["8.8.4.4"])), NOW).await.unwrap_err()
    };
    assert!(matches!(fails("home.dedyn.io", "wrong").await, UpdateError::Credentials(_)));
    let restricted = fails("home.dedyn.io", RESTRICTED).await;
    assert!(restricted.to_string().contains("Insufficient token permissions"), "{restricted}");
    let unknown = fails("away.dedyn.io", TOKEN).await;
    assert!(matches!(&unknown, UpdateError::NoSuchName(words) if words.contains("away.dedyn.io")));

    let client = client(&desec, "home.dedyn.io");
    let changes = all(&addresses("home.dedyn.io", &["8.8.4.4"]));
    client.apply(&changes, NOW).await.unwrap();
    client.apply(&changes, NOW).await.unwrap();
    // The third write within a second of the model.
    let busy = client.apply(&changes, NOW).await.unwrap_err();
    assert_eq!(busy, UpdateError::TooMany(Duration::from_secs(57)));
}

#[tokio::test]
async fn a_domain_that_was_moved_is_looked_for_again() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    let client = client(&desec, "box.home.dedyn.io");
    let changes = all(&addresses("box.home.dedyn.io", &["8.8.4.4"]));
    client.apply(&changes, NOW).await.unwrap();
    let moved = desec.model.lock().unwrap().domains.remove("home.dedyn.io").unwrap();
    let gone = client.apply(&changes, NOW).await.unwrap_err();
    assert!(matches!(gone, UpdateError::NoSuchName(_)), "{gone:?}");
    desec.model.lock().unwrap().domains.insert("box.home.dedyn.io".to_owned(), moved);
    client.apply(&changes, NOW).await.unwrap();
    assert_eq!(desec.records("", "A").as_deref(), Some("60: 8.8.4.4"));
}

#[tokio::test(start_paused = true)]
async fn odd_answers_end_within_limits() {
    for (reply, temporary) in [
        (Reply::Answer(200, "<html>Welcome</html>".to_owned()), true),
        (Reply::Answer(200, "[[[[".repeat(100_000)), true),
        (Reply::Answer(502, "Bad Gateway".to_owned()), true),
        (Reply::RetryAfter(503, "Sun, 06 Nov 2394 08:49:37 GMT", String::new()), true),
        (Reply::Answer(302, String::new()), false),
        (Reply::Endless("[{},"), true),
        (Reply::Noise, true),
        (Reply::Silence, true),
    ] {
        let shown = format!("{reply:?}");
        let server = Server::start(move |_| reply.clone()).await;
        let client = provider(settings(&server, "home.dedyn.io", TOKEN));
        let error = client.apply(&all(&addresses("home.dedyn.io", &["8.8.4.4"])), NOW).await.unwrap_err();
        let waits = matches!(error.remedy(), Remedy::Wait(_) | Remedy::Network);
        assert_eq!(waits, temporary, "{:.40}: {error:?}", shown);
        assert!(error.to_string().chars().count() < 500, "{error}");
    }
}

/// A box whose address changes every twenty seconds for a day, and that restarts now and then in the middle of a request.
#[tokio::test]
async fn a_wild_day_is_never_throttled() {
    let desec = Desec::start("home.dedyn.io", 60).await;
    let settings = settings(&desec.server, "home.dedyn.io", TOKEN);
    let client = provider(settings.clone());
    let start = |state| UpdateSchedule::new(settings.limits(), settings.fingerprint(), state);
    let (mut schedule, mut updates) = (start(ScheduleState::default()), 0);
    for second in (0..86_400).step_by(20) {
        desec.model.lock().unwrap().now = second + 86_400;
        let now = UnixTime(NOW.0 + second);
        let wanted = addresses("home.dedyn.io", &[&format!("8.8.{}.{}", second / 250 % 250, second % 250)]);
        let Step::Send(changes) = schedule.next(now, &wanted) else { continue };
        schedule.begin(now);
        let kept = serde_json::to_string(schedule.state()).unwrap();
        let result = client.apply(&changes, now).await;
        updates += 1;
        if second % 140 == 0 {
            schedule = start(serde_json::from_str(&kept).unwrap());
        } else {
            schedule.settle(now, 0, &changes, &result);
        }
        assert_eq!(schedule.error(), None);
    }
    assert_eq!(desec.model.lock().unwrap().throttled, 0);
    assert_eq!(updates, 100, "two thirds of half of what is allowed");
}
