//! Greetings of authorities and of clients, and the handshakes that follow.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::Acceptor;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConnection, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{ChallengeCertificates, server_name};
use crate::provider::provider;
use crate::settings::{Port443, TlsSettings};
use crate::{Tickets, self_signed};

/// The kind of settings and the end of a handshake: the protocol and the server's certificate, or nothing.
type Ended = (bool, Option<(Option<Vec<u8>>, Vec<u8>)>);

fn settings() -> TlsSettings {
    let tickets = Arc::new(Tickets::new(&[0; 32], || mail_types::UnixTime(1_800_000_000)));
    self_signed(&["box.test".to_owned()], None, tickets).unwrap().0
}

fn greet(settings: &TlsSettings, name: &str, protocols: &[&str]) -> Ended {
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Blind))
        .with_no_client_auth();
    client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    acceptor.read_tls(&mut bytes.as_slice()).unwrap();
    let accepted = acceptor.accept().unwrap().unwrap();
    let (is_challenge, settings) = match settings.port_443(&accepted.client_hello()) {
        Port443::Challenge(settings) => (true, settings),
        Port443::Service(settings) => (false, settings),
    };
    let Ok(mut server) = accepted.into_connection(settings) else { return (is_challenge, None) };
    (is_challenge, finish(&mut client, &mut server))
}

/// Takes every certificate, as an authority does: also one with an extension that rustls does not know.
#[derive(Debug)]
struct Blind;

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn finish(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().ok()?;
        }
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().ok()?;
        }
    }
    let certificate = client.peer_certificates()?.first()?.to_vec();
    Some((client.alpn_protocol().map(<[u8]>::to_vec), certificate))
}

fn has(certificate: &[u8], part: &[u8]) -> bool {
    certificate.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_pending_challenge_is_answered_and_nothing_else_changes() {
    let settings = settings();
    let own = greet(&settings, "box.test", &[]).1.unwrap().1;
    settings.challenges.present("Box.test", &[7; 32]).unwrap();
    let (is_challenge, end) = greet(&settings, "box.test", &["acme-tls/1"]);
    let (protocol, certificate) = end.unwrap();
    assert!(is_challenge);
    assert_eq!(protocol.as_deref(), Some(&b"acme-tls/1"[..]));
    // acmeIdentifier ::= OCTET STRING (SIZE (32)) in the extension 1.3.6.1.5.5.7.1.31, which is critical.
    let identifier = [&[0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32][..], &[7; 32]].concat();
    assert!(has(&certificate, &identifier) && has(&certificate, b"box.test"));
    assert_eq!(crate::x509::names(&certificate), ["box.test"]);
    for (protocols, chosen) in [
        (&[][..], None),
        (&["http/1.1"], Some("http/1.1")),
        (&["imap"], Some("imap")),
        // More than one protocol is no authority's greeting.
        (&["acme-tls/1", "http/1.1"], Some("http/1.1")),
    ] {
        let (is_challenge, end) = greet(&settings, "box.test", protocols);
        let (protocol, certificate) = end.unwrap();
        assert_eq!((is_challenge, protocol.as_deref()), (false, chosen.map(str::as_bytes)));
        assert_eq!(certificate, own);
    }
}

#[test]
fn a_foreign_challenge_fails_in_the_handshake() {
    let settings = settings();
    assert_eq!(greet(&settings, "box.test", &["acme-tls/1"]), (false, None));
    settings.challenges.present("box.test", &[7; 32]).unwrap();
    assert_eq!(greet(&settings, "mta-sts.box.test", &["acme-tls/1"]), (false, None));
    assert_eq!(greet(&settings, "127.0.0.1", &["acme-tls/1"]), (false, None));
    settings.challenges.withdraw("box.test");
    assert_eq!(greet(&settings, "box.test", &["acme-tls/1"]), (false, None));
}

#[test]
fn an_address_is_asked_for_by_its_reverse_name() {
    assert_eq!(server_name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
    let six = server_name("2001:db8::1");
    assert_eq!(six, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    let settings = settings();
    settings.challenges.present("192.0.2.1", &[7; 32]).unwrap();
    let end = greet(&settings, "1.2.0.192.in-addr.arpa", &["acme-tls/1"]);
    assert_eq!(crate::x509::names(&end.1.unwrap().1), ["192.0.2.1"]);
}

#[test]
fn pending_challenges_have_a_limit() {
    let challenges = ChallengeCertificates::default();
    for number in 0..16 {
        challenges.present(&format!("{number}.test"), &[0; 32]).unwrap();
    }
    challenges.present("0.test", &[1; 32]).unwrap();
    challenges.present("one-more.test", &[0; 32]).unwrap_err();
    challenges.withdraw("0.test");
    challenges.present("one-more.test", &[0; 32]).unwrap();
    challenges.present("not a name", &[0; 32]).unwrap_err();
}
