//! Certificates of authorities: any bytes as DER, and any text as a chain in PEM.

use tls::{IssuedCertificate, x509};

/// The fields of a certificate are bounded and fit for a page; the identifier of a renewal fits into a URL.
pub(crate) fn certificate(data: &[u8]) {
    let names = x509::names(data);
    assert!(names.len() <= 100, "too many names");
    for name in &names {
        assert!((1..=255).contains(&name.len()), "{name:?}");
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
    }
    if let Some(issuer) = x509::issuer(data) {
        assert!(
            (1..=64).contains(&issuer.chars().count()) && !issuer.contains(char::is_control),
            "{issuer:?}"
        );
    }
    if let Some(identifier) = x509::renewal_identifier(data) {
        let parts: Vec<&str> = identifier.split('.').collect();
        assert!(parts.len() == 2 && parts.iter().all(|part| is_base64url(part)), "{identifier:?}");
    }
}

fn is_base64url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A chain that is taken has names and dates, and is the same when it is read again.
pub(crate) fn chain(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(chain) = IssuedCertificate::from_pem(&text) {
        assert!(!chain.names().is_empty() && !chain.issuer().is_empty());
        assert_eq!(IssuedCertificate::from_pem(&text).ok().as_ref(), Some(&chain));
    }
}
