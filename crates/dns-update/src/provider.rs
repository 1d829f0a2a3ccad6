//! A DNS provider: one face for all protocols.

use std::fmt;

use https_client::HttpsClient;
use mail_types::UnixTime;

use crate::applied::{Applied, Refused};
use crate::desec::Desec;
use crate::duckdns::{Before, DuckDns};
use crate::dyndns2::Dyndns2;
use crate::error::UpdateError;
use crate::http::Http;
use crate::name::RecordName;
use crate::rdata::{Rdata, RecordKind};
use crate::records::{CHALLENGE_TTL, Changes, RecordSet};
use crate::rfc2136::Rfc2136;
use crate::settings::{Access, ProviderSettings};

/// A DNS provider with the owner's name. It asks the network once for each call, or a few times, and never by itself: the
/// time of a call is [`crate::UpdateSchedule`]'s business.
pub struct DnsProvider {
    settings: ProviderSettings,
    protocol: Protocol,
}

enum Protocol {
    Desec(Desec),
    Dyndns2(Dyndns2),
    Rfc2136(Rfc2136),
    DuckDns(DuckDns),
}

impl fmt::Debug for DnsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DnsProvider").field(&self.settings).finish()
    }
}

impl DnsProvider {
    /// The provider of these settings. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: ProviderSettings, client: HttpsClient) -> Self {
        let http = Http::new(client, settings.secrets());
        let name = settings.name.clone();
        let protocol = match settings.access.clone() {
            Access::Desec { base, token } => Protocol::Desec(Desec::new(http, base, &token, name)),
            Access::Dyndns2 { template, login } => {
                Protocol::Dyndns2(Dyndns2::new(http, template, login.as_ref()))
            }
            Access::Rfc2136 { server, zone, key } => Protocol::Rfc2136(Rfc2136::new(server, zone, key, name)),
            Access::DuckDns { base, label, token } => {
                Protocol::DuckDns(DuckDns::new(http, base, label, token))
            }
        };
        Self { settings, protocol }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// Makes changes: all of them but for those sets that the result names. Sets for which the provider has no place are
    /// among these.
    ///
    /// # Errors
    ///
    /// When none of the changes is made; or, after silence, when that is not known. All of them may be sent again.
    pub async fn apply(&self, changes: &Changes, now: UnixTime) -> Result<Applied, UpdateError> {
        let (fit, unfit): (Vec<_>, Vec<_>) =
            changes.sets().iter().cloned().partition(|set| self.settings.supports(set));
        let reason = "The DNS provider has no place for such a record.";
        let unfit = unfit.into_iter().map(|set| Refused { set, reason: reason.to_owned() });
        let mut applied =
            if fit.is_empty() { Applied::default() } else { self.replace(&fit, changes, now).await? };
        applied.refused.extend(unfit);
        Ok(applied)
    }

    async fn replace(
        &self,
        sets: &[RecordSet],
        changes: &Changes,
        now: UnixTime,
    ) -> Result<Applied, UpdateError> {
        let addresses = changes.wanted().addresses(&self.settings.name);
        match &self.protocol {
            Protocol::Desec(desec) => desec.replace(sets, now).await,
            Protocol::Rfc2136(server) => server.replace(sets, now).await.map(|()| Applied::default()),
            Protocol::Dyndns2(_) if addresses == (None, None) => {
                let words = "The DNS provider's protocol (dyndns2) cannot remove addresses.";
                Err(UpdateError::Records(words.to_owned()))
            }
            Protocol::Dyndns2(provider) => {
                provider.update(&self.settings.name, addresses, now).await.map(|()| Applied::default())
            }
            Protocol::DuckDns(service) => {
                let removes = sets.iter().any(|set| set.data.is_empty());
                let before = if removes { Before::Cleared } else { Before::Kept };
                service.update(addresses, before, now).await.map(|()| Applied::default())
            }
        }
    }

    /// Sets the answers to a certificate authority (RFC 8555 section 8.4): all texts of a name, which is
    /// `_acme-challenge` and the name to be proven; none removes them. Texts of others there are replaced.
    ///
    /// # Errors
    ///
    /// As for [`DnsProvider::apply`]; [`UpdateError::Records`] if the provider has no place for such texts, or not for so
    /// many, or the name is not the owner's.
    pub async fn set_challenge(
        &self,
        name: &RecordName,
        values: &[&str],
        now: UnixTime,
    ) -> Result<(), UpdateError> {
        if !name.is_in(&self.settings.name) {
            let words = format!("{name} does not belong to the name {}.", self.settings.name);
            return Err(UpdateError::Records(words));
        }
        let data: Result<Vec<Rdata>, _> = values.iter().map(|value| Rdata::text(value)).collect();
        let data = data.map_err(|error| UpdateError::Records(format!("The text for {name}: {error}.")))?;
        let set = RecordSet::new(name.clone(), RecordKind::Txt, CHALLENGE_TTL, data);
        match &self.protocol {
            Protocol::Desec(desec) => {
                let applied = desec.replace(&[set], now).await?;
                match applied.refused.into_iter().next() {
                    None => Ok(()),
                    Some(refused) => Err(UpdateError::Records(refused.reason)),
                }
            }
            Protocol::Rfc2136(server) => server.replace(&[set], now).await,
            Protocol::DuckDns(service) => match values {
                [] => service.clear_text(now).await,
                [value] => service.set_text(value, now).await,
                _ => Err(UpdateError::Records("DuckDNS has a place for one text only.".to_owned())),
            },
            Protocol::Dyndns2(_) => {
                let words = "The DNS provider's protocol (dyndns2) has no texts, so it cannot prove the name to a \
                             certificate authority.";
                Err(UpdateError::Records(words.to_owned()))
            }
        }
    }
}
