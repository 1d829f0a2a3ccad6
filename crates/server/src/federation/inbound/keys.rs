//! The DKIM keys of other domains (RFC 6376 section 3.6.2): texts in the DNS, looked up while the sender waits.

use std::collections::BTreeMap;
use std::time::Duration;

use dkim::KeyAnswer;
use dns::{LookupError, Resolver};
use web::BoxFuture;

/// The time that the sender of a message waits for all keys of its signatures. Other relays give up after 60 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(20);

/// A source of keys.
pub(crate) trait KeySource: Send + Sync + 'static {
    /// The texts at a name such as `selector._domainkey.chat.example`.
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, KeyAnswer>;

    /// Forgets the texts of a name, with which a signature failed. True if asking again may give others.
    fn forget(&self, name: &str) -> bool;
}

/// The DNS.
pub(crate) struct DnsKeys(pub(crate) Resolver);

impl KeySource for DnsKeys {
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, KeyAnswer> {
        Box::pin(async move {
            match self.0.texts(name).await {
                Ok(texts) => KeyAnswer::Records(texts),
                Err(LookupError::NoSuchDomain | LookupError::NoData) => KeyAnswer::Absent,
                Err(LookupError::Unavailable(_)) => KeyAnswer::Unavailable,
            }
        })
    }

    fn forget(&self, name: &str) -> bool {
        self.0.forget(name)
    }
}

/// The answers for all names, looked up one after the other: most messages have one signature. Those that do not come in
/// time are missing.
pub(super) async fn look_up(source: &dyn KeySource, names: &[String]) -> BTreeMap<String, KeyAnswer> {
    let mut answers = BTreeMap::new();
    let all = async {
        for name in names {
            answers.insert(name.clone(), source.texts(name).await);
        }
    };
    // An answer that is missing counts as unavailable.
    let _ = tokio::time::timeout(LOOKUP_LIMIT, all).await;
    answers
}
