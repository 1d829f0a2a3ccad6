//! The resolver: one method for each kind of question.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::{Record, RecordType};
use host::clock;
use host::locks::Mutex;
use mail_types::Tlsa;
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use crate::answers::{self, MailHosts};
use crate::cache::{Cache, Limits, Size};
use crate::error::LookupError;
use crate::name::canonical;
use crate::settings::{NameServer, RootKeys, Servers, Settings};
use crate::source::{Change, Source};
use crate::upstream::{Outcome, Recursion, Upstream};

/// The longest time of a lookup, over all name servers, packets and aliases.
pub const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// The number of questions that wait for answers at a time, with about 25 kB each; others wait for their turn, and their time
/// runs on.
const QUESTIONS_LIMIT: usize = 256;
/// The bounds of each of the four caches.
const CACHE_LIMITS: Limits = Limits { entries: 1024, bytes: 512 * 1024 };
/// No cache: for checks that must see the present.
const NO_CACHE: Limits = Limits { entries: 0, bytes: 0 };

/// A resolver; clones share its caches and connections. Names may have a trailing dot or not.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    source: Source,
    validating: Option<Upstream>,
    tls: ClientConfig,
    turns: Semaphore,
    mail_hosts: Mutex<Cache<MailHosts>>,
    addresses: Mutex<Cache<Vec<IpAddr>>>,
    texts: Mutex<Cache<Vec<String>>>,
    tlsa: Mutex<Cache<Vec<Tlsa>>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// A resolver that has asked nobody yet. Blocks on file IO.
    ///
    /// # Errors
    ///
    /// When no name server is listed, or the root's keys are no DNSKEY records.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let tls = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_root_certificates(settings.tls_roots)
            .with_no_client_auth();
        let validating = if settings.validating.is_empty() {
            None
        } else {
            let anchors = Arc::new(anchors(&settings.root_keys)?);
            Some(Upstream::new(&settings.validating, Recursion::Desired, &tls, Some(anchors))?)
        };
        let source = Source::new(settings.servers, Recursion::Desired, tls.clone())?;
        Ok(Self::with(source, validating, tls, CACHE_LIMITS))
    }

    /// A resolver that asks one server for what the server itself knows, and keeps no answers: for checks at the
    /// authoritative servers of a zone. It finds no TLSA records.
    ///
    /// # Errors
    ///
    /// When the crypto provider has no TLS version.
    pub fn at_server(&self, address: SocketAddr) -> anyhow::Result<Self> {
        let servers = Servers::Listed(vec![NameServer { address, tls_name: None }]);
        let tls = self.0.tls.clone();
        let source = Source::new(servers, Recursion::NotDesired, tls.clone())?;
        Ok(Self::with(source, None, tls, NO_CACHE))
    }

    fn with(source: Source, validating: Option<Upstream>, tls: ClientConfig, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            source,
            validating,
            tls,
            turns: Semaphore::new(QUESTIONS_LIMIT),
            mail_hosts: Mutex::new(Cache::new(limits)),
            addresses: Mutex::new(Cache::new(limits)),
            texts: Mutex::new(Cache::new(limits)),
            tlsa: Mutex::new(Cache::new(limits)),
        }))
    }

    /// The hosts that take the mail of a domain (RFC 5321 section 5.1); the domain itself if it has no MX record, whether it
    /// has addresses or not.
    ///
    /// # Errors
    ///
    /// [`LookupError::NoData`] if there are MX records, but none with a host name.
    pub async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, LookupError> {
        self.kept(&self.0.mail_hosts, domain, |name| async move {
            let outcome = self.ask(&name, RecordType::MX).await;
            match outcome.answer {
                Err(LookupError::NoData) => {
                    Outcome { answer: Ok(MailHosts::Hosts(vec![name])), lifetime: outcome.lifetime }
                }
                _ => outcome.map(|records| answers::mail_hosts(&records)),
            }
        })
        .await
    }

    /// The addresses of a host, IPv6 and IPv4 in turns (RFC 8305 section 4), at least one and at most eight of each. If the
    /// name servers fail for one family, those of the other are returned.
    ///
    /// # Errors
    ///
    /// As [`LookupError`] says.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.kept(&self.0.addresses, host, |name| async move {
            let (six, four) = tokio::join!(self.ask(&name, RecordType::AAAA), self.ask(&name, RecordType::A));
            both_families(six, four)
        })
        .await
    }

    /// The texts of a name's TXT records, the strings of each joined; at most 64 of at most 16 KiB.
    ///
    /// # Errors
    ///
    /// As [`LookupError`] says.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, LookupError> {
        self.kept(&self.0.texts, name, |name| async move {
            self.ask(&name, RecordType::TXT).await.map(|records| Ok(answers::texts(&records)))
        })
        .await
    }

    /// Forgets the texts of a name, which may have changed: a signature failed with them. False if they are not older than a
    /// minute, and asking again would be no use.
    pub fn forget(&self, name: &str) -> bool {
        canonical(name).is_some_and(|name| self.0.texts.lock().forget(&name, clock::now()))
    }

    /// The TLSA records of a name, for example `_25._tcp.mx.example`, that SMTP can use and that are proven by signatures
    /// from the root on (RFC 7672 section 2.1.1). None without a validating name server, if the zone is not signed, or if a
    /// signature is wrong: a router that strips signatures makes all of them wrong.
    ///
    /// # Errors
    ///
    /// [`LookupError::Unavailable`], after which nothing is known. Absence is no error.
    pub async fn tlsa(&self, name: &str) -> Result<Vec<Tlsa>, LookupError> {
        let Some(validating) = &self.0.validating else { return Ok(Vec::new()) };
        self.kept(&self.0.tlsa, name, |name| async move {
            let _turn = self.0.turns.acquire().await;
            let outcome = validating.ask(&name, RecordType::TLSA).await;
            match outcome.answer {
                Err(LookupError::NoData | LookupError::NoSuchDomain) => {
                    Outcome { answer: Ok(Vec::new()), lifetime: outcome.lifetime }
                }
                _ => outcome.map(|records| Ok(answers::tlsa(&records))),
            }
        })
        .await
    }

    /// The answer in the cache, or that of the name servers, which is kept.
    async fn kept<T, F, A>(&self, cache: &Mutex<Cache<T>>, name: &str, ask: A) -> Result<T, LookupError>
    where
        T: Clone + Size,
        F: Future<Output = Outcome<T>>,
        A: FnOnce(String) -> F,
    {
        let Some(name) = canonical(name) else { return Err(LookupError::NoSuchDomain) };
        if let Some(answer) = cache.lock().get(&name, clock::now()) {
            return answer;
        }
        let outcome = tokio::time::timeout(LOOKUP_LIMIT, ask(name.clone())).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::unavailable("the name servers do not answer"));
        cache.lock().insert(&name, outcome.answer.clone(), clock::now(), outcome.lifetime);
        outcome.answer
    }

    /// The records of a canonical name, asked now.
    pub(crate) async fn ask(&self, name: &str, kind: RecordType) -> Outcome<Vec<Record>> {
        let (upstream, change) = self.0.source.upstream(clock::now()).await;
        if change == Change::Changed {
            self.0.mail_hosts.lock().forget_failures();
            self.0.addresses.lock().forget_failures();
            self.0.texts.lock().forget_failures();
        }
        let _turn = self.0.turns.acquire().await;
        match upstream {
            Some(upstream) => upstream.ask(name, kind).await,
            // Not kept: it may be over any moment.
            None => Outcome {
                lifetime: Duration::ZERO,
                ..Outcome::unavailable("the network has named no name server yet")
            },
        }
    }
}

fn anchors(keys: &RootKeys) -> anyhow::Result<TrustAnchors> {
    match keys {
        RootKeys::Iana => Ok(TrustAnchors::default()),
        RootKeys::Records(text) => {
            text.parse().map_err(|error| anyhow!("the keys of the root zone cannot be read: {error}"))
        }
    }
}

/// The addresses of both families, kept no longer than the shorter of their times.
fn both_families(six: Outcome<Vec<Record>>, four: Outcome<Vec<Record>>) -> Outcome<Vec<IpAddr>> {
    let lifetime = six.lifetime.min(four.lifetime);
    let read = |answer: &Result<Vec<Record>, LookupError>| {
        answer.as_ref().map(|records| answers::addresses(records)).unwrap_or_default()
    };
    let found = answers::interleave(read(&six.answer), read(&four.answer));
    if !found.is_empty() {
        return Outcome { answer: Ok(found), lifetime };
    }
    // A temporary failure of one family leaves open whether there are addresses.
    let mut errors = [six.answer.err(), four.answer.err()].into_iter().flatten();
    let error = match (errors.next(), errors.next()) {
        (Some(error), _) if error.is_temporary() => error,
        (_, Some(error)) => error,
        _ => LookupError::NoData,
    };
    Outcome { answer: Err(error), lifetime }
}
