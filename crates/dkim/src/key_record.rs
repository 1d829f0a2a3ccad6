//! A key's TXT record, read (RFC 6376 section 3.6.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::public_key::{Algorithm, PublicKey, UnusableKey};
use crate::tags::{Tags, members};
use crate::verdict::Flaw;

/// The longest record read, in bytes. A key of 4096 bits takes 800.
const RECORD_LIMIT: usize = 8 * 1024;

/// A key that may have signed mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    pub(crate) key: PublicKey,
    /// Flag `s` of `t=`: `i=` must not be below `d=`.
    pub(crate) exact_identity: bool,
}

impl KeyRecord {
    /// Reads a record as the key of a signature by this algorithm.
    ///
    /// Quirk: blanks, line ends and quotation marks are skipped wherever they stand, since web panels of DNS providers
    /// leave them in records; other relays read records in the same way.
    pub(crate) fn parse(record: &str, algorithm: Algorithm) -> Result<Self, Flaw> {
        if record.len() > RECORD_LIMIT {
            return Err(Flaw::KeyRecord);
        }
        let record: String = record.chars().filter(|character| !" \t\r\n\"".contains(*character)).collect();
        let tags = Tags::parse(record.as_bytes()).map_err(|_| Flaw::KeyRecord)?;
        let version = tags.get("v");
        if version.is_some_and(|version| version != "DKIM1" || !tags.starts_with("v")) {
            return Err(Flaw::KeyRecord);
        }
        let key = tags.get("p").ok_or(Flaw::KeyRecord)?;
        if key.is_empty() {
            return Err(Flaw::RevokedKey);
        }
        let allows = |tag: &str, names: &[&str]| {
            tags.get(tag).is_none_or(|value| members(value).any(|member| names.contains(&member)))
        };
        let of_type = tags.get("k").unwrap_or("rsa") == algorithm.key_type();
        if !of_type || !allows("h", &["sha256"]) || !allows("s", &["*", "email"]) {
            return Err(Flaw::KeyUse);
        }
        let has_flag = |flag| tags.get("t").is_some_and(|flags| members(flags).any(|member| member == flag));
        // A message signed by a key on trial is not to be treated differently from an unsigned one.
        if has_flag("y") {
            return Err(Flaw::KeyOnTrial);
        }
        let key = STANDARD.decode(key).map_err(|_| Flaw::KeyRecord)?;
        let key = PublicKey::parse(algorithm, &key).map_err(|unusable| match unusable {
            UnusableKey::Malformed => Flaw::KeyRecord,
            UnusableKey::Size => Flaw::KeySize,
        })?;
        Ok(Self { key, exact_identity: has_flag("s") })
    }
}
