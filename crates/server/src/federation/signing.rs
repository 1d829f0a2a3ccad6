//! Our DKIM keys, and signatures with them (RFC 6376). The first key is made once; all are kept in the store.
//!
//! ```text
//! rotate ─► Next ── its record is seen ─► Current ── the next one is Current ─► Retired ── a week ─► gone
//! ```
//!
//! The record of a retired key is needed while mail that it has signed is under way; the private half is kept as long, so
//! that a list of keys and a list of records are the same.

use std::io::Read;
use std::sync::Arc;

use anyhow::Context;
use dkim::{Identity, Signing, SigningKey};
use host::locks::Mutex;
use host::{clock, entropy};
use mail_types::{Domain, Secret, UnixTime};
use relay_policy::reachability::{KeyRole, PublicKeyRecord};
use serde::{Deserialize, Serialize};
use store::{BodyReader, Store};

/// The store's setting that holds the keys.
const KEYS_SETTING: &str = "dkim.keys";
/// The selector of the first key (RFC 6376 section 3.1); those of later ones have the date behind it.
const SELECTOR: &str = "hearth";
/// The time for which the record of a retired key is needed, in seconds: mail waits for two days in our queue, and as long
/// as others like in theirs.
const RETIREMENT: u64 = 7 * 86_400;
/// The size of a piece that is read of a message, in bytes.
const PIECE: usize = 32 * 1024;

/// A key as the store keeps it.
#[derive(Clone, Serialize, Deserialize)]
struct StoredKey {
    selector: String,
    /// PKCS#1 or PKCS#8.
    der: Vec<u8>,
    #[serde(default)]
    stage: Stage,
}

/// The stage in the life of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Next,
    #[default]
    Current,
    /// Until then its record is needed, in seconds since 1970.
    Retired(u64),
}

/// A key in use.
#[derive(Clone)]
struct Key {
    stored: StoredKey,
    pair: Arc<SigningKey>,
}

/// Signs messages of our domain.
pub(crate) struct Signer {
    /// None for an address literal, which has no place for a key.
    domain: Option<String>,
    store: Store,
    keys: Mutex<Vec<Key>>,
    /// Held by whoever changes the keys. Signing does not wait for the disk.
    changing: Mutex<()>,
}

impl Signer {
    /// With the keys in the store, or a new one. It blocks.
    pub(crate) fn open(store: &Store, domain: &Domain) -> anyhow::Result<Self> {
        let signer = |domain, keys| Self {
            domain,
            store: store.clone(),
            keys: Mutex::new(keys),
            changing: Mutex::default(),
        };
        let Domain::Name(name) = domain else { return Ok(signer(None, Vec::new())) };
        let kept = match store.setting(KEYS_SETTING) {
            Some(kept) => kept,
            None => {
                let first = StoredKey { selector: SELECTOR.to_owned(), der: fresh()?, stage: Stage::Current };
                let fresh = Secret::new(serde_json::to_vec(&[first])?);
                store.setting_or_insert(KEYS_SETTING, fresh).context("keeping the DKIM key")?
            }
        };
        let stored: Vec<StoredKey> =
            serde_json::from_slice(kept.expose()).context("reading the DKIM keys")?;
        let keys: Vec<Key> = stored.into_iter().map(Key::open).collect::<anyhow::Result<_>>()?;
        if !keys.iter().any(|key| key.stored.stage == Stage::Current) {
            anyhow::bail!("the store has no DKIM key that signs");
        }
        Ok(signer(Some(name.clone()), keys))
    }

    /// The field that signs a message, with its line end; empty where there is nothing to sign with. It reads the
    /// message to its end.
    pub(crate) fn sign(&self, mut body: BodyReader) -> anyhow::Result<String> {
        let (Some(domain), Some(key)) = (&self.domain, self.at(Stage::Current)) else {
            return Ok(String::new());
        };
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
        let identity = Identity { domain, selector: &key.stored.selector, key: &key.pair };
        let field = signing.finish(identity, clock::wall()).context("signing a message")?;
        String::from_utf8(field).context("signing a message")
    }

    /// The records to be published; none for an address literal.
    pub(crate) fn records(&self, now: UnixTime) -> Vec<PublicKeyRecord> {
        let Some(domain) = &self.domain else { return Vec::new() };
        let mut records: Vec<PublicKeyRecord> =
            self.keys.lock().iter().map(|key| key.record(domain, now)).collect();
        records.sort_by_key(|record| match record.role {
            KeyRole::Current => 0,
            KeyRole::Next => 1,
            KeyRole::Retired { .. } => 2,
        });
        records
    }

    /// The record of the key that is going to sign.
    pub(crate) fn next_record(&self, now: UnixTime) -> Option<PublicKeyRecord> {
        self.records(now).into_iter().find(|record| record.role == KeyRole::Next)
    }

    /// Makes the next key, unless there is one. It blocks.
    pub(crate) fn rotate(&self, now: UnixTime) -> anyhow::Result<()> {
        if self.domain.is_none() {
            anyhow::bail!("an address has no place for a key");
        }
        let _changing = self.changing.lock();
        let mut keys = self.keys.lock().clone();
        if keys.iter().any(|key| key.stored.stage == Stage::Next) {
            return Ok(());
        }
        let selector = selector(now, &keys);
        keys.push(Key::open(StoredKey { selector, der: fresh()?, stage: Stage::Next })?);
        self.keep(keys)
    }

    /// Signs with the next key from now on: its record was seen. True if there was one. It blocks.
    pub(crate) fn change_over(&self, now: UnixTime) -> anyhow::Result<bool> {
        let _changing = self.changing.lock();
        let mut keys = self.keys.lock().clone();
        if !keys.iter().any(|key| key.stored.stage == Stage::Next) {
            return Ok(false);
        }
        for key in &mut keys {
            key.stored.stage = match key.stored.stage {
                Stage::Next => Stage::Current,
                Stage::Current => Stage::Retired(now.0.saturating_add(RETIREMENT)),
                retired @ Stage::Retired(_) => retired,
            };
        }
        self.keep(keys)?;
        Ok(true)
    }

    /// Forgets keys whose records are not needed any more. It blocks only if there are any.
    pub(crate) fn drop_retired(&self, now: UnixTime) -> anyhow::Result<()> {
        let _changing = self.changing.lock();
        let keys = self.keys.lock().clone();
        let is_over = |key: &Key| matches!(key.stored.stage, Stage::Retired(until) if until <= now.0);
        if !keys.iter().any(is_over) {
            return Ok(());
        }
        self.keep(keys.into_iter().filter(|key| !is_over(key)).collect())
    }

    /// First on disk, then in use.
    fn keep(&self, keys: Vec<Key>) -> anyhow::Result<()> {
        let stored: Vec<&StoredKey> = keys.iter().map(|key| &key.stored).collect();
        let setting = Secret::new(serde_json::to_vec(&stored)?);
        self.store.set_setting(KEYS_SETTING, Some(setting)).context("keeping the DKIM keys")?;
        *self.keys.lock() = keys;
        Ok(())
    }

    fn at(&self, stage: Stage) -> Option<Key> {
        self.keys.lock().iter().find(|key| key.stored.stage == stage).cloned()
    }
}

impl Key {
    fn open(stored: StoredKey) -> anyhow::Result<Self> {
        let pair = Arc::new(SigningKey::from_der(&stored.der).context("using the DKIM key")?);
        Ok(Self { stored, pair })
    }

    fn record(&self, domain: &str, now: UnixTime) -> PublicKeyRecord {
        let role = match self.stored.stage {
            Stage::Next => KeyRole::Next,
            Stage::Current => KeyRole::Current,
            Stage::Retired(until) => {
                KeyRole::Retired { days_left: until.saturating_sub(now.0).div_ceil(86_400) }
            }
        };
        let name = format!("{}._domainkey.{domain}", self.stored.selector);
        PublicKeyRecord { name, text: self.pair.record(), role }
    }
}

fn fresh() -> anyhow::Result<Vec<u8>> {
    SigningKey::generate(&entropy::bytes()?).context("making a DKIM key")
}

/// A selector with the date, such as `hearth20261128`, that no other key has.
fn selector(now: UnixTime, keys: &[Key]) -> String {
    let date = message::date::utc(now).date();
    let dated = format!("{SELECTOR}{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day());
    let taken = |selector: &String| keys.iter().any(|key| key.stored.selector == *selector);
    let further = (2..).map(|number: u32| format!("{dated}-{number}"));
    std::iter::once(dated.clone()).chain(further).find(|selector| !taken(selector)).unwrap_or(dated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use mail_types::UnixTime;
    use relay_policy::reachability::KeyRole;
    use store::Store;

    use super::Signer;

    const NOW: UnixTime = UnixTime(1_795_824_000);
    const WEEK: u64 = 7 * 86_400;

    fn selectors(signer: &Signer, now: UnixTime) -> Vec<(String, KeyRole)> {
        let selector = |name: &str| name.split('.').next().unwrap().to_owned();
        signer.records(now).into_iter().map(|record| (selector(&record.name), record.role)).collect()
    }

    fn signed_by(signer: &Signer, store: &Store, selector: &str) -> bool {
        let mut spool = store.spool(100);
        spool.write_all(b"From: <a@chat.test>\r\n\r\nhi\r\n").unwrap();
        let field = signer.sign(spool.into_small().unwrap().reader()).unwrap();
        field.replace("\r\n\t", " ").contains(&format!("s={selector};"))
    }

    #[test]
    fn keys_follow_one_another_with_an_overlap_and_over_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let domain = "chat.test".parse().unwrap();
        let signer = Signer::open(&store, &domain).unwrap();
        let first = || ("hearth".to_owned(), KeyRole::Current);
        assert_eq!(selectors(&signer, NOW), [first()]);
        assert!(!signer.change_over(NOW).unwrap());
        for _ in 0..2 {
            signer.rotate(NOW).unwrap();
            assert_eq!(selectors(&signer, NOW), [first(), ("hearth20261128".to_owned(), KeyRole::Next)]);
        }
        assert!(signed_by(&signer, &store, "hearth"));

        let signer = Signer::open(&store, &domain).unwrap();
        assert!(signer.change_over(NOW).unwrap());
        assert!(signed_by(&signer, &store, "hearth20261128"));
        let later = UnixTime(NOW.0 + 86_400 - 1);
        let signer = Signer::open(&store, &domain).unwrap();
        signer.drop_retired(later).unwrap();
        let retired = KeyRole::Retired { days_left: 7 };
        assert_eq!(
            selectors(&signer, later),
            [("hearth20261128".to_owned(), KeyRole::Current), ("hearth".to_owned(), retired)]
        );
        signer.rotate(NOW).unwrap();
        assert_eq!(selectors(&signer, NOW)[1], ("hearth20261128-2".to_owned(), KeyRole::Next));
        signer.drop_retired(UnixTime(NOW.0 + WEEK)).unwrap();
        assert_eq!(selectors(&signer, NOW).len(), 2);
    }
}
