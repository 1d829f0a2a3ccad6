//! Chains as an authority sends them, and as it should not.

use std::sync::Arc;

use mail_types::UnixTime;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{IssuedCertificate, from_issued};
use crate::{CertificateKey, Tickets, self_signed};

/// An authority's own certificate in PEM, and one for this key.
fn chain(key: &CertificateKey) -> (String, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::OrganizationName, "An Authority");
    let pair = KeyPair::generate().unwrap();
    let above = authority.self_signed(&pair).unwrap().pem();
    let params = CertificateParams::new(["box.test".to_owned()]).unwrap();
    let own = KeyPair::try_from(key.to_pkcs8()).unwrap();
    let certificate = params.signed_by(&own, &Issuer::new(authority, pair)).unwrap().pem();
    (certificate, above)
}

fn tickets() -> Arc<Tickets> {
    Arc::new(Tickets::new(&[0; 32], || UnixTime(1_800_000_000)))
}

#[test]
fn a_chain_is_read_and_takes_the_place_of_a_self_signed_certificate() {
    let key = CertificateKey::generate().unwrap();
    let (own, above) = chain(&key);
    let certificate = IssuedCertificate::from_pem(&format!("{own}\n{above}")).unwrap();
    assert_eq!((certificate.names(), certificate.issuer()), (&["box.test".to_owned()][..], "An Authority"));
    let (settings, _) = self_signed(&["box.local".to_owned()], None, tickets()).unwrap();
    assert!(settings.summary().self_signed && !settings.is_vouched_for());
    assert!(settings.serve_issued(&certificate, &key).unwrap());
    assert!(!settings.serve_issued(&certificate, &key).unwrap(), "the same again");
    let summary = settings.summary();
    assert!(!summary.self_signed && settings.is_vouched_for());
    assert_eq!(summary.names, ["box.test"]);
    assert_eq!(summary.issuer.as_deref(), Some("An Authority"));
    assert_eq!(summary.expires, Some(certificate.expires()));
    assert_eq!(from_issued(&certificate, &key, tickets()).unwrap().summary(), summary);
    settings.serve_issued(&certificate, &CertificateKey::generate().unwrap()).unwrap_err();
}

#[test]
fn what_is_no_chain_is_refused() {
    let key = CertificateKey::generate().unwrap();
    let (own, above) = chain(&key);
    let (_, stranger) = chain(&key);
    let authority_only = above.clone();
    let many = format!("{own}{}", above.repeat(20));
    let cut = own.split_at(own.len() / 2).0.to_owned();
    let reversed = format!("{above}{own}");
    for (text, reason) in [
        (String::new(), "no certificate"),
        ("garbage".to_owned(), "no certificate"),
        (cut, "PEM"),
        (reversed, "order"),
        (authority_only, "no names"),
        (many, "more than 10"),
    ] {
        let error = IssuedCertificate::from_pem(&text).unwrap_err();
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
    // Signatures are not looked at, which a client does: the names fit.
    IssuedCertificate::from_pem(&format!("{own}{stranger}")).unwrap();
}
