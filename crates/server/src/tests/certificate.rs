//! A renewed certificate serves the next handshake, a broken one none, and open connections notice neither.

use std::path::Path;

use ipc::control::{Request, Response};
use rcgen::{CertificateParams, KeyPair};
use tls::{CertificateFiles, Reload};

use crate::connections::service::Service;
use crate::operation::health;
use crate::tests::harness::{ALICE, TestServer};
use crate::tests::operation::control;

/// Writes a certificate that ends with this year; gives it.
fn renew(directory: &Path, year: i32, key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["chat.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(key).unwrap();
    std::fs::write(directory.join("fullchain.pem"), certificate.pem()).unwrap();
    certificate.der().to_vec()
}

/// The certificate that a client sees now.
async fn shown(server: &TestServer) -> Vec<u8> {
    let stream = server.tls(Service::Imaps, None).await.into_stream();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn expiry(server: &TestServer) -> Option<u64> {
    match serde_json::from_str(&control(server, Request::Status).await).unwrap() {
        Response::Status(status) => status.certificate_expires,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_and_a_broken_one_is_told() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key_file) = (files.path().join("fullchain.pem"), files.path().join("privkey.pem"));
    let key = KeyPair::generate().unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let first = renew(files.path(), 2030, &key);
    let extra =
        format!("registration = \"open\"\n[tls]\ncertificate = {certificate:?}\nkey = {key_file:?}\n");
    let server = TestServer::start(&extra).await;
    let tls = &server.observed().tls;
    let mut watched = CertificateFiles::new(certificate.clone(), key_file.clone());
    watched.reload(tls, Reload::IfChanged);
    assert_eq!((shown(&server).await, expiry(&server).await), (first, Some(1_893_456_000)));
    let mut phone = server.imap(ALICE).await;

    let second = renew(files.path(), 2031, &key);
    watched.reload(tls, Reload::IfChanged);
    assert_eq!((shown(&server).await, expiry(&server).await), (second.clone(), Some(1_924_992_000)));
    assert_eq!(health::check(server.observed()).await, health::Health::default());

    // The certificate of another key: half of a renewal.
    let other = KeyPair::generate().unwrap();
    let third = renew(files.path(), 2032, &other);
    watched.reload(tls, Reload::IfChanged);
    assert_eq!(shown(&server).await, second);
    let worries = health::check(server.observed()).await.worrying;
    assert!(worries.iter().any(|worry| worry.contains("do not belong together")), "{worries:?}");

    std::fs::write(&key_file, other.serialize_pem()).unwrap();
    watched.reload(tls, Reload::Always);
    assert_eq!(shown(&server).await, third);
    assert_eq!(health::check(server.observed()).await, health::Health::default());

    std::fs::remove_file(&certificate).unwrap();
    watched.reload(tls, Reload::IfChanged);
    assert_eq!(shown(&server).await, third);
    assert!(!health::check(server.observed()).await.worrying.is_empty());

    phone.send("a2 NOOP").await;
    phone.expect("a2 OK").await;
}
