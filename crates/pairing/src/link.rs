//! The `dclogin:` link that a phone scans (chatmail/core, `src/qr/dclogin_scheme.rs`).

use mail_types::{Address, Secret};

/// The servers of the box, as a client reaches them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or IP address, as the client should connect to it.
    pub host: String,
    /// Port of IMAP over TLS.
    pub imaps_port: u16,
    /// Port of submission over TLS.
    pub submissions_port: u16,
}

impl Endpoint {
    /// The check that a link to this endpoint asks for: a strict one by the mail domain's name, once an authority has issued
    /// the certificate.
    #[must_use]
    pub fn check(&self, domain: &str, is_vouched_for: bool) -> CertificateCheck {
        if is_vouched_for && self.host == domain { CertificateCheck::Strict } else { CertificateCheck::Any }
    }
}

/// The check of the servers' certificate that a link asks a client to make (chatmail/core, `src/net/tls.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateCheck {
    /// By the client's authorities: `ic=1`.
    Strict,
    /// None: `ic=3`. A client accepts a self-signed certificate in no other way.
    Any,
}

impl CertificateCheck {
    fn parameter(self) -> u8 {
        match self {
            Self::Strict => 1,
            Self::Any => 3,
        }
    }
}

/// A link with everything a client needs: address, password and servers.
#[must_use]
pub fn login_link(
    address: &Address,
    password: &Secret,
    endpoint: &Endpoint,
    check: CertificateCheck,
) -> String {
    let password = percent_encode(password.expose());
    let host = percent_encode(endpoint.host.as_bytes());
    let Endpoint { imaps_port, submissions_port, .. } = endpoint;
    format!(
        "dclogin:{address}?p={password}&v=1&ih={host}&ip={imaps_port}&is=ssl&sh={host}&sp={submissions_port}&ss=ssl&ic={}",
        check.parameter()
    )
}

/// RFC 3986 section 2.3: everything but the unreserved characters is escaped.
fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_escapes_what_a_query_may_not_hold() {
        let endpoint = Endpoint { host: "2001:db8::1".into(), imaps_port: 993, submissions_port: 465 };
        let address = "ac1_x2345@hearth-1a2b.local".parse().unwrap();
        assert_eq!(
            login_link(&address, &Secret::new("a&b #%é"), &endpoint, CertificateCheck::Any),
            "dclogin:ac1_x2345@hearth-1a2b.local?p=a%26b%20%23%25%C3%A9&v=1&ih=2001%3Adb8%3A%3A1&ip=993&is=ssl\
             &sh=2001%3Adb8%3A%3A1&sp=465&ss=ssl&ic=3"
        );
        let strict = login_link(&address, &Secret::new("x"), &endpoint, CertificateCheck::Strict);
        assert!(strict.ends_with("&ic=1"));
    }
}
