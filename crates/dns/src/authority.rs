//! The authoritative servers of a zone.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::rr::{RData, RecordType};

use crate::error::LookupError;
use crate::name::canonical;
use crate::resolver::Resolver;

/// The longest time of the search, over all zones and servers.
const SEARCH_LIMIT: Duration = Duration::from_secs(15);
/// The number of servers that are returned.
const SERVERS_LIMIT: usize = 8;

/// A server that is authoritative for a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoritativeServer {
    /// Its name, without a trailing dot.
    pub name: String,
    /// Its addresses; none if they cannot be found.
    pub addresses: Vec<IpAddr>,
}

impl Resolver {
    /// The authoritative servers of the zone that a name is in, by name; at most eight. Asks the recursive name servers, and
    /// keeps nothing but the addresses.
    ///
    /// # Errors
    ///
    /// [`LookupError::NoSuchDomain`] if no zone between the name and the root is found; otherwise temporary.
    pub async fn authoritative_servers(&self, name: &str) -> Result<Vec<AuthoritativeServer>, LookupError> {
        let name = canonical(name).ok_or(LookupError::NoSuchDomain)?;
        let searched = tokio::time::timeout(SEARCH_LIMIT, self.search(&name)).await;
        searched
            .unwrap_or_else(|_| Err(LookupError::Unavailable("the name servers do not answer".to_owned())))
    }

    async fn search(&self, name: &str) -> Result<Vec<AuthoritativeServer>, LookupError> {
        let mut zone = name;
        loop {
            let names = self.servers_of(zone).await?;
            if !names.is_empty() {
                let mut servers = Vec::new();
                for name in names {
                    let addresses = self.addresses(&name).await.unwrap_or_default();
                    servers.push(AuthoritativeServer { name, addresses });
                }
                return Ok(servers);
            }
            (_, zone) = zone.split_once('.').ok_or(LookupError::NoSuchDomain)?;
        }
    }

    /// The names in the NS records of this very name; none if it is no zone.
    async fn servers_of(&self, zone: &str) -> Result<Vec<String>, LookupError> {
        let records = match self.ask(zone, RecordType::NS).await.answer {
            Err(LookupError::NoSuchDomain | LookupError::NoData) => return Ok(Vec::new()),
            other => other?,
        };
        let own = records.iter().filter(|record| canonical(&record.name.to_ascii()).as_deref() == Some(zone));
        let mut names: Vec<String> = own
            .filter_map(|record| match &record.data {
                RData::NS(server) => canonical(&server.0.to_ascii()),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names.truncate(SERVERS_LIMIT);
        Ok(names)
    }
}
