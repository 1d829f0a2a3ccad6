//! The authoritative servers of our domain, asked directly: caches elsewhere may have yesterday's records.

use std::net::{IpAddr, SocketAddr};

use dns::{AuthoritativeServer, LookupError, RecordKind, Resolver};
use relay_policy::reachability::Seen;
use tokio::task::JoinSet;

/// The most servers that are asked.
const SERVERS: usize = 4;
/// The most addresses of a server that are tried.
const ADDRESSES: usize = 4;

/// The name servers that are responsible for a domain.
pub(crate) struct Zone {
    servers: Vec<Resolver>,
    /// For names that are aliases of names in other zones.
    recursive: Resolver,
}

impl Zone {
    /// Finds the servers of the zone that a domain is in, which listen on this port.
    ///
    /// # Errors
    ///
    /// A clause that says why there is none to ask.
    pub(crate) async fn find(resolver: &Resolver, domain: &str, port: u16) -> Result<Self, String> {
        let found = resolver.authoritative_servers(domain).await.map_err(|error| match error {
            LookupError::NoSuchDomain | LookupError::NoData => "the domain does not exist".to_owned(),
            LookupError::Unavailable(reason) => reason,
        })?;
        let mut searches = JoinSet::new();
        for AuthoritativeServer { addresses, .. } in found.into_iter().take(SERVERS) {
            let (resolver, domain) = (resolver.clone(), domain.to_owned());
            searches.spawn(async move { first_that_answers(&resolver, &domain, &addresses, port).await });
        }
        let servers: Vec<Resolver> = searches.join_all().await.into_iter().flatten().collect();
        if servers.is_empty() {
            return Err("the domain's name servers do not answer".to_owned());
        }
        Ok(Self { servers, recursive: resolver.clone() })
    }

    /// The records of a name, if the servers agree about them.
    pub(crate) async fn records(&self, name: &str, kind: RecordKind) -> Seen {
        let seen = self.own_records(name, kind).await;
        if seen != Seen::Records(Vec::new()) || kind == RecordKind::Cname {
            return seen;
        }
        // The target of an alias is often in the zone of a provider.
        match self.own_records(name, RecordKind::Cname).await {
            Seen::Records(targets) if !targets.is_empty() => {
                answer(self.recursive.records(name, kind).await).map_or_else(Seen::Unknown, Seen::Records)
            }
            _ => seen,
        }
    }

    async fn own_records(&self, name: &str, kind: RecordKind) -> Seen {
        let mut questions = JoinSet::new();
        for server in &self.servers {
            let (server, name) = (server.clone(), name.to_owned());
            questions.spawn(async move { answer(server.records(&name, kind).await) });
        }
        let mut seen = None;
        let mut trouble = "the domain's name servers do not answer".to_owned();
        for answer in questions.join_all().await {
            match (answer, &seen) {
                (Err(reason), _) => trouble = reason,
                (Ok(records), None) => seen = Some(records),
                (Ok(records), Some(others)) if records != *others => return Seen::Different,
                (Ok(_), Some(_)) => {}
            }
        }
        seen.map_or(Seen::Unknown(trouble), Seen::Records)
    }
}

/// Absence is an answer.
fn answer(records: Result<Vec<String>, LookupError>) -> Result<Vec<String>, String> {
    match records {
        Ok(records) => Ok(records),
        Err(LookupError::NoSuchDomain | LookupError::NoData) => Ok(Vec::new()),
        Err(LookupError::Unavailable(reason)) => Err(reason),
    }
}

async fn first_that_answers(
    resolver: &Resolver,
    domain: &str,
    addresses: &[IpAddr],
    port: u16,
) -> Option<Resolver> {
    for address in addresses.iter().take(ADDRESSES) {
        let Ok(server) = resolver.at_server(SocketAddr::new(*address, port)) else { continue };
        if answer(server.records(domain, RecordKind::A).await).is_ok() {
            return Some(server);
        }
    }
    None
}
