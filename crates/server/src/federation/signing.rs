//! Our DKIM key, and signatures with it (RFC 6376). The key is made once, and kept in the store.

use std::io::Read;

use anyhow::Context;
use dkim::{Identity, Signing, SigningKey};
use host::{clock, entropy};
use mail_types::{Domain, Secret};
use serde::{Deserialize, Serialize};
use store::{BodyReader, Store};

/// The store's setting that holds the keys.
const KEYS_SETTING: &str = "dkim.keys";
/// The selector of the first key (RFC 6376 section 3.1).
const SELECTOR: &str = "hearth";
/// The size of a piece that is read of a message, in bytes.
const PIECE: usize = 32 * 1024;

/// The keys as the store keeps them.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    selector: String,
    /// PKCS#1 or PKCS#8, base64 by the serialisation of bytes.
    der: Vec<u8>,
}

/// Signs messages of our domain.
pub(crate) struct Signer {
    /// None for an address literal, which has no place for a key.
    domain: Option<String>,
    selector: String,
    key: Option<SigningKey>,
}

/// The DNS record that publishes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// Its name.
    pub(crate) name: String,
    /// The text of the TXT record.
    pub(crate) text: String,
}

impl Signer {
    /// With the key in the store, or a new one.
    pub(crate) fn open(store: &Store, domain: &Domain) -> anyhow::Result<Self> {
        let Domain::Name(name) = domain else {
            return Ok(Self { domain: None, selector: String::new(), key: None });
        };
        let kept = match store.setting(KEYS_SETTING) {
            Some(kept) => kept,
            None => {
                let der = SigningKey::generate(&entropy::bytes()?).context("making a DKIM key")?;
                let keys = [StoredKey { selector: SELECTOR.to_owned(), der }];
                let fresh = Secret::new(serde_json::to_vec(&keys)?);
                store.setting_or_insert(KEYS_SETTING, fresh).context("keeping the DKIM key")?
            }
        };
        let keys: Vec<StoredKey> = serde_json::from_slice(kept.expose()).context("reading the DKIM keys")?;
        let StoredKey { selector, der } = keys.into_iter().next().context("there is no DKIM key")?;
        let key = SigningKey::from_der(&der).context("using the DKIM key")?;
        Ok(Self { domain: Some(name.clone()), selector, key: Some(key) })
    }

    /// The field that signs a message, with its line end; empty where there is nothing to sign with. It reads the
    /// message to its end.
    pub(crate) fn sign(&self, mut body: BodyReader) -> anyhow::Result<String> {
        let (Some(domain), Some(key)) = (&self.domain, &self.key) else { return Ok(String::new()) };
        let mut signing = Signing::new();
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            piece.clear();
            body.by_ref()
                .take(PIECE as u64)
                .read_to_end(&mut piece)
                .context("reading a message to sign it")?;
            if piece.is_empty() {
                break;
            }
            signing.push(&piece);
        }
        let identity = Identity { domain, selector: &self.selector, key };
        let field = signing.finish(identity, clock::wall()).context("signing a message")?;
        String::from_utf8(field).context("signing a message")
    }

    /// The record to be published; none for an address literal.
    pub(crate) fn record(&self) -> Option<KeyRecord> {
        let (domain, key) = (self.domain.as_ref()?, self.key.as_ref()?);
        Some(KeyRecord { name: format!("{}._domainkey.{domain}", self.selector), text: key.record() })
    }
}
