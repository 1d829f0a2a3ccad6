//! DKIM keys of other domains, as a test has them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use dkim::{Identity, KeyAnswer, Signing, SigningKey};
use host::clock;
use host::locks::Mutex;
use mail_types::UnixTime;

use crate::federation::inbound::KeySource;

/// The selector of all signatures.
const SELECTOR: &str = "s1";

/// Keys by name. Others do not exist.
#[derive(Default)]
pub(crate) struct TestKeys {
    known: Mutex<BTreeMap<String, KeyAnswer>>,
    /// The answers once the first one has been forgotten.
    later: Mutex<BTreeMap<String, KeyAnswer>>,
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
        self.known.lock().insert(name(domain), answer);
    }

    /// Sets the answer that comes once the present one has been forgotten.
    pub(crate) fn set_after_forgetting(&self, domain: &str, answer: KeyAnswer) {
        self.later.lock().insert(name(domain), answer);
    }

    /// The answer about the key of a domain.
    pub(crate) fn get(&self, domain: &str) -> KeyAnswer {
        self.known.lock()[&name(domain)].clone()
    }
}

fn name(domain: &str) -> String {
    format!("{SELECTOR}._domainkey.{domain}")
}

impl KeySource for TestKeys {
    fn texts<'a>(&'a self, name: &'a str) -> web::BoxFuture<'a, KeyAnswer> {
        let answer = self.known.lock().get(name).cloned().unwrap_or(KeyAnswer::Absent);
        Box::pin(std::future::ready(answer))
    }

    fn forget(&self, name: &str) -> bool {
        let later = self.later.lock().remove(name);
        let changed = later.is_some();
        self.known.lock().extend(later.map(|answer| (name.to_owned(), answer)));
        changed
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
