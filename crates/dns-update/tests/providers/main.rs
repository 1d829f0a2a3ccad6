//! The providers' protocols by HTTP, against servers of the tests' own that speak them as they are published.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desec;
mod queries;
mod secrecy;

use std::net::IpAddr;

use dns_update::{Changes, DnsProvider, ProviderSettings, RecordName, RecordSets};
use https_client::HttpsClient;
use mail_types::UnixTime;
use rustls::RootCertStore;

/// The time of all requests for which it does not matter.
const NOW: UnixTime = UnixTime(1_800_000_000);

fn name(text: &str) -> RecordName {
    text.parse().unwrap()
}

fn provider(settings: ProviderSettings) -> DnsProvider {
    DnsProvider::new(settings, HttpsClient::new(RootCertStore::empty()).unwrap())
}

/// The sets with these addresses of a name.
fn addresses(of: &str, addresses: &[&str]) -> RecordSets {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let mut sets = RecordSets::default();
    sets.set_addresses(&name(of), &addresses);
    sets
}

/// The first changes, with nothing published.
fn all(sets: &RecordSets) -> Changes {
    Changes::between(&RecordSets::default(), sets)
}
