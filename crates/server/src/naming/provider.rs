//! The provider of the domain's records, as the configuration names it.

use anyhow::Context;
use config::{Config, DnsProvider as Configured, TsigAlgorithm as ConfiguredAlgorithm};
use dns_update::{DESEC_URL, DUCKDNS_URL, ProviderSettings, RecordName, TsigAlgorithm};
use mail_types::Domain;

/// deSEC's service that tells the address that it is asked from.
const DESEC_ADDRESS_SERVICE: &str = "https://checkipv4.dedyn.io/";

/// The settings of the provider; none if the records are the owner's to write.
///
/// # Errors
///
/// When they cannot be right.
pub(super) fn settings(config: &Config) -> anyhow::Result<Option<ProviderSettings>> {
    let (Some(provider), Domain::Name(name)) = (&config.dns_provider, &config.domain) else {
        return Ok(None);
    };
    let name: RecordName = name.parse().context("using the domain as a name of records")?;
    let settings = match provider {
        Configured::Desec { token, url } => {
            ProviderSettings::desec(name, url.as_deref().unwrap_or(DESEC_URL), token.clone())
        }
        Configured::DuckDns { token, url } => {
            ProviderSettings::duckdns(name, url.as_deref().unwrap_or(DUCKDNS_URL), token.clone())
        }
        Configured::DynDns2 { url, login } => {
            let login = login.as_ref().map(|(user, password)| (user.as_str(), password.clone()));
            ProviderSettings::dyndns2(name, url, login)
        }
        Configured::Rfc2136 { server, zone, key_name, key_algorithm, key } => {
            let zone = zone.as_deref().map(str::parse).transpose().context("using dns_provider.zone")?;
            let algorithm = match key_algorithm {
                ConfiguredAlgorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
                ConfiguredAlgorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
                ConfiguredAlgorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
            };
            ProviderSettings::rfc2136(name, &server.to_string(), zone, (key_name, algorithm, key))
        }
    };
    settings.map(Some).context("using [dns_provider] of the configuration")
}

/// The service that tells this network's public address: the one of the configuration, or the provider's own.
pub(super) fn address_service(config: &Config) -> Option<String> {
    let own = matches!(config.dns_provider, Some(Configured::Desec { url: None, .. }));
    config.router.address_service.clone().or_else(|| own.then(|| DESEC_ADDRESS_SERVICE.to_owned()))
}
