//! Handshakes in memory, with servers that have all kinds of certificates.

use std::sync::Arc;

use mail_types::Tlsa;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use ring::digest::{SHA256, SHA512, digest};
use rustls::server::ServerSessionMemoryCache;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, Error, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion, version,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};

use super::OutgoingTls;
use crate::provider::provider;

const HOST: &str = "mx.a.test";
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// An authority, or the issuer that a TLSA record names.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&pair).unwrap().der().clone();
        let key = rcgen::PublicKeyData::subject_public_key_info(&pair);
        Self { issuer: Issuer::new(params, pair), certificate, key }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }

    fn issue(&self, name: &str, until: i32) -> Host {
        let pair = KeyPair::generate().unwrap();
        let certificate = params(name, until).signed_by(&pair, &self.issuer).unwrap().der().clone();
        Host::new(vec![certificate], &pair)
    }
}

fn params(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

/// The year of a certificate that is valid while these tests are of any use, and of one that is not.
const VALID: i32 = 2120;
const EXPIRED: i32 = 2001;

/// A server's certificate, the chain to its issuers, and its key.
#[derive(Clone)]
struct Host {
    chain: Vec<CertificateDer<'static>>,
    private: Vec<u8>,
    key: Vec<u8>,
}

impl Host {
    fn new(chain: Vec<CertificateDer<'static>>, pair: &KeyPair) -> Self {
        let key = rcgen::PublicKeyData::subject_public_key_info(pair);
        Self { chain, private: pair.serialize_der(), key }
    }

    fn self_signed(name: &str, until: i32) -> Self {
        let pair = KeyPair::generate().unwrap();
        let certificate = params(name, until).self_signed(&pair).unwrap().der().clone();
        Self::new(vec![certificate], &pair)
    }

    /// The same server, which sends its issuer's certificate too.
    fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.certificate.clone());
        self
    }

    fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let key = PrivatePkcs8KeyDer::from(self.private.clone()).into();
        let key = provider().key_provider.load_private_key(key).unwrap();
        // Not checked: a server may lie about its certificate.
        let certified = CertifiedKey::new(self.chain.clone(), key);
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        server.session_storage = ServerSessionMemoryCache::new(32);
        Arc::new(server)
    }
}

/// A handshake, and the session tickets behind it.
fn shake(client: &Arc<ClientConfig>, name: &str, server: &Arc<ServerConfig>) -> Result<HandshakeKind, Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let sent = bytes.len();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            // The client's verdict is of interest.
            let _ = server.process_new_packets();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        if sent == 0 && bytes.is_empty() {
            return Ok(client.handshake_kind().unwrap());
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
}

fn succeeds(client: &Arc<ClientConfig>, host: &Host) -> bool {
    let both = [BOTH, &[&version::TLS12]].map(|versions| shake(client, HOST, &host.server(versions)).is_ok());
    assert_eq!(both[0], both[1], "the version makes no difference");
    both[0]
}

#[test]
fn an_authority_s_certificate_must_be_valid_and_have_the_name() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let tls = OutgoingTls::new(authority.roots()).unwrap();
    for (host, good, any) in [
        (authority.issue(HOST, VALID), true, true),
        (authority.issue("*.a.test", VALID), true, true),
        (authority.issue("other.test", VALID), false, true),
        (authority.issue(HOST, EXPIRED), false, true),
        (stranger.issue(HOST, VALID), false, true),
        (stranger.issue(HOST, VALID).with(&stranger), false, true),
        (Host::self_signed(HOST, VALID), false, true),
        (Host::self_signed("other.test", EXPIRED), false, true),
        (
            Host { private: Host::self_signed(HOST, VALID).private, ..authority.issue(HOST, VALID) },
            false,
            false,
        ),
    ] {
        assert_eq!(succeeds(&tls.authority(), &host), good);
        assert_eq!(succeeds(&tls.any_certificate(), &host), any);
    }
}

#[test]
fn addresses_are_names_too() {
    let authority = Authority::new("authority");
    let tls = OutgoingTls::new(authority.roots()).unwrap();
    let server = authority.issue("192.0.2.1", VALID).server(BOTH);
    assert!(shake(&tls.authority(), "192.0.2.1", &server).is_ok());
    assert!(shake(&tls.authority(), "192.0.2.2", &server).is_err());
    assert!(shake(&tls.any_certificate(), "192.0.2.2", &server).is_ok());
    assert!(shake(&tls.any_certificate(), "_box.test", &server).is_ok());
}

#[test]
fn a_session_with_a_weaker_proof_is_not_continued_as_a_stronger_one() {
    let authority = Authority::new("authority");
    for versions in [BOTH, &[&version::TLS12]] {
        let tls = OutgoingTls::new(authority.roots()).unwrap();
        let good = authority.issue(HOST, VALID).server(versions);
        let expected = |kind: Result<HandshakeKind, Error>, resumed: bool| {
            assert_eq!(kind.unwrap() == HandshakeKind::Resumed, resumed, "{versions:?}");
        };
        // Sessions with a good server are continued, which shows that the following could fail.
        expected(shake(&tls.authority(), HOST, &good), false);
        expected(shake(&tls.authority(), HOST, &good), true);
        // But only those of the same name.
        shake(&tls.authority(), "other.a.test", &good).unwrap_err();

        let host = Host::self_signed("bad.a.test", VALID);
        let bad = host.server(versions);
        let record = record(3, 1, 1, &host.key);
        let dane = tls.dane(&[record]).unwrap();
        for _ in 0..3 {
            expected(shake(&tls.any_certificate(), "bad.a.test", &bad), false);
            expected(shake(&dane, "bad.a.test", &bad), false);
            shake(&tls.authority(), "bad.a.test", &bad).unwrap_err();
            shake(&tls.clone().authority(), "bad.a.test", &bad).unwrap_err();
        }
    }
}

/// A TLSA record of this certificate or key.
fn record(usage: u8, selector: u8, matching: u8, selected: &[u8]) -> Tlsa {
    let data = match matching {
        0 => selected.to_vec(),
        1 => digest(&SHA256, selected).as_ref().to_vec(),
        _ => digest(&SHA512, selected).as_ref().to_vec(),
    };
    Tlsa::new(usage, selector, matching, data).unwrap()
}

/// The six records of one usage for a certificate and its key.
fn records(usage: u8, certificate: &[u8], key: &[u8]) -> Vec<Tlsa> {
    let all = (0..2).flat_map(|selector| (0..3).map(move |matching| (selector, matching)));
    all.map(|(selector, matching)| {
        record(usage, selector, matching, [certificate, key][usize::from(selector)])
    })
    .collect()
}

#[test]
fn a_record_of_the_server_s_own_certificate_needs_no_name_date_or_authority() {
    let authority = Authority::new("authority");
    let tls = OutgoingTls::new(authority.roots()).unwrap();
    let other = Host::self_signed(HOST, VALID);
    for host in [
        Host::self_signed(HOST, VALID),
        Host::self_signed("other.test", EXPIRED),
        authority.issue("other.test", EXPIRED),
    ] {
        for record in records(3, &host.chain[0], &host.key) {
            let client = tls.dane(std::slice::from_ref(&record)).unwrap();
            assert!(succeeds(&client, &host), "{record:?}");
            assert!(!succeeds(&client, &other));
            // An authority's certificate does not help.
            assert!(!succeeds(&client, &authority.issue(HOST, VALID).with(&authority)));
            // Nor does the right certificate without its key.
            assert!(!succeeds(&client, &Host { private: other.private.clone(), ..host.clone() }));
            // Among others, one is enough.
            let three = [record, self::record(3, 1, 1, b"x"), self::record(2, 0, 2, b"y")];
            assert!(succeeds(&tls.dane(&three).unwrap(), &host));
        }
    }
}

#[test]
fn a_record_of_an_issuer_needs_name_date_and_chain() {
    let (issuer, stranger) = (Authority::new("issuer"), Authority::new("stranger"));
    let tls = OutgoingTls::new(Authority::new("authority").roots()).unwrap();
    for record in records(2, &issuer.certificate, &issuer.key) {
        let client = tls.dane(std::slice::from_ref(&record)).unwrap();
        for (host, good) in [
            (issuer.issue(HOST, VALID).with(&issuer), true),
            (issuer.issue(HOST, VALID).with(&stranger).with(&issuer), true),
            (issuer.issue("other.test", VALID).with(&issuer), false),
            (issuer.issue(HOST, EXPIRED).with(&issuer), false),
            (stranger.issue(HOST, VALID).with(&stranger), false),
            (stranger.issue(HOST, VALID).with(&issuer), false),
            (Host::self_signed(HOST, VALID).with(&issuer), false),
        ] {
            assert_eq!(succeeds(&client, &host), good, "{record:?}");
        }
        // Only a record that is the whole certificate can take its place in the chain.
        let is_whole = record == records(2, &issuer.certificate, &issuer.key)[0];
        assert_eq!(succeeds(&client, &issuer.issue(HOST, VALID)), is_whole, "{record:?}");
    }
}

#[test]
fn the_usages_are_not_mixed_up() {
    let issuer = Authority::new("issuer");
    let tls = OutgoingTls::new(issuer.roots()).unwrap();
    let host = issuer.issue(HOST, VALID).with(&issuer);
    // The server's own certificate is no issuer, an issuer's is not the server's.
    for records in
        [records(2, &host.chain[0], &host.key), records(3, &issuer.certificate, &issuer.key), Vec::new()]
    {
        assert!(!succeeds(&tls.dane(&records).unwrap(), &host), "{records:?}");
    }
}
