//! Lookups against name servers that answer well, badly and not at all.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod answerer;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns::{AuthoritativeServer, LookupError, MailHosts, RecordKind, Resolver, Servers};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use host::clock;

use answerer::{Answerer, Question, Reply, record, resolver, settings};

/// A server with some records, NXDOMAIN for all other names, and no data for other types.
async fn zone(records: &'static [(&str, &str, &str)]) -> Answerer {
    Answerer::start(move |question| answer_from(records, question)).await
}

fn answer_from(records: &[(&str, &str, &str)], question: &Question) -> Reply {
    let kind = question.kind.to_string();
    let mut name = question.name.clone();
    let mut answers = Vec::new();
    // As a recursive server does: the aliases on the way, then the records.
    while let Some((_, _, target)) =
        records.iter().find(|(owner, kind, _)| *owner == name && *kind == "CNAME")
    {
        answers.push(record(&name, 60, "CNAME", target));
        name = target.trim_end_matches('.').to_owned();
        if answers.len() > 20 {
            break;
        }
    }
    let own = records.iter().filter(|(owner, of, _)| *owner == name && *of == kind);
    answers.extend(own.map(|(owner, kind, data)| record(owner, 60, kind, data)));
    let exists = records.iter().any(|(owner, _, _)| *owner == name || owner.ends_with(&format!(".{name}")));
    match (answers.is_empty(), exists) {
        (false, _) => Reply::Records(answers),
        (true, true) => Reply::Code(ResponseCode::NoError),
        (true, false) => Reply::Code(ResponseCode::NXDomain),
    }
}

fn hosts(names: &[&str]) -> Result<MailHosts, LookupError> {
    Ok(MailHosts::Hosts(names.iter().map(|name| (*name).to_owned()).collect()))
}

fn ips(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, LookupError>) -> String {
    match answer {
        Err(LookupError::Unavailable(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mail_hosts_are_sorted_and_implicit_without_a_record() {
    let server = zone(&[
        ("some.test", "MX", "20 c.test."),
        ("some.test", "MX", "10 B.test."),
        ("some.test", "MX", "10 a.test."),
        ("some.test", "MX", "30 a.test."),
        ("some.test", "MX", "5 ."),
        ("none.test", "A", "192.0.2.1"),
        ("null.test", "MX", "0 ."),
        ("odd.test", "MX", "10 a\\.b.test."),
        ("odd.test", "MX", "10 localhost."),
        ("alias.test", "CNAME", "some.test."),
    ])
    .await;
    let resolver = server.resolver();
    assert_eq!(resolver.mail_hosts("Some.Test").await, hosts(&["a.test", "b.test", "c.test"]));
    assert_eq!(resolver.mail_hosts("none.test.").await, hosts(&["none.test"]));
    assert_eq!(resolver.mail_hosts("null.test").await, Ok(MailHosts::Null));
    assert_eq!(resolver.mail_hosts("odd.test").await, Err(LookupError::NoData));
    assert_eq!(resolver.mail_hosts("alias.test").await, hosts(&["a.test", "b.test", "c.test"]));
    assert_eq!(resolver.mail_hosts("absent.test").await, Err(LookupError::NoSuchDomain));
    // Nobody is asked about what is no name.
    let asked = server.questions();
    for name in ["", "a b.test", "localhost", "x.localhost."] {
        assert_eq!(resolver.mail_hosts(name).await, Err(LookupError::NoSuchDomain));
    }
    assert_eq!(server.questions(), asked);
}

#[tokio::test]
async fn addresses_of_both_families_take_turns() {
    let server = zone(&[
        ("both.test", "A", "192.0.2.1"),
        ("both.test", "A", "192.0.2.2"),
        ("both.test", "A", "192.0.2.3"),
        ("both.test", "AAAA", "2001:db8::1"),
        ("four.test", "A", "192.0.2.4"),
        ("four.test", "A", "0.0.0.0"),
        ("four.test", "A", "224.0.0.1"),
        ("bad.test", "AAAA", "::"),
        ("neither.test", "TXT", "x"),
    ])
    .await;
    let resolver = server.resolver();
    let both = ips(&["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert_eq!(resolver.addresses("both.test").await, Ok(both));
    assert_eq!(resolver.addresses("four.test").await, Ok(ips(&["192.0.2.4"])));
    assert_eq!(resolver.addresses("bad.test").await, Err(LookupError::NoData));
    assert_eq!(resolver.addresses("neither.test").await, Err(LookupError::NoData));
    assert_eq!(resolver.addresses("absent.test").await, Err(LookupError::NoSuchDomain));
}

#[tokio::test]
async fn one_broken_family_does_not_hide_the_other() {
    let server = Answerer::start(|question| match (question.kind, question.name.as_str()) {
        (RecordType::AAAA, _) => Reply::Code(ResponseCode::ServFail),
        (_, "four.test") => Reply::Records(vec![record("four.test", 60, "A", "192.0.2.4")]),
        _ => Reply::Code(ResponseCode::NoError),
    })
    .await;
    assert_eq!(server.resolver().addresses("four.test").await, Ok(ips(&["192.0.2.4"])));
    assert!(unavailable(server.resolver().addresses("neither.test").await).contains("Failure"));
}

#[tokio::test]
async fn strings_of_a_text_are_joined_and_long_ones_come_by_tcp() {
    let long = "k".repeat(200);
    let strings = vec!["v=DKIM1; p=".to_owned(), long.clone(), long.clone()];
    let server = Answerer::start(move |question| {
        let text = |strings| {
            let name = Name::from_ascii(format!("{}.", question.name)).unwrap();
            Record::from_rdata(name, 60, RData::TXT(TXT::new(strings)))
        };
        match question.name.as_str() {
            "short.test" => Reply::Records(vec![text(strings.clone())]),
            "long.test" => Reply::Records((0..70).map(|_| text(strings.clone())).collect()),
            // 64 kB, as much as a message can have.
            _ => Reply::Records(vec![text(vec!["x".repeat(255); 255])]),
        }
    })
    .await;
    let resolver = server.resolver();
    let joined = format!("v=DKIM1; p={long}{long}");
    assert_eq!(resolver.texts("short.test").await, Ok(vec![joined.clone()]));
    assert_eq!(server.questions(), 1);
    assert_eq!(resolver.texts("long.test").await, Ok(vec![joined; 64]));
    assert_eq!(server.questions(), 3, "once more over TCP");
    assert_eq!(resolver.texts("huge.test").await, Ok(Vec::new()));
}

#[tokio::test]
async fn many_records_are_bounded() {
    let server = Answerer::start(|question| {
        let name = &question.name;
        let mx = |n: u16| record(name, 60, "MX", &format!("{} m{n:04}.", n % 7));
        let a = |n: u16| record(name, 60, "A", &format!("10.0.{}.{}", n / 256, n % 256));
        Reply::Records(match question.kind {
            RecordType::MX => (0..2000).map(mx).collect(),
            _ => (1..2000).map(a).collect(),
        })
    })
    .await;
    let resolver = server.resolver();
    assert_eq!(resolver.addresses("many.test").await.unwrap().len(), 8);
    let MailHosts::Hosts(names) = resolver.mail_hosts("many.test").await.unwrap() else { panic!() };
    assert_eq!(names.len(), 10);
    assert_eq!(names[..2], ["m0000", "m0007"]);
}

#[tokio::test]
async fn failures_are_temporary_and_say_what_happened() {
    let server = Answerer::start(|question| match question.name.as_str() {
        "servfail.test" => Reply::Code(ResponseCode::ServFail),
        "refused.test" => Reply::Code(ResponseCode::Refused),
        "formerr.test" => Reply::Code(ResponseCode::FormErr),
        "referral.test" => Reply::Referral,
        "forged.test" => Reply::AfterForgery(vec![record("forged.test", 60, "TXT", "right")]),
        "stranger.test" => Reply::Records(vec![record("other.test", 60, "TXT", "wrong")]),
        "loop.test" => Reply::Records(vec![
            record("loop.test", 60, "CNAME", "pool.test."),
            record("pool.test", 60, "CNAME", "loop.test."),
        ]),
        name => panic!("{name}"),
    })
    .await;
    let resolver = server.resolver();
    for (name, reason) in [
        ("servfail.test", "Failure"),
        ("refused.test", "efused"),
        ("formerr.test", "Error"),
        ("referral.test", "not responsible"),
    ] {
        let told = unavailable(resolver.texts(name).await);
        assert!(told.contains(reason), "{name}: {told}");
    }
    assert_eq!(resolver.texts("forged.test").await, Ok(vec!["right".to_owned()]));
    resolver.texts("stranger.test").await.unwrap_err();
    resolver.texts("loop.test").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn silence_and_garbage_end_in_time_and_are_remembered() {
    let server = Answerer::start(|question| match question.name.as_str() {
        "silence.test" => Reply::Silence,
        "garbage.test" => Reply::Raw(vec![0xc0; 700]),
        _ => Reply::Raw(Vec::new()),
    })
    .await;
    let resolver = server.resolver();
    for name in ["silence.test", "garbage.test", "empty.test"] {
        // Virtual time: the runtime moves it when there is nothing to do.
        let answer =
            tokio::time::timeout(dns::LOOKUP_LIMIT + Duration::from_secs(1), resolver.texts(name)).await;
        unavailable(answer.expect("an end in time"));
        let asked = server.questions();
        unavailable(resolver.texts(name).await);
        assert_eq!(server.questions(), asked, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_questions_without_answers_take_turns_and_end_in_time() {
    let server = Answerer::start(|_| Reply::Silence).await;
    let resolver = server.resolver();
    let mut lookups = tokio::task::JoinSet::new();
    for number in 0..600 {
        let resolver = resolver.clone();
        lookups.spawn(async move { resolver.texts(&format!("n{number}.test")).await });
    }
    let limit = dns::LOOKUP_LIMIT + Duration::from_secs(1);
    let answers = tokio::time::timeout(limit, lookups.join_all()).await.expect("an end in time");
    for answer in answers {
        unavailable(answer);
    }
}

#[tokio::test]
async fn answers_and_absence_are_kept() {
    let server =
        zone(&[("a.test", "TXT", "one"), ("a.test", "MX", "1 m.test."), ("a.test", "A", "192.0.2.1")]).await;
    let resolver = server.resolver();
    for _ in 0..3 {
        resolver.texts("a.test").await.unwrap();
        resolver.mail_hosts("A.test.").await.unwrap();
        resolver.addresses("a.test").await.unwrap();
        resolver.texts("absent.test").await.unwrap_err();
    }
    assert_eq!(server.questions(), 5);
    // Clones share what is kept; it is too fresh to be forgotten.
    resolver.clone().texts("a.test").await.unwrap();
    assert!(!resolver.forget("a.test"));
    assert_eq!(server.questions(), 5);
}

#[tokio::test]
async fn extreme_lifetimes_are_taken_for_ordinary_ones() {
    let server = Answerer::start(|question| {
        let ttl = if question.name == "zero.test" { 0 } else { 1 << 31 };
        Reply::Records(vec![record(&question.name, ttl, "TXT", "x")])
    })
    .await;
    let resolver = server.resolver();
    for name in ["zero.test", "zero.test", "for-ever.test", "for-ever.test"] {
        assert_eq!(resolver.texts(name).await, Ok(vec!["x".to_owned()]));
    }
    assert_eq!(server.questions(), 2);
}

#[tokio::test]
async fn a_second_server_answers_where_the_first_does_not_exist() {
    let gone = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let good = zone(&[("a.test", "TXT", "one")]).await;
    assert_eq!(resolver(&[gone, good.address]).texts("a.test").await, Ok(vec!["one".to_owned()]));
}

#[tokio::test]
async fn one_server_is_asked_for_its_own_knowledge_without_keeping_it() {
    let recursion = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&recursion);
    let server = Answerer::start(move |question| {
        seen.lock().unwrap().push(question.recursion);
        Reply::Records(vec![record(&question.name, 60, "TXT", "x")])
    })
    .await;
    let resolver = server.resolver();
    resolver.texts("a.test").await.unwrap();
    let direct = resolver.at_server(server.address).unwrap();
    direct.texts("a.test").await.unwrap();
    direct.texts("a.test").await.unwrap();
    assert_eq!(*recursion.lock().unwrap(), [true, false, false]);
    assert_eq!(direct.tlsa("_25._tcp.a.test").await, Ok(Vec::new()));
}

#[tokio::test]
async fn the_zone_of_a_name_and_its_servers_are_found() {
    let server = zone(&[
        ("test", "NS", "ns.root.test."),
        ("home.test", "NS", "ns2.home.test."),
        ("home.test", "NS", "ns1.home.test."),
        ("ns1.home.test", "A", "192.0.2.1"),
        ("www.home.test", "CNAME", "other.test."),
        ("other.test", "NS", "wrong.test."),
        ("a.b.home.test", "TXT", "x"),
    ])
    .await;
    let resolver = server.resolver();
    let expected = Ok(vec![
        AuthoritativeServer { name: "ns1.home.test".to_owned(), addresses: ips(&["192.0.2.1"]) },
        AuthoritativeServer { name: "ns2.home.test".to_owned(), addresses: Vec::new() },
    ]);
    for name in ["home.test", "a.b.home.test", "absent.home.test", "www.home.test"] {
        assert_eq!(resolver.authoritative_servers(name).await, expected, "{name}");
    }
    assert_eq!(resolver.authoritative_servers("home.example").await, Err(LookupError::NoSuchDomain));
}

#[tokio::test]
async fn records_are_shown_as_a_zone_file_has_them() {
    let server = zone(&[
        ("a.test", "MX", "10 b.test."),
        ("a.test", "TXT", "\"v=spf1 a\" \" ~all\""),
        ("a.test", "A", "192.0.2.2"),
        ("a.test", "A", "192.0.2.1"),
        ("a.test", "CAA", "0 issue \"ca.test\""),
        ("_imaps._tcp.a.test", "SRV", "0 1 993 a.test."),
        ("www.a.test", "CNAME", "a.test."),
    ])
    .await;
    let resolver = server.resolver();
    for (name, kind, expected) in [
        ("a.test", RecordKind::Mx, &["10 b.test."][..]),
        ("a.test", RecordKind::Txt, &["v=spf1 a ~all"]),
        ("www.a.test", RecordKind::A, &["192.0.2.1", "192.0.2.2"]),
        ("a.test", RecordKind::Caa, &["0 issue \"ca.test\""]),
        ("_imaps._tcp.a.test", RecordKind::Srv, &["0 1 993 a.test."]),
        ("www.a.test", RecordKind::Cname, &["a.test."]),
    ] {
        let shown = resolver.records(name, kind).await.unwrap();
        assert_eq!(shown, expected, "{name} {kind:?}");
    }
    assert_eq!(resolver.records("a.test", RecordKind::Aaaa).await, Err(LookupError::NoData));
}

#[tokio::test(start_paused = true)]
async fn name_servers_are_those_of_the_file_as_it_is_now() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("resolv.conf");
    let resolver = Resolver::new(settings(Servers::ResolvConf(path.clone()))).unwrap();
    let reason = unavailable(resolver.texts("a.test").await);
    assert_eq!(reason, "the network has named no name server yet");
    // No test has port 53, but one can see that another server is asked, and that the failure was forgotten.
    std::fs::write(&path, "nameserver 127.255.255.254\n").unwrap();
    let deadline = clock::now() + Duration::from_secs(20);
    while unavailable(resolver.texts("b.test").await) == reason {
        assert!(clock::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_list_without_servers_is_an_error() {
    let error = Resolver::new(settings(Servers::Listed(Vec::new()))).unwrap_err();
    assert!(error.to_string().contains("name at least one"), "{error}");
}
