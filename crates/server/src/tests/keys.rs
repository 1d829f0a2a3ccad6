//! DKIM keys of other domains, as a test has them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use dkim::{Identity, KeyAnswer, Signing, SigningKey};
use host::clock;
use host::locks::Mutex;
use mail_types::UnixTime;

use crate::federation::inbound::{KeySource, Lookup};

/// The selector of all signatures.
pub(crate) const SELECTOR: &str = "s1";

/// Keys by name. Others do not exist.
#[derive(Default)]
pub(crate) struct TestKeys {
    known: Mutex<BTreeMap<String, KeyAnswer>>,
    forgotten: Mutex<Vec<String>>,
}

impl TestKeys {
    /// The key of other.test is published, and the domain unsure.test does not answer.
    pub(crate) fn published() -> Arc<Self> {
        let keys = Self::default();
        keys.set("other.test", KeyAnswer::Records(vec![KEY.record()]));
        keys.set("unsure.test", KeyAnswer::Unavailable);
        Arc::new(keys)
    }

    /// Sets the answer about the key of a domain.
    pub(crate) fn set(&self, domain: &str, answer: KeyAnswer) {
        self.known.lock().insert(format!("{SELECTOR}._domainkey.{domain}"), answer);
    }
}

impl KeySource for TestKeys {
    fn texts<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        let answer = self.known.lock().get(name).cloned().unwrap_or(KeyAnswer::Absent);
        Box::pin(std::future::ready(answer))
    }

    fn forget(&self, name: &str) -> bool {
        self.forgotten.lock().push(name.to_owned());
        false
    }
}

/// The one key of all domains; making one takes a while.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let der = SigningKey::generate(&[7; 32]).unwrap();
    SigningKey::from_der(&der).unwrap()
});

/// The message behind its signature by a domain.
pub(crate) fn signed(domain: &str, message: &str) -> String {
    signed_at(domain, message, clock::wall())
}

/// The message behind a signature of this time.
pub(crate) fn signed_at(domain: &str, message: &str, now: UnixTime) -> String {
    let mut signing = Signing::new();
    signing.push(message.as_bytes());
    let field = signing.finish(Identity { domain, selector: SELECTOR, key: &KEY }, now).unwrap();
    String::from_utf8(field).unwrap() + message
}
