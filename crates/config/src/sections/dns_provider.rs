//! `[dns_provider]`: the provider of the domain's records, which the server changes by itself.

use std::net::SocketAddr;

use mail_types::{Domain, Secret};

use crate::finding::Severity;
use crate::model::{DnsProvider, TsigAlgorithm};
use crate::reader::Reader;

/// The domain below which DuckDNS gives names.
const DUCKDNS: &str = ".duckdns.org";
/// The address of dyndns2's update, as most providers have it.
const UPDATE_PATH: &str = "/nic/update";

/// All keys of the table, as texts: which of them are needed depends on the kind.
struct Texts {
    token: String,
    url: String,
    user: String,
    password: String,
    server: Option<SocketAddr>,
    zone: String,
    key_name: String,
    key_algorithm: TsigAlgorithm,
    key: String,
}

pub(crate) fn dns_provider(table: &mut Reader, domain: &Domain) -> Option<DnsProvider> {
    let kind = table.take_with("kind", Kind::Unsaid, kind);
    let mut text = |key| table.take_with(key, String::new(), without_control_characters);
    let (token, url, user, password) = (text("token"), text("url"), text("user"), text("password"));
    let (zone, key_name, key) = (text("zone"), text("key_name"), text("key"));
    let texts = Texts {
        token,
        url,
        user,
        password,
        zone,
        key_name,
        key,
        server: table.take_with("server", None, server),
        key_algorithm: table.take_with("key_algorithm", TsigAlgorithm::HmacSha256, algorithm),
    };
    match kind.or_guess(&texts, domain)? {
        Kind::Unsaid => None,
        Kind::Desec => texts.with_token(table, |token, url| DnsProvider::Desec { token, url }),
        Kind::DuckDns => texts.with_token(table, |token, url| DnsProvider::DuckDns { token, url }),
        Kind::DynDns2 => texts.dyndns2(table),
        Kind::Rfc2136 => texts.rfc2136(table),
    }
}

/// The protocol that the provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// To be guessed from domain and token.
    Unsaid,
    Desec,
    DuckDns,
    DynDns2,
    Rfc2136,
}

impl Kind {
    /// A token alone is enough for the providers whose names say what they are.
    fn or_guess(self, texts: &Texts, domain: &Domain) -> Option<Self> {
        match (self, domain) {
            (Self::Unsaid, _) if texts.token.is_empty() => None,
            (Self::Unsaid, Domain::Name(name)) if name.ends_with(DUCKDNS) => Some(Self::DuckDns),
            (Self::Unsaid, _) => Some(Self::Desec),
            (said, _) => Some(said),
        }
    }
}

impl Texts {
    fn with_token(
        self,
        table: &mut Reader,
        provider: impl FnOnce(Secret, Option<String>) -> DnsProvider,
    ) -> Option<DnsProvider> {
        let token = needed(table, "token", self.token, "Copy the token from the provider's page.")?;
        let url = (!self.url.is_empty()).then_some(self.url);
        Some(provider(Secret::new(token.into_bytes()), url))
    }

    fn dyndns2(self, table: &mut Reader) -> Option<DnsProvider> {
        let advice = "Copy the address for updates from the provider's page.";
        let url = needed(table, "url", self.url, advice)?;
        let login = (!self.user.is_empty()).then(|| (self.user, Secret::new(self.password.into_bytes())));
        let url = if url.contains("://") { url } else { format!("https://{url}{UPDATE_PATH}") };
        Some(DnsProvider::DynDns2 { url: Secret::new(url.into_bytes()), login })
    }

    fn rfc2136(self, table: &mut Reader) -> Option<DnsProvider> {
        let Some(server) = self.server else {
            let advice = "Give the primary server's address, as server = \"192.0.2.53:53\".";
            table.report("server", Severity::Error, "Dynamic updates go to a name server.", advice);
            return None;
        };
        let key_name = needed(table, "key_name", self.key_name, "Give the TSIG key's name.")?;
        let key = needed(table, "key", self.key, "Give the TSIG key, in base64.")?;
        Some(DnsProvider::Rfc2136 {
            server,
            zone: (!self.zone.is_empty()).then_some(self.zone),
            key_name,
            key_algorithm: self.key_algorithm,
            key: Secret::new(key.into_bytes()),
        })
    }
}

/// A value without which the provider cannot be asked.
fn needed(table: &mut Reader, key: &str, value: String, advice: &str) -> Option<String> {
    if value.is_empty() {
        table.report(key, Severity::Error, format!("The provider wants a {key}."), advice);
        return None;
    }
    Some(value)
}

fn kind(text: String) -> Result<Kind, String> {
    match text.as_str() {
        "" => Ok(Kind::Unsaid),
        "desec" => Ok(Kind::Desec),
        "duckdns" => Ok(Kind::DuckDns),
        "dyndns2" => Ok(Kind::DynDns2),
        "rfc2136" => Ok(Kind::Rfc2136),
        _ => Err(format!("{text:?} is neither \"desec\" nor \"duckdns\" nor \"dyndns2\" nor \"rfc2136\".")),
    }
}

fn algorithm(text: String) -> Result<TsigAlgorithm, String> {
    match text.as_str() {
        "hmac-sha256" => Ok(TsigAlgorithm::HmacSha256),
        "hmac-sha384" => Ok(TsigAlgorithm::HmacSha384),
        "hmac-sha512" => Ok(TsigAlgorithm::HmacSha512),
        _ => Err(format!("{text:?} is neither \"hmac-sha256\" nor \"hmac-sha384\" nor \"hmac-sha512\".")),
    }
}

fn server(text: String) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)));
    address
        .map(Some)
        .ok_or_else(|| format!("{text:?} is not an address, as \"192.0.2.53\" or \"192.0.2.53:53\"."))
}

/// The value itself is not in the message: it may be a secret.
fn without_control_characters(text: String) -> Result<String, String> {
    if text.contains(char::is_control) {
        Err("The value has a line break or another control character in it.".to_owned())
    } else if text.contains('*') {
        Err("The value is a row of asterisks: it was taken over by another card. Type it again.".to_owned())
    } else {
        Ok(text)
    }
}
