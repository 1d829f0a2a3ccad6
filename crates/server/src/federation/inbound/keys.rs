//! The DKIM keys of other domains (RFC 6376 section 3.6.2): texts in the DNS, looked up while the sender waits.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use dkim::KeyAnswer;
use dns::{LookupError, Resolver};

/// The time that the sender of a message waits for all keys of its signatures. Other relays give up after 60 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(20);

/// An answer that comes later.
pub(crate) type Lookup<'a> = Pin<Box<dyn Future<Output = KeyAnswer> + Send + 'a>>;

/// A source of keys.
pub(crate) trait KeySource: Send + Sync + 'static {
    /// The texts at a name such as `selector._domainkey.chat.example`.
    fn texts<'a>(&'a self, name: &'a str) -> Lookup<'a>;

    /// Forgets the texts of a name, with which a signature failed. True if asking again may give others.
    fn forget(&self, name: &str) -> bool;
}

impl KeySource for Resolver {
    fn texts<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            match Resolver::texts(self, name).await {
                Ok(texts) => KeyAnswer::Records(texts),
                Err(LookupError::NoSuchDomain | LookupError::NoData) => KeyAnswer::Absent,
                Err(LookupError::Unavailable(_)) => KeyAnswer::Unavailable,
            }
        })
    }

    fn forget(&self, name: &str) -> bool {
        Resolver::forget(self, name)
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
