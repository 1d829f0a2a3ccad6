//! Certificates and what TLS offers: keys are made once and kept for ever, since clients remember them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use config::{Config, Tls};
use mail_types::{Domain, UnixTime};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use super::certificate;

/// IMAP over port 443, by ALPN.
pub(crate) const ALPN_IMAP: &[u8] = b"imap";
/// Submission over port 443, by ALPN.
pub(crate) const ALPN_SMTP: &[u8] = b"smtp";
/// The web over port 443, by ALPN or without any.
const ALPN_HTTP: &[u8] = b"http/1.1";

/// The calendar years between which a self-signed certificate is valid: a box without a battery may believe in any.
const VALID_YEARS: (i32, i32) = (2020, 2120);

/// What the listeners need.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    /// For IMAP and submission: TLS 1.3.
    pub(crate) mail: Arc<ServerConfig>,
    /// For port 443: TLS 1.2 too, and ALPN.
    pub(crate) shared: Arc<ServerConfig>,
    /// What both of them show.
    certificate: Arc<Shown>,
}

/// The certificate that the next handshake shows.
#[derive(Debug)]
struct Shown {
    key: RwLock<Arc<CertifiedKey>>,
    summary: CertificateSummary,
    trouble: Mutex<Option<String>>,
}

impl Shown {
    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // STARTTLS comes without a name, so there is one certificate for all (chatmail-protocol note 1.6).
        Some(self.key())
    }
}

/// The certificate in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateSummary {
    /// Whether the server made it itself.
    pub(crate) self_signed: bool,
    /// The names in a self-signed one; the file's path otherwise.
    pub(crate) names: Vec<String>,
    /// From when on clients refuse it; none if that cannot be read.
    pub(crate) expires: Option<UnixTime>,
}

/// A self-signed certificate as it lies in the store's settings.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptIdentity {
    names: Vec<String>,
    key: String,
    certificate: String,
}

impl TlsSettings {
    /// From a certificate and its key.
    fn new(
        certified: CertifiedKey,
        tickets: Arc<dyn ProducesTickets>,
        summary: CertificateSummary,
    ) -> anyhow::Result<Self> {
        let key = RwLock::new(Arc::new(certified));
        let shown = Arc::new(Shown { key, summary, trouble: Mutex::default() });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&shown) as _;
        let build = |versions: &[&'static rustls::SupportedProtocolVersion]| {
            let mut settings = ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&resolver));
            settings.ticketer = Arc::clone(&tickets);
            // One ticket is enough for a client that keeps one connection.
            settings.send_tls13_tickets = 1;
            Ok::<_, rustls::Error>(settings)
        };
        let mail = build(&[&rustls::version::TLS13])?;
        let mut shared = build(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        shared.alpn_protocols = vec![ALPN_IMAP.to_vec(), ALPN_SMTP.to_vec(), ALPN_HTTP.to_vec()];
        Ok(Self { mail: Arc::new(mail), shared: Arc::new(shared), certificate: shown })
    }

    /// In words, for `hearth status`.
    pub(crate) fn summary(&self) -> CertificateSummary {
        let expires = self.certificate.key().cert.first().and_then(|own| certificate::expiry(own));
        CertificateSummary { expires, ..self.certificate.summary.clone() }
    }

    /// Whether somebody else vouches for the certificate, so that clients may trust it.
    pub(crate) fn is_vouched_for(&self) -> bool {
        self.certificate.key().cert.first().is_some_and(|own| !certificate::is_self_issued(own))
    }

    /// Shows another certificate from the next handshake on; whether it is another. Open connections do not notice.
    pub(super) fn replace(&self, certified: CertifiedKey) -> bool {
        let mut shown = self.certificate.key.write().unwrap_or_else(PoisonError::into_inner);
        let another = shown.cert != certified.cert;
        *shown = Arc::new(certified);
        another
    }

    /// What is wrong with the certificate's files, as a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        self.certificate.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is wrong with them, or that nothing is.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.certificate.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The only crypto provider of the program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificate from two PEM files.
pub(crate) fn from_files(
    certificate: &Path,
    key: &Path,
    tickets: Arc<dyn ProducesTickets>,
) -> anyhow::Result<TlsSettings> {
    let certified = read_files(certificate, key)?;
    let names = vec![certificate.display().to_string()];
    TlsSettings::new(certified, tickets, CertificateSummary { self_signed: false, names, expires: None })
}

/// What the two files hold, if it can be used.
pub(super) fn read_files(certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("reading the certificate {}", certificate.display()))?;
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading the key {}", key.display()))?;
    CertifiedKey::from_der(chain, private, &provider())
        .with_context(|| format!("{} and {} do not belong together", certificate.display(), key.display()))
}

/// The self-signed certificate: the kept one if its names are still right, else a new one with the kept key.
/// What is returned besides is to be kept from now on, if it is new.
pub(crate) fn self_signed(
    names: &[String],
    kept: Option<&[u8]>,
    tickets: Arc<dyn ProducesTickets>,
) -> anyhow::Result<(TlsSettings, Option<Vec<u8>>)> {
    let kept: Option<KeptIdentity> = kept
        .map(serde_json::from_slice)
        .transpose()
        .context("the kept TLS identity is damaged; restore the store from a backup")?;
    let (identity, keep) = match kept {
        Some(kept) if kept.names == names => (kept, false),
        Some(kept) => {
            let key = KeyPair::try_from(decode(&kept.key)?).context("reading the kept TLS key")?;
            (sign(names, &key)?, true)
        }
        None => (sign(names, &KeyPair::generate().context("making a TLS key")?)?, true),
    };
    let certificate = CertificateDer::from(decode(&identity.certificate)?);
    let key = PrivatePkcs8KeyDer::from(decode(&identity.key)?);
    let certified = CertifiedKey::from_der(vec![certificate], key.into(), &provider())
        .context("using the self-signed certificate")?;
    let to_keep = keep.then(|| serde_json::to_vec(&identity)).transpose()?;
    let summary = CertificateSummary { self_signed: true, names: names.to_vec(), expires: None };
    Ok((TlsSettings::new(certified, tickets, summary)?, to_keep))
}

/// The names of a self-signed certificate: the domain, what the machine is called at home, and what was asked for.
pub(crate) fn own_names(config: &Config, host_name: &str) -> Vec<String> {
    let mut names = vec![match &config.domain {
        Domain::Name(name) => name.clone(),
        Domain::Ipv4(address) => address.to_string(),
        Domain::Ipv6(address) => address.to_string(),
    }];
    let host_name = host_name.to_ascii_lowercase();
    if matches!(host_name.parse(), Ok(Domain::Name(_))) && host_name.parse::<IpAddr>().is_err() {
        if !host_name.contains('.') {
            names.push(format!("{host_name}.local"));
        }
        names.push(host_name);
    }
    if let Tls::SelfSigned { names: further } = &config.tls {
        names.extend(further.iter().cloned());
    }
    names.extend(config.pairing.host.clone());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn sign(names: &[String], key: &KeyPair) -> anyhow::Result<KeptIdentity> {
    let mut params = CertificateParams::new(names).context("naming the self-signed certificate")?;
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    params.not_before = rcgen::date_time_ymd(VALID_YEARS.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(VALID_YEARS.1, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(key).context("signing the certificate")?;
    Ok(KeptIdentity {
        names: names.to_vec(),
        key: BASE64.encode(key.serialize_der()),
        certificate: BASE64.encode(certificate.der()),
    })
}

fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    BASE64
        .decode(text)
        .map_err(|_| anyhow!("the kept TLS identity is damaged; restore the store from a backup"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use host::clock;
    use rustls::server::ProducesTickets;

    use super::{KeptIdentity, own_names, self_signed};
    use crate::serve::tickets::Tickets;

    fn tickets() -> Arc<dyn ProducesTickets> {
        Arc::new(Tickets::new(&[0; 32], clock::wall))
    }

    fn kept(bytes: &[u8]) -> KeptIdentity {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_key_stays_when_names_change_and_everything_stays_when_they_do_not() {
        let names = vec!["box.example".to_owned(), "192.0.2.1".to_owned()];
        let (_, first) = self_signed(&names, None, tickets()).unwrap();
        let first = first.unwrap();
        assert!(self_signed(&names, Some(&first), tickets()).unwrap().1.is_none());
        let (_, second) = self_signed(&["other.example".to_owned()], Some(&first), tickets()).unwrap();
        let second = second.unwrap();
        assert_eq!(kept(&first).key, kept(&second).key);
        assert_ne!(kept(&first).certificate, kept(&second).certificate);
    }

    #[test]
    fn a_damaged_identity_is_an_error_and_not_a_new_key() {
        assert!(self_signed(&["box.example".to_owned()], Some(b"{}"), tickets()).is_err());
    }

    #[test]
    fn the_names_are_those_that_clients_may_use() {
        let config = config::examine("domain = \"[192.0.2.1]\"\ntls.names = [\"x.example\"]").unwrap().0;
        assert_eq!(
            own_names(&config, "Hearth-1A2B"),
            ["192.0.2.1", "hearth-1a2b.local", "hearth-1a2b", "x.example"]
        );
        let config = config::examine("domain = \"hearth-1a2b.local\"").unwrap().0;
        assert_eq!(own_names(&config, "hearth-1a2b"), ["hearth-1a2b.local", "hearth-1a2b"]);
    }
}
