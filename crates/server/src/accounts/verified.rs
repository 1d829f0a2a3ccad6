//! Passwords that were found right since the start: a keyed digest each, so that a repeated login costs microseconds.
//! They are in memory only, under a key that was drawn at the start.

use std::collections::HashMap;

use host::locks::Mutex;
use mail_types::{Address, Secret};
use ring::hmac;

/// The digests by account; as many as there are accounts, at most.
pub(crate) struct Verified {
    key: hmac::Key,
    digests: Mutex<HashMap<Address, hmac::Tag>>,
}

impl Verified {
    /// An empty set under this key.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), digests: Mutex::default() }
    }

    /// True if this very password was found right before.
    pub(crate) fn knows(&self, account: &Address, password: &Secret) -> bool {
        let digest = self.digests.lock().get(account).copied();
        digest.is_some_and(|digest| {
            hmac::verify(&self.key, &message(account, password), digest.as_ref()).is_ok()
        })
    }

    /// Adds a password that is right.
    pub(crate) fn remember(&self, account: &Address, password: &Secret) {
        let digest = hmac::sign(&self.key, &message(account, password));
        self.digests.lock().insert(account.clone(), digest);
    }
}

/// An address holds no zero byte, so the two parts cannot be taken for others.
pub(super) fn message(account: &Address, password: &Secret) -> Vec<u8> {
    [account.to_string().as_bytes(), &[0], password.expose()].concat()
}

#[cfg(test)]
mod tests {
    use mail_types::Secret;

    use crate::accounts::verified::Verified;

    #[test]
    fn only_the_remembered_password_is_known() {
        let verified = Verified::new(&[1; 32]);
        let (anna, berta) = ("anna@example.org".parse().unwrap(), "berta@example.org".parse().unwrap());
        verified.remember(&anna, &Secret::new("one"));
        assert!(verified.knows(&anna, &Secret::new("one")));
        assert!(!verified.knows(&anna, &Secret::new("two")));
        assert!(!verified.knows(&berta, &Secret::new("one")));
    }
}
