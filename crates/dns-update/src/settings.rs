//! The settings of a DNS provider, checked when they are made. Secrets in them are never shown.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use mail_types::Secret;
use ring::digest::{Context, SHA256};

use crate::name::RecordName;
use crate::rdata::RecordKind;
use crate::records::{RecordSet, RecordSets};
use crate::schedule::Limits;
use crate::template::Template;

/// The address of deSEC's API.
pub const DESEC_URL: &str = "https://desec.io/api/v1";
/// The address of DuckDNS.
pub const DUCKDNS_URL: &str = "https://www.duckdns.org";
/// The domain below which DuckDNS gives names.
const DUCKDNS_DOMAIN: &str = "duckdns.org";
/// The port of name servers.
const DNS_PORT: u16 = 53;
/// The longest token, user name or password, in bytes.
const SECRET_LIMIT: usize = 1024;
/// The longest URL, in bytes.
const URL_LIMIT: usize = 2048;
/// The shortest and the longest key of a message authentication code, in bytes. RFC 8945 wants a key as long as the digest;
/// many servers' keys are shorter.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 8..=256;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A DNS provider, and the credentials for the name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    pub(crate) name: RecordName,
    pub(crate) access: Access,
}

/// The protocol of a provider, with its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Desec { base: String, token: Secret },
    Dyndns2 { template: Template, login: Option<(String, Secret)> },
    Rfc2136 { server: Server, zone: Option<RecordName>, key: TsigKey },
    DuckDns { base: String, label: String, token: Secret },
}

/// The host and the port of a name server that takes updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A key of transaction signatures (RFC 8945).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TsigKey {
    /// Canonical, without a dot at its end.
    pub(crate) name: String,
    pub(crate) algorithm: TsigAlgorithm,
    pub(crate) secret: Secret,
}

/// The algorithm of a key (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// hmac-sha256
    HmacSha256,
    /// hmac-sha384
    HmacSha384,
    /// hmac-sha512
    HmacSha512,
}

/// A setting that cannot be right. A sentence; it shows no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The URL is none, or sends the credentials in the clear over the internet.
    #[error(
        "the provider's URL must begin with https:// and a host (http:// only for an address of the home network)"
    )]
    Url,
    /// A word in braces that is no placeholder.
    #[error("the update URL has a placeholder other than {{name}}, {{ipv4}} and {{ipv6}}")]
    Placeholder,
    /// The token, the user name or the password is empty, too long, or has characters that cannot be sent.
    #[error(
        "the token, user name or password is empty, too long, or has blanks or characters other than ASCII"
    )]
    Credentials,
    /// The name is none of DuckDNS's.
    #[error("a name of DuckDNS has the form NAME.duckdns.org")]
    NotDuckDns,
    /// The name server is neither a host name nor an address, with or without a port.
    #[error(
        "the name server must be a host name or an IP address, with a port behind a colon if it is not 53"
    )]
    Server,
    /// The name does not lie in the zone.
    #[error("the name does not lie in the zone that is to be updated")]
    NotInZone,
    /// The name of the key is no domain name.
    #[error("the key's name must be a domain name as in the name server's settings")]
    KeyName,
    /// The key is not in Base64, or is too short or too long.
    #[error("the key must be in Base64, 8 to 256 bytes of it")]
    Key,
    /// The algorithm is none that is supported.
    #[error("the key's algorithm must be hmac-sha256, hmac-sha384 or hmac-sha512")]
    Algorithm,
}

/// The records for which a provider has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// The addresses of the name.
    Addresses,
    /// The addresses of the name, and one text, which is there for all names below it too: answers to a certificate authority,
    /// one at a time, but no DKIM key.
    AddressesAndText,
    /// All records of the name and of those below it.
    Records,
}

impl ProviderSettings {
    /// deSEC, or another server with its API: `base` is the URL before `/domains/`, usually [`DESEC_URL`].
    ///
    /// # Errors
    ///
    /// When the URL or the token cannot be right.
    pub fn desec(name: RecordName, base: &str, token: Secret) -> Result<Self, SettingsError> {
        let token = header_value(token)?;
        Ok(Self { name, access: Access::Desec { base: base_url(base)?, token } })
    }

    /// The dyndns2 protocol. In the update URL, `{name}`, `{ipv4}` and `{ipv6}` are replaced; without any of them the usual
    /// query `hostname=…&myip=…&myipv6=…` is added. The URL counts as a secret, since many have a token in them.
    ///
    /// # Errors
    ///
    /// When the URL or the login (user and password) cannot be right.
    pub fn dyndns2(
        name: RecordName,
        update_url: &Secret,
        login: Option<(&str, Secret)>,
    ) -> Result<Self, SettingsError> {
        let text = std::str::from_utf8(update_url.expose()).map_err(|_| SettingsError::Url)?;
        let template = Template::parse(text).map_err(|_| SettingsError::Placeholder)?;
        check_url(&template.example())?;
        let login = match login {
            None => None,
            // RFC 7617 section 2: the user name has no colon.
            Some((user, _)) if user.contains(':') => return Err(SettingsError::Credentials),
            Some((user, password)) => {
                let Ok(user) = String::from_utf8(text_value(Secret::new(user))?.expose().to_vec()) else {
                    return Err(SettingsError::Credentials);
                };
                Some((user, text_value(password)?))
            }
        };
        Ok(Self { name, access: Access::Dyndns2 { template, login } })
    }

    /// Dynamic updates (RFC 2136) over TCP with a transaction signature. The server is a host name or an address, with a port
    /// if it is not 53. Without a zone, the server is asked which one the name is in. The secret is in Base64, as name servers
    /// have it in their settings.
    ///
    /// # Errors
    ///
    /// As [`SettingsError`] says.
    pub fn rfc2136(
        name: RecordName,
        server: &str,
        zone: Option<RecordName>,
        (key_name, algorithm, secret): (&str, TsigAlgorithm, &Secret),
    ) -> Result<Self, SettingsError> {
        if zone.as_ref().is_some_and(|zone| !name.is_in(zone)) {
            return Err(SettingsError::NotInZone);
        }
        let key_name = crate::name::canonical(key_name).ok_or(SettingsError::KeyName)?;
        let trimmed = secret.expose().trim_ascii();
        let bytes = STANDARD.decode(trimmed).map_err(|_| SettingsError::Key)?;
        if !KEY_LENGTHS.contains(&bytes.len()) {
            return Err(SettingsError::Key);
        }
        let key = TsigKey { name: key_name, algorithm, secret: Secret::new(bytes) };
        Ok(Self { name, access: Access::Rfc2136 { server: Server::parse(server)?, zone, key } })
    }

    /// DuckDNS: the name is `NAME.duckdns.org`; `base` is the URL before `/update`, usually [`DUCKDNS_URL`].
    ///
    /// # Errors
    ///
    /// When the name is not below duckdns.org, or the URL or the token cannot be right.
    pub fn duckdns(name: RecordName, base: &str, token: Secret) -> Result<Self, SettingsError> {
        let domain: RecordName = DUCKDNS_DOMAIN.parse().map_err(|_| SettingsError::NotDuckDns)?;
        let label = match name.relative_to(&domain) {
            Some(label) if !label.is_empty() && !label.contains('.') => label.to_owned(),
            _ => return Err(SettingsError::NotDuckDns),
        };
        let token = header_value(token)?;
        Ok(Self { name, access: Access::DuckDns { base: base_url(base)?, label, token } })
    }

    /// The owner's name.
    #[must_use]
    pub fn name(&self) -> &RecordName {
        &self.name
    }

    /// The records for which the provider has a place.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        match self.access {
            Access::Desec { .. } | Access::Rfc2136 { .. } => Capabilities::Records,
            Access::Dyndns2 { .. } => Capabilities::Addresses,
            Access::DuckDns { .. } => Capabilities::AddressesAndText,
        }
    }

    /// Whether the provider has a place for a set.
    #[must_use]
    pub fn supports(&self, set: &RecordSet) -> bool {
        match self.capabilities() {
            Capabilities::Records => set.name.is_in(&self.name),
            Capabilities::Addresses | Capabilities::AddressesAndText => {
                set.name == self.name && matches!(set.kind, RecordKind::A | RecordKind::Aaaa)
            }
        }
    }

    /// The sets for which the provider has a place: those for a schedule of updates. The owner has to do without the others,
    /// or to enter them by hand elsewhere.
    #[must_use]
    pub fn supported(&self, wanted: &RecordSets) -> RecordSets {
        wanted.filtered(|set| self.supports(set))
    }

    /// The most updates that the provider is sent.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match self.access {
            // Published: 2 a second, 15 a minute, 100 an hour, 300 a day for one domain, and 2000 requests of any kind a day. An
            // update may need a second one, without the records that were refused, and two questions.
            Access::Desec { .. } => {
                const WINDOWS: &[(Duration, usize)] = &[(SECOND, 1), (MINUTE, 7), (HOUR, 50), (DAY, 150)];
                Limits { windows: WINDOWS, refresh: None }
            }
            // Providers differ, and publish no numbers; many drop a name after thirty days.
            Access::Dyndns2 { .. } => {
                const WINDOWS: &[(Duration, usize)] = &[(MINUTE, 2), (HOUR, 12), (DAY, 60)];
                Limits { windows: WINDOWS, refresh: Some(25 * DAY) }
            }
            // A server of the owner's own, or of somebody who gave the owner a key.
            Access::Rfc2136 { .. } => {
                const WINDOWS: &[(Duration, usize)] = &[(SECOND, 2), (MINUTE, 20), (HOUR, 100), (DAY, 500)];
                Limits { windows: WINDOWS, refresh: None }
            }
            Access::DuckDns { .. } => {
                const WINDOWS: &[(Duration, usize)] = &[(MINUTE, 6), (HOUR, 40), (DAY, 200)];
                Limits { windows: WINDOWS, refresh: Some(25 * DAY) }
            }
        }
    }

    /// A number that is another one, but for chance, when any setting is: for [`crate::UpdateSchedule::new`].
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let server_and_zone;
        let parts: Vec<&[u8]> = match &self.access {
            Access::Desec { base, token } => vec![b"desec", base.as_bytes(), token.expose()],
            Access::DuckDns { base, token, .. } => vec![b"duckdns", base.as_bytes(), token.expose()],
            Access::Dyndns2 { template, login: None } => vec![b"dyndns2", template.text().expose()],
            Access::Dyndns2 { template, login: Some((user, password)) } => {
                vec![b"dyndns2", template.text().expose(), user.as_bytes(), password.expose()]
            }
            Access::Rfc2136 { server, zone, key } => {
                server_and_zone = format!("{} {} {zone:?}", server.host, server.port);
                let algorithm = key.algorithm.as_str().as_bytes();
                let key = [key.name.as_bytes(), algorithm, key.secret.expose()];
                [&[b"rfc2136", server_and_zone.as_bytes()][..], &key].concat()
            }
        };
        let mut digest = Context::new(&SHA256);
        for part in [self.name.as_str().as_bytes()].into_iter().chain(parts) {
            digest.update(&part.len().to_le_bytes());
            digest.update(part);
        }
        let digest = digest.finish();
        digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The texts that must not appear in an error, as they are sent.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        match &self.access {
            Access::Desec { token, .. } | Access::DuckDns { token, .. } => vec![token.expose().to_vec()],
            Access::Dyndns2 { template, login } => {
                let login = login.iter().flat_map(|(user, password)| {
                    [password.expose().to_vec(), basic_credentials(user, password).into_bytes()]
                });
                template.secrets().into_iter().chain(login).collect()
            }
            // The key never leaves this process.
            Access::Rfc2136 { .. } => Vec::new(),
        }
    }
}

impl std::str::FromStr for TsigAlgorithm {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let all = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];
        let mut fitting = all
            .into_iter()
            .filter(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text.trim_end_matches('.')));
        fitting.next().ok_or(SettingsError::Algorithm)
    }
}

impl TsigAlgorithm {
    /// The name of the algorithm (RFC 8945 section 6), without a dot at its end.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}

impl Server {
    /// host / host ":" port / IPv6 address / "[" IPv6 address "]" ":" port
    fn parse(text: &str) -> Result<Self, SettingsError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port: DNS_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| SettingsError::Server)?),
            None => (text, DNS_PORT),
        };
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match literal {
            Some(address) => address.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string()),
            None => crate::name::canonical(host),
        };
        Ok(Self { host: host.ok_or(SettingsError::Server)?, port })
    }
}

/// A login as it stands in a header field (RFC 7617 section 2).
pub(crate) fn basic_credentials(user: &str, password: &Secret) -> String {
    STANDARD.encode([user.as_bytes(), b":", password.expose()].concat())
}

/// A token as it stands in a header field or a query.
fn header_value(token: Secret) -> Result<Secret, SettingsError> {
    let text = token.expose().trim_ascii();
    let fits = (1..=SECRET_LIMIT).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    if fits { Ok(Secret::new(text)) } else { Err(SettingsError::Credentials) }
}

/// A user name or a password, which goes out in Base64.
fn text_value(secret: Secret) -> Result<Secret, SettingsError> {
    let text = secret.expose();
    let fits = (1..=SECRET_LIMIT).contains(&text.len()) && !text.iter().any(u8::is_ascii_control);
    if fits { Ok(secret) } else { Err(SettingsError::Credentials) }
}

fn base_url(text: &str) -> Result<String, SettingsError> {
    let text = text.trim().trim_end_matches('/');
    check_url(text)?;
    if text.contains(['?', '#']) { Err(SettingsError::Url) } else { Ok(text.to_owned()) }
}

fn check_url(text: &str) -> Result<(), SettingsError> {
    if text.len() > URL_LIMIT {
        return Err(SettingsError::Url);
    }
    let uri: Uri = text.parse().map_err(|_| SettingsError::Url)?;
    let host = uri.host().unwrap_or_default();
    // A login before an `@` would not be sent.
    let has_login = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
    let fits = match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_of_home(host),
        _ => false,
    };
    if fits && !has_login { Ok(()) } else { Err(SettingsError::Url) }
}

/// Whether this is an address of this machine or of a home network.
fn is_of_home(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    match address {
        Ok(IpAddr::V4(address)) => address.is_loopback() || Ipv4Addr::is_private(&address),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use mail_types::Secret;

    use super::{
        Capabilities, DESEC_URL, DUCKDNS_URL, ProviderSettings, Server, SettingsError, TsigAlgorithm,
    };
    use crate::RecordName;

    fn name(text: &str) -> RecordName {
        text.parse().unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn rfc2136(
        server: &str,
        zone: Option<&str>,
        key: (&str, &str),
    ) -> Result<ProviderSettings, SettingsError> {
        let zone = zone.map(name);
        let key = (key.0, TsigAlgorithm::HmacSha256, &secret(key.1));
        ProviderSettings::rfc2136(name("box.home.example"), server, zone, key)
    }

    const KEY: (&str, &str) = ("Key.", "AAECAwQFBgcICQ==");

    #[test]
    fn what_cannot_be_right_is_refused() {
        let desec =
            |base: &str, token: &str| ProviderSettings::desec(name("home.example"), base, secret(token));
        assert!(desec(DESEC_URL, " token\n").is_ok());
        assert!(desec("http://127.0.0.1:8080/api/", "token").is_ok());
        for base in
            ["http://desec.io", "desec.io", "ftp://desec.io", "https://u:p@desec.io", "https://a/?b", ""]
        {
            assert_eq!(desec(base, "token").unwrap_err(), SettingsError::Url, "{base}");
        }
        for token in ["", "two words", "t\u{f6}ken", &"t".repeat(1025)] {
            assert_eq!(desec(DESEC_URL, token).unwrap_err(), SettingsError::Credentials);
        }
        let duck = |text: &str| ProviderSettings::duckdns(name(text), DUCKDNS_URL, secret("t"));
        assert!(duck("us.duckdns.org").is_ok());
        for text in ["duckdns.org", "a.us.duckdns.org", "us.example.org", "usduckdns.org"] {
            assert_eq!(duck(text).unwrap_err(), SettingsError::NotDuckDns, "{text}");
        }
        assert!(rfc2136("ns.example:53", Some("home.example"), KEY).is_ok());
        assert_eq!(rfc2136("ns.example:x", None, KEY).unwrap_err(), SettingsError::Server);
        assert_eq!(rfc2136("ns.example", Some("example.org"), KEY).unwrap_err(), SettingsError::NotInZone);
        assert_eq!(rfc2136("ns.example", None, ("", KEY.1)).unwrap_err(), SettingsError::KeyName);
        assert_eq!(rfc2136("ns.example", None, ("k", "AAAA")).unwrap_err(), SettingsError::Key);
        assert_eq!(rfc2136("ns.example", None, ("k", "not base64")).unwrap_err(), SettingsError::Key);
        assert_eq!("HMAC-SHA512.".parse(), Ok(TsigAlgorithm::HmacSha512));
        assert_eq!("hmac-md5".parse::<TsigAlgorithm>(), Err(SettingsError::Algorithm));
    }

    #[test]
    fn a_server_is_a_host_or_an_address_with_a_port_or_without() {
        for (text, host, port) in [
            ("ns.example", "ns.example", 53),
            ("NS.example:5300", "ns.example", 5300),
            ("192.0.2.1", "192.0.2.1", 53),
            ("192.0.2.1:54", "192.0.2.1", 54),
            ("2001:db8::53", "2001:db8::53", 53),
            ("[2001:db8::53]:54", "2001:db8::53", 54),
        ] {
            assert_eq!(Server::parse(text), Ok(Server { host: host.into(), port }), "{text}");
        }
        for text in ["", ":53", "a b", "[::1]", "ns.example:70000", "[192.0.2.1]:53"] {
            assert_eq!(Server::parse(text), Err(SettingsError::Server), "{text}");
        }
    }

    #[test]
    fn every_setting_is_in_the_fingerprint_and_no_secret_is_shown() {
        let url = |url: &str| ProviderSettings::dyndns2(name("home.example"), &secret(url), None);
        let login = |user: &str, password: &str| {
            let login = Some((user, secret(password)));
            ProviderSettings::dyndns2(name("home.example"), &secret("https://a.example/u"), login)
        };
        let all = [
            ProviderSettings::desec(name("home.example"), DESEC_URL, secret("hush1")),
            ProviderSettings::desec(name("home.example"), DESEC_URL, secret("hush2")),
            ProviderSettings::desec(name("away.example"), DESEC_URL, secret("hush1")),
            ProviderSettings::duckdns(name("home.duckdns.org"), DUCKDNS_URL, secret("hush1")),
            url("https://a.example/hush1"),
            url("https://a.example/hush2"),
            login("anna", "hush1"),
            login("anna", "hush2"),
            rfc2136("ns.example", None, KEY),
            rfc2136("ns.example:54", None, KEY),
            rfc2136("ns.example", Some("home.example"), KEY),
            rfc2136("ns.example", None, ("other", KEY.1)),
            rfc2136("ns.example", None, ("key", "aHVzaGh1c2g=")),
        ];
        let all = all.map(Result::unwrap);
        for (position, settings) in all.iter().enumerate() {
            let same = all.iter().filter(|other| other.fingerprint() == settings.fingerprint());
            assert_eq!(same.count(), 1, "{position}");
            assert!(!format!("{settings:?}").contains("hush"), "{settings:?}");
        }
    }

    #[test]
    fn providers_differ_in_what_they_have_a_place_for() {
        let login = Some(("anna", secret("p")));
        let settings =
            ProviderSettings::dyndns2(name("home.example"), &secret("https://a.example/u"), login).unwrap();
        assert_eq!(settings.capabilities(), Capabilities::Addresses);
        let mut wanted = crate::RecordSets::default();
        wanted.set_addresses(settings.name(), &["8.8.4.4".parse().unwrap()]);
        let addresses = wanted.clone();
        wanted.insert(settings.name().clone(), crate::Rdata::text("v=spf1 a ~all").unwrap());
        assert_eq!(settings.supported(&wanted), addresses);
        let settings = ProviderSettings::desec(name("home.example"), DESEC_URL, secret("t")).unwrap();
        assert_eq!(settings.supported(&wanted), wanted);
    }
}
