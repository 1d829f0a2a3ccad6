//! Letters from another domain with its signature (RFC 6376), made before anything is measured.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dkim::{Identity, Signing, SigningKey};
use mail_types::UnixTime;

use crate::message;

/// The domain that letters come from, and its key, whose record is in the DNS.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) domain: String,
    pub(crate) selector: String,
    /// A PKCS#1 or PKCS#8 key, in DER.
    pub(crate) key: PathBuf,
}

impl Author {
    /// The address that writes.
    pub(super) fn address(&self) -> String {
        format!("anna@{}", self.domain)
    }

    /// So many letters to this address, each signed by itself.
    pub(super) fn letters(&self, to: &str, number: usize) -> Result<Vec<String>> {
        let der = std::fs::read(&self.key).with_context(|| format!("reading {}", self.key.display()))?;
        let key = SigningKey::from_der(&der)?;
        let body = message::body(super::MESSAGE);
        let now = now()?;
        let letter = |number| {
            let text = message::header(&self.address(), to, number) + &body;
            let mut signing = Signing::new();
            signing.push(text.as_bytes());
            let identity = Identity { domain: &self.domain, selector: &self.selector, key: &key };
            let field = signing.finish(identity, now)?;
            Ok(String::from_utf8(field)? + &text)
        };
        (0..number).map(letter).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature names the time, and nothing here is a part of the product"
)]
fn now() -> Result<UnixTime> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(UnixTime(since.as_secs()))
}
