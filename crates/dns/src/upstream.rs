//! The resolver library: its settings, one question, and the outcome in our words.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use rustls::ClientConfig;

use crate::error::LookupError;
use crate::name::absolute;
use crate::settings::NameServer;

/// The time for which one packet waits for its answer. The library sends three, and [`crate::LOOKUP_LIMIT`] ends the rest.
const PACKET_TIMEOUT: Duration = Duration::from_millis(1500);
/// The number of further packets to a silent server.
const FURTHER_PACKETS: usize = 2;
/// The number of questions that wait on one connection, over TCP or TLS; more are refused as temporary failures.
const QUESTIONS_LIMIT: usize = 256;
/// The number of aliases (CNAME) from the name asked about to the one that has the records.
const ALIASES_LIMIT: usize = 16;

/// The shortest and the longest time for which records are kept, whatever their TTL says: within an hour a changed record
/// is seen, and one without a TTL is not asked for with every message.
const RECORDS_KEPT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));
/// The same for the absence of records (RFC 2308): an owner who has just published one does not wait for hours.
const ABSENCE_KEPT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// The time for which a temporary failure is kept, shorter than the first wait of a queued message.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// Whether the name servers are to ask others for the answer (RD, RFC 1035 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recursion {
    Desired,
    NotDesired,
}

/// Whether records count only if signatures prove them (RFC 4035).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Needed,
    NotNeeded,
}

/// One or more name servers that give the same answers.
#[derive(Clone)]
pub(crate) struct Upstream {
    resolver: TokioResolver,
    proof: Proof,
}

/// The outcome of a question, and the time for which it may be kept.
pub(crate) struct Outcome<T> {
    pub(crate) answer: Result<T, LookupError>,
    pub(crate) lifetime: Duration,
}

impl<T> Outcome<T> {
    /// Temporary failure, for this reason.
    pub(crate) fn unavailable(reason: &str) -> Self {
        Self { answer: Err(LookupError::Unavailable(reason.to_owned())), lifetime: FAILURE_KEPT }
    }

    /// The name is none that a question can be asked about.
    pub(crate) fn impossible() -> Self {
        Self { answer: Err(LookupError::NoSuchDomain), lifetime: FAILURE_KEPT }
    }

    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> Result<U, LookupError>) -> Outcome<U> {
        Outcome { answer: self.answer.and_then(read), lifetime: self.lifetime }
    }
}

impl Upstream {
    /// With anchors, every answer is validated: records are found only with a proof (RFC 4035 section 4.3: secure), which the
    /// aliases on the way must have too.
    pub(crate) fn new(
        servers: &[NameServer],
        recursion: Recursion,
        tls: &ClientConfig,
        anchors: Option<Arc<TrustAnchors>>,
    ) -> anyhow::Result<Self> {
        let proof = if anchors.is_some() { Proof::Needed } else { Proof::NotNeeded };
        let servers = servers.iter().map(name_server).collect();
        let configuration = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(configuration, TokioRuntimeProvider::default())
            .with_options(options(recursion))
            .with_tls_config(tls.clone());
        if let Some(anchors) = anchors {
            builder = builder.with_trust_anchor(anchors);
        }
        let resolver = builder.build().context("preparing to ask name servers")?;
        Ok(Self { resolver, proof })
    }

    /// The records of one type that a name has, under the name or the one that it is an alias of; at least one.
    pub(crate) async fn ask(&self, name: &str, kind: RecordType) -> Outcome<Vec<Record>> {
        let Some(name) = absolute(name) else { return Outcome::impossible() };
        let lookup = match self.resolver.lookup(name.clone(), kind).await {
            Ok(lookup) => lookup,
            Err(error) => return failure(&error),
        };
        let chain = chain(&name, lookup.answers());
        let ttl = chain.iter().map(|record| record.ttl).min();
        let proven = self.proof == Proof::NotNeeded || chain.iter().all(|record| record.proof.is_secure());
        let of_kind = chain.into_iter().filter(|record| record.record_type() == kind && proven);
        let records: Vec<Record> = of_kind.cloned().collect();
        if records.is_empty() {
            return absent(ResponseCode::NoError, ttl);
        }
        let lifetime = Duration::from_secs(ttl.unwrap_or_default().into());
        Outcome { answer: Ok(records), lifetime: lifetime.clamp(RECORDS_KEPT.0, RECORDS_KEPT.1) }
    }
}

fn name_server(server: &NameServer) -> NameServerConfig {
    let mut connections = match &server.tls_name {
        Some(name) => vec![ConnectionConfig::tls(name.as_str().into())],
        None => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
    };
    for connection in &mut connections {
        connection.port = server.address.port();
    }
    NameServerConfig::new(server.address.ip(), true, connections)
}

fn options(recursion: Recursion) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = PACKET_TIMEOUT;
    options.attempts = FURTHER_PACKETS;
    options.max_active_requests = QUESTIONS_LIMIT;
    options.use_hosts_file = ResolveHosts::Never;
    options.recursion_desired = recursion == Recursion::Desired;
    // Answers are kept in caches of ours, which are bounded in bytes and keep failures too.
    options.cache_size = 0;
    options
}

/// The records that belong to the question: those of the name, and of the names that it is an alias of. The others that a
/// server may have added are not believed.
pub(crate) fn chain<'a>(name: &Name, answers: &'a [Record]) -> Vec<&'a Record> {
    let mut names = BTreeSet::from([name.to_lowercase()]);
    let mut last = name.to_lowercase();
    for _ in 0..ALIASES_LIMIT {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == last => Some(target.0.to_lowercase()),
            _ => None,
        });
        match alias {
            Some(target) if names.insert(target.clone()) => last = target,
            _ => break,
        }
    }
    let is_own = |record: &&Record| {
        record.name == last
            || (record.record_type() == RecordType::CNAME && names.contains(&record.name.to_lowercase()))
    };
    answers.iter().filter(is_own).collect()
}

fn failure<T>(error: &NetError) -> Outcome<T> {
    let reason = match error {
        NetError::Dns(DnsError::NoRecordsFound(absent)) => return no_records(absent),
        NetError::Dns(DnsError::Nsec { response, proof, .. }) if !proof.is_bogus() => {
            return absent(response.response_code, response.negative_ttl());
        }
        // What cannot be proven is not there: a router that strips signatures makes all of them wrong.
        NetError::Dns(DnsError::DnssecBogus | DnsError::Nsec { .. }) => {
            return absent(ResponseCode::NoError, None);
        }
        NetError::Dns(DnsError::ResponseCode(code)) => format!("a name server answered: {code}"),
        NetError::Timeout => "the name servers do not answer".to_owned(),
        NetError::NoConnections => "no name server can be reached".to_owned(),
        NetError::Busy => "too many questions wait for the name servers".to_owned(),
        NetError::Truncated => "the answer is too long for UDP, and does not come by TCP".to_owned(),
        _ => "the name servers gave no usable answer".to_owned(),
    };
    Outcome::unavailable(&reason)
}

fn no_records<T>(absent_records: &NoRecords) -> Outcome<T> {
    // A server that names others instead of answering is not responsible for the name.
    let is_referral = absent_records.ns.as_ref().is_some_and(|servers| !servers.is_empty());
    if is_referral && absent_records.soa.is_none() {
        return Outcome::unavailable("the name server is not responsible for the name");
    }
    absent(absent_records.response_code, absent_records.negative_ttl)
}

fn absent<T>(code: ResponseCode, ttl: Option<u32>) -> Outcome<T> {
    let error = match code {
        ResponseCode::NXDomain => LookupError::NoSuchDomain,
        ResponseCode::NoError => LookupError::NoData,
        code => return Outcome::unavailable(&format!("a name server answered: {code}")),
    };
    Outcome { answer: Err(error), lifetime: absence(ttl) }
}

fn absence(ttl: Option<u32>) -> Duration {
    Duration::from_secs(ttl.unwrap_or_default().into()).clamp(ABSENCE_KEPT.0, ABSENCE_KEPT.1)
}
