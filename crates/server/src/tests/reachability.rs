//! Records and network, as the owner asks about them over the control socket; and the change of keys.

use ipc::control::{Request, Response};
use ipc::reachability::{DomainRecord, DomainRecords, Finding, FindingState};

use crate::federation::outbound::Peers;
use crate::tests::harness::TestServer;
use crate::tests::name_server::NameServer;
use crate::tests::operation::control;
use crate::tests::peer::{Peer, listen};

const KEY: &str = "hearth._domainkey.chat.test";

async fn ask(server: &TestServer, request: Request) -> Response {
    serde_json::from_str(&control(server, request).await).unwrap()
}

/// A server whose names this name server has.
async fn start(names: &NameServer, peers: Peers) -> TestServer {
    let configuration =
        format!("federation.outbound = \"all\"\ndns = {{ servers = [\"{}\"] }}", names.address);
    TestServer::start_among(&configuration, Peers { names: names.address.port(), ..peers }).await
}

async fn names() -> NameServer {
    NameServer::start(&[
        ("chat.test", "NS", "ns.chat.test."),
        ("ns.chat.test", "A", "127.0.0.1"),
        ("chat.test", "A", "203.0.113.7"),
    ])
    .await
}

async fn records(server: &TestServer, check: bool) -> DomainRecords {
    match ask(server, Request::Dns { check }).await {
        Response::Dns(records) => records,
        other => panic!("{other:?}"),
    }
}

/// The judgement of the record with this name and type, the first one of several.
async fn judged(server: &TestServer, relative: &str, kind: &str) -> (FindingState, String) {
    let DomainRecords { records, notes, .. } = records(server, true).await;
    let record = records.into_iter().find(|record| record.relative == relative && record.kind == kind);
    let Some(DomainRecord { published: Some(published), .. }) = record else {
        panic!("{relative} {kind} was not looked at: {notes:?}")
    };
    (published.state, published.sentence)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_listed_and_compared_at_the_authoritative_servers() {
    let names = names().await;
    let server = start(&names, Peers::default()).await;
    let list = records(&server, false).await;
    assert!(list.notes[0].contains("no name of the internet"), "{:?}", list.notes);
    let key = list.records.iter().find(|record| record.name == KEY).unwrap();
    assert!(key.value.starts_with("v=DKIM1;k=rsa;") && key.published.is_none(), "{key:?}");
    assert_eq!(list.records.iter().filter(|record| record.kind == "SRV").count(), 2);
    assert!(!list.records.iter().any(|record| record.name.contains("mta-sts")), "a self-signed certificate");

    let relative = "hearth._domainkey";
    assert_eq!(judged(&server, "@", "A").await.0, FindingState::Good);
    assert_eq!(judged(&server, relative, "TXT").await.0, FindingState::Bad);
    names.add(KEY, "TXT", &key.value);
    assert_eq!(judged(&server, relative, "TXT").await, (FindingState::Good, "It has the key.".to_owned()));
    names.add(KEY, "TXT", "v=DKIM1;p=AAAA");
    assert!(judged(&server, relative, "TXT").await.1.contains("2 records"));
    names.remove(KEY, "TXT");
    // The record of a provider's zone, by an alias.
    names.add(KEY, "CNAME", "key.provider.test.");
    names.add("key.provider.test", "TXT", &key.value);
    assert_eq!(judged(&server, relative, "TXT").await.0, FindingState::Good);
    names.add("chat.test", "MX", "10 mx.elsewhere.test.");
    assert!(judged(&server, "@", "MX").await.1.contains("goes there, and not here"));
    for text in ["v=spf1 a -all", "v=spf1 -all"] {
        names.add("chat.test", "TXT", text);
    }
    assert!(judged(&server, "@", "TXT").await.1.contains("2 SPF records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_the_records_are_listed_all_the_same() {
    let configuration = "dns = { servers = [\"127.0.0.1:9\"] }";
    let server = TestServer::start(configuration).await;
    let list = records(&server, true).await;
    assert!(list.notes.iter().any(|note| note.contains("not known")), "{:?}", list.notes);
    assert!(list.records.len() > 4 && list.records.iter().all(|record| record.published.is_none()));
    let server = server.restart("domain = \"[192.0.2.1]\"").await;
    let refused = ask(&server, Request::Dns { check: true }).await;
    assert!(matches!(&refused, Response::Refused(reason) if reason.contains("is an address")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_key_signs_when_its_record_is_seen() {
    let names = names().await;
    let server = start(&names, Peers::default()).await;
    let next = match ask(&server, Request::RotateKey).await {
        Response::NextKey(name) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&server, Request::RotateKey).await, Response::NextKey(next.clone()), "one at a time");
    let keys = async || -> Vec<DomainRecord> {
        let records = records(&server, false).await.records.into_iter();
        records.filter(|record| record.name.contains("._domainkey.")).collect()
    };
    let before = keys().await;
    assert_eq!((before[0].name.as_str(), &before[1].name), (KEY, &next));
    names.add(&next, "TXT", &before[0].value);
    server.reachability().look_after_keys_now().await;
    assert_eq!(keys().await, before, "a record with another key is none");
    names.remove(&next, "TXT");
    names.add(&next, "TXT", &before[1].value);
    server.reachability().look_after_keys_now().await;
    let after = keys().await;
    assert_eq!((&after[0].name, after[1].name.as_str()), (&next, KEY));
    assert!(after[1].why.contains("7 days more"), "{:?}", after[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_judged_by_what_answers_at_the_name() {
    let names = names().await;
    names.remove("chat.test", "A");
    names.add("relay.test", "MX", "10 mx.relay.test.");
    names.add("mx.relay.test", "A", "127.0.0.43");
    let peer = Peer::default();
    let server = start(&names, listen(43, &peer).await).await;
    let look = async || match ask(&server, Request::CheckNetwork { relay: Some("relay.test".into()) }).await {
        Response::Findings(findings) => findings,
        other => panic!("{other:?}"),
    };
    let find = |findings: &[Finding], subject: &str| {
        let found = findings.iter().find(|finding| finding.subject.starts_with(subject)).cloned();
        found.unwrap_or_else(|| panic!("no {subject} in {findings:?}"))
    };
    let findings = look().await;
    assert_eq!(find(&findings, "Name").state, FindingState::Bad);
    let certificate = find(&findings, "Certificate");
    assert!(certificate.state == FindingState::Bad, "{certificate:?}");
    assert_eq!(find(&findings, "Sending on port 25").state, FindingState::Good);
    assert_eq!(find(&findings, "Sending to chatmail relays").state, FindingState::Note);
    assert_eq!(server.reachability().last_findings().await, Some(findings.clone()));
    assert_eq!(server.web().look_at_network().await, findings, "the same for some minutes");

    names.add("hub.test", "A", "127.0.0.1");
    let configuration = format!(
        "domain = \"hub.test\"\nfederation.outbound = \"off\"\ndns = {{ servers = [\"{}\"] }}",
        names.address
    );
    let server = server.restart(&configuration).await;
    let Response::Findings(findings) = ask(&server, Request::CheckNetwork { relay: None }).await else {
        panic!("no findings")
    };
    let states: Vec<FindingState> = findings.iter().map(|finding| finding.state).collect();
    let (good, bad) = (FindingState::Good, FindingState::Bad);
    assert_eq!(states, [good, bad, good, good, good, good], "{findings:?}");
}
