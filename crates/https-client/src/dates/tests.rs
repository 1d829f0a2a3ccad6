//! Questions to servers that play a part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use host::clock::uptime;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time_sync::WebDate;
use tls::{DatedTls, provider};

use super::ask;

const HOST: &str = "web.test";
/// A busy machine takes long for a handshake.
const GENEROUS: Duration = Duration::from_secs(60);
/// A day on which the servers' certificates are valid: 2026-02-01.
const DATE: &str = "Date: Sun, 01 Feb 2026 12:00:00 GMT\r\n";
const TIME: u64 = 1_769_947_200;

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&pair).unwrap().der().clone();
        Self { issuer: Issuer::new(params, pair), certificate }
    }

    fn tls(&self) -> DatedTls {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        DatedTls::new(roots).unwrap()
    }

    /// A server with a certificate for this name that answers each connection with this text, piece by piece.
    fn server(&self, name: &str, pieces: &'static [&'static str], then: Then) -> SocketAddr {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        let pair = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&pair, &self.issuer).unwrap().der().clone();
        let settings = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(pair.serialize_der()).into())
            .unwrap();
        let settings = Arc::new(settings);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let connection = ServerConnection::new(Arc::clone(&settings)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let mut request = [0; 4096];
                if stream.read(&mut request).is_err() {
                    continue;
                }
                assert!(request.starts_with(b"HEAD / HTTP/1.1\r\nHost: web.test\r\n"));
                for piece in pieces {
                    let _ = stream.write_all(piece.as_bytes());
                }
                match then {
                    Then::Close => {}
                    // Until the client has had enough.
                    Then::Wait => while stream.read(&mut request).is_ok_and(|length| length > 0) {},
                    Then::Repeat(more) => while stream.write_all(more.as_bytes()).is_ok() {},
                }
            }
        });
        address
    }
}

/// The end of an answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Wait,
    Repeat(&'static str),
}

fn asked(tls: &DatedTls, address: SocketAddr, limit: Duration) -> Result<WebDate, String> {
    ask(tls, &HOST.parse().unwrap(), address, uptime() + limit).map_err(|error| format!("{error:#}"))
}

#[test]
fn a_server_with_a_certificate_tells_its_date() {
    let authority = Authority::new();
    let before = uptime();
    for pieces in
        [&["HTTP/1.1 200 OK\r\n", DATE, "\r\n"][..], &["HTTP/1.1 302 Found\r\n", DATE, "\r\nand more"]]
    {
        let answer = asked(&authority.tls(), authority.server(HOST, pieces, Then::Wait), GENEROUS).unwrap();
        assert_eq!(answer.date.0, TIME);
        assert!(before <= answer.sent && answer.sent <= answer.received && answer.received <= uptime());
    }
}

#[test]
fn who_cannot_prove_the_date_is_not_believed() {
    let authority = Authority::new();
    let good: &[&str] = &["HTTP/1.1 200 OK\r\n", DATE, "\r\n"];
    for (server, roots) in [
        (authority.server("other.test", good, Then::Wait), &authority),
        (authority.server(HOST, good, Then::Wait), &Authority::new()),
        (
            authority.server(
                HOST,
                &["HTTP/1.1 200 OK\r\nDate: Sat, 01 Aug 2026 12:00:00 GMT\r\n\r\n"],
                Then::Wait,
            ),
            &authority,
        ),
        (
            authority.server(
                HOST,
                &["HTTP/1.1 200 OK\r\nDate: Mon, 01 Dec 2025 12:00:00 GMT\r\n\r\n"],
                Then::Wait,
            ),
            &authority,
        ),
    ] {
        let error = asked(&roots.tls(), server, GENEROUS).unwrap_err();
        assert!(error.starts_with("its certificate is not valid at the date that it tells: "), "{error}");
    }
}

#[test]
fn an_answer_is_bounded_in_size_and_time() {
    let authority = Authority::new();
    let tls = authority.tls();
    let endless = authority.server(HOST, &["HTTP/1.1 200 OK\r\n"], Then::Repeat("X-More: and more\r\n"));
    assert_eq!(asked(&tls, endless, GENEROUS), Err("the head of its answer has no end".to_owned()));
    let cut = authority.server(HOST, &["HTTP/1.1 200 OK\r\n", DATE], Then::Close);
    asked(&tls, cut, GENEROUS).unwrap_err();
    let short = Duration::from_millis(200);
    let silent = authority.server(HOST, &["HTTP/1.1 200 OK\r\n"], Then::Wait);
    asked(&tls, silent, short).unwrap_err();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(asked(&tls, listener.local_addr().unwrap(), short), Err("timed out".to_owned()));
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = asked(&tls, nobody, GENEROUS).unwrap_err();
    assert!(error.contains("refused"), "{error}");
}
