//! The certificate that the server signs itself. Its key is made once and never changes, since clients pin it
//! (chatmail/core, `src/net/tls/spki.rs`); a new certificate is signed when the names change.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::provider::provider;
use crate::settings::{CertificateSummary, TlsSettings};

/// The first and the last year of a self-signed certificate's validity: the clock of a box without a battery may show any
/// date.
const VALID_YEARS: (i32, i32) = (2020, 2120);

/// A self-signed certificate as it is kept, in JSON; key (PKCS #8) and certificate are DER in base64.
#[derive(Serialize, Deserialize)]
struct KeptIdentity {
    names: Vec<String>,
    key: String,
    certificate: String,
}

/// The settings with the self-signed certificate: the kept one if its names are the same, else a new one with the kept
/// key. Beside them, when something is new, the bytes to keep; they hold the private key.
///
/// # Errors
///
/// When the kept bytes are damaged, a name is none that a certificate can have, or no key can be made.
pub fn self_signed(
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
    let summary =
        CertificateSummary { self_signed: true, names: names.to_vec(), issuer: None, expires: None };
    Ok((TlsSettings::new(certified, tickets, summary)?, to_keep))
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

    use super::{KeptIdentity, self_signed};
    use crate::tickets::Tickets;

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
}
