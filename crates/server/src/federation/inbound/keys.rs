//! The DKIM keys of other domains (RFC 6376 section 3.6.2): texts in the DNS, looked up while the sender waits.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

/// The time that the sender of a message waits for all keys of its signatures. Other relays give up after 60 s.
const LOOKUP_LIMIT: Duration = Duration::from_secs(20);

/// The answer to a question for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyAnswer {
    /// The texts at this name.
    Records(Vec<String>),
    /// The name has none, for certain.
    Absent,
    /// It cannot be told now.
    Unavailable,
}

/// The source of keys.
pub(crate) trait KeySource: Send + Sync + 'static {
    /// The texts at a name such as `selector._domainkey.chat.example`.
    fn texts<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = KeyAnswer> + Send + 'a>>;
}

/// Looks all names up, one after the other: most messages have one signature. Those that are not answered in time are
/// missing.
pub(super) async fn look_up(source: &dyn KeySource, names: Vec<String>) -> BTreeMap<String, KeyAnswer> {
    let mut answers = BTreeMap::new();
    let all = async {
        for name in names {
            let answer = source.texts(&name).await;
            answers.insert(name, answer);
        }
    };
    // What is missing counts as unavailable.
    let _ = tokio::time::timeout(LOOKUP_LIMIT, all).await;
    answers
}

/// No keys at all, until there is a resolver.
pub(crate) struct NoKeys;

impl KeySource for NoKeys {
    fn texts<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = KeyAnswer> + Send + 'a>> {
        Box::pin(std::future::ready(KeyAnswer::Unavailable))
    }
}
