//! Certificates that TLSA records vouch for (RFC 7671, RFC 7672), in the place of an authority.

use std::fmt;
use std::sync::Arc;

use mail_types::{Tlsa, TlsaMatching, TlsaSelector, TlsaUsage};
use ring::digest::{SHA256, SHA512, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, Error, OtherError, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::x509;

/// The certificate fits none of the records.
#[derive(Debug)]
struct NoRecordFits;

impl fmt::Display for NoRecordFits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it fits none of the host's TLSA records")
    }
}

impl std::error::Error for NoRecordFits {}

/// The verdict on a server's own certificate and the others that it sent, by these records.
pub(crate) fn verify(
    records: &[Tlsa],
    provider: &Arc<CryptoProvider>,
    own: &CertificateDer<'_>,
    sent: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    // The record itself binds the key to the name, for as long as it is published (RFC 7672 section 3.1.1).
    if of(records, TlsaUsage::EndEntity).any(|record| fits(record, own)) {
        return Ok(ServerCertVerified::assertion());
    }
    let anchors = trust_anchors(records, sent);
    if anchors.is_empty() {
        return Err(CertificateError::Other(OtherError(Arc::new(NoRecordFits))).into());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), Arc::clone(provider))
        .build()
        .map_err(|error| Error::General(error.to_string()))?
        .verify_server_cert(own, sent, name, &[], now)
}

/// The issuers that a record vouches for: those that the server sent, and those that stand in a record as a whole.
fn trust_anchors(records: &[Tlsa], sent: &[CertificateDer<'_>]) -> RootCertStore {
    let mut anchors = RootCertStore::empty();
    for record in of(records, TlsaUsage::TrustAnchor) {
        // One that cannot be read can have issued nothing that can be verified.
        if (record.selector(), record.matching()) == (TlsaSelector::Certificate, TlsaMatching::Exact) {
            let _ = anchors.add(CertificateDer::from(record.data()));
        }
        for issuer in sent.iter().filter(|certificate| fits(record, certificate)) {
            let _ = anchors.add(issuer.clone());
        }
    }
    anchors
}

fn of(records: &[Tlsa], usage: TlsaUsage) -> impl Iterator<Item = &Tlsa> {
    records.iter().filter(move |record| record.usage() == usage)
}

/// True if the record is of this certificate (RFC 6698 section 2.1).
fn fits(record: &Tlsa, certificate: &[u8]) -> bool {
    let key;
    let selected = match record.selector() {
        TlsaSelector::Certificate => certificate,
        TlsaSelector::PublicKey => {
            let Some(found) = x509::public_key(certificate) else { return false };
            key = found;
            &key
        }
    };
    match record.matching() {
        TlsaMatching::Exact => selected == record.data(),
        TlsaMatching::Sha256 => digest(&SHA256, selected).as_ref() == record.data(),
        TlsaMatching::Sha512 => digest(&SHA512, selected).as_ref() == record.data(),
    }
}
