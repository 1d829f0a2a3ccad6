//! The pinned keys of Debian's archive, and the one question they answer: did one of them sign this file?
//! Only signing keys, sound hashes and keys that have not expired count.

use std::time::{Duration, SystemTime};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Timestamp, VerifyingKey};

use super::error::Error;

/// Keys of Debian's archive, as pinned in `image/keys/`.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A text with a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    /// What was signed: nothing before it and nothing behind it.
    pub(super) text: String,
    /// The fingerprint of the primary key.
    pub(super) signed_by: String,
}

impl Keyring {
    /// Reads ASCII-armoured keys and checks that each is sound in itself.
    ///
    /// # Errors
    ///
    /// Text without keys, broken or revoked keys.
    pub fn parse(armoured: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::Keys { why };
        if armoured.len() > MAX_KEYS {
            return Err(Error::TooLarge {
                what: "the file of archive keys".to_owned(),
                limit: MAX_KEYS as u64,
            });
        }
        let (keys, _) =
            SignedPublicKey::from_string_many(armoured).map_err(|error| bad(error.to_string()))?;
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| bad(error.to_string()))?;
        for key in &keys {
            let name = fingerprint(key);
            key.verify_bindings()
                .map_err(|error| bad(format!("{name} does not vouch for itself: {error}")))?;
            if !key.details.revocation_signatures.is_empty() {
                return Err(bad(format!("{name} has been revoked")));
            }
        }
        if keys.is_empty() {
            return Err(bad("there is no key in the file".to_owned()));
        }
        Ok(Self { keys })
    }

    /// The fingerprints of the primary keys, in upper-case hexadecimal digits.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(fingerprint).collect()
    }

    /// Checks a clear-signed file. One good signature by one of the keys is enough.
    pub(super) fn verify(&self, suite: &str, file: &[u8], now: SystemTime) -> Result<Verified, Error> {
        let untrusted = |why: String| Error::Untrusted { suite: suite.to_owned(), why };
        let text = std::str::from_utf8(file).map_err(|_| untrusted("it is not text".to_owned()))?;
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|error| untrusted(format!("it is not a signed text: {error}")))?;
        let signatures = message.signatures();
        if signatures.len() > MAX_SIGNATURES {
            return Err(untrusted("it has an absurd number of signatures".to_owned()));
        }
        let signed_text = message.signed_text();
        for signature in signatures.iter().filter(|signature| is_acceptable(signature, now)) {
            if let Some(key) = self.keys.iter().find(|key| is_signed_by(key, signature, &signed_text, now)) {
                return Ok(Verified { text: signed_text.replace("\r\n", "\n"), signed_by: fingerprint(key) });
            }
        }
        Err(untrusted(format!(
            "none of its {} signatures is a good one by a pinned key (image/keys); the mirror or the network may be hostile",
            signatures.len()
        )))
    }
}

fn fingerprint(key: &SignedPublicKey) -> String {
    format!("{:X}", key.primary_key.fingerprint())
}

/// A signature over a text with a sound hash, which is not from the future and has not expired.
fn is_acceptable(signature: &Signature, now: SystemTime) -> bool {
    let kind = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
    let hash = matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    );
    let Some(created) = signature.created() else { return false };
    let lifetime = signature.signature_expiration_time().map(pgp::types::Duration::as_secs);
    kind && hash && seconds(created) <= now + CLOCK_SLACK && !has_expired(created, lifetime, now)
}

fn is_signed_by(key: &SignedPublicKey, signature: &Signature, text: &str, now: SystemTime) -> bool {
    let certifications = key.details.users.iter().flat_map(|user| &user.signatures);
    if !may_sign(certifications, key.primary_key.created_at(), now, NeedsFlag::No) {
        return false;
    }
    let primary = has_sign_flag(key) && checks(&key.primary_key, signature, text);
    primary
        || key.public_subkeys.iter().any(|subkey| {
            may_sign(subkey.signatures.iter(), subkey.key.created_at(), now, NeedsFlag::Yes)
                && checks(&subkey.key, signature, text)
        })
}

fn checks(key: &impl VerifyingKey, signature: &Signature, text: &str) -> bool {
    signature.verify(key, text.as_bytes()).is_ok()
}

fn has_sign_flag(key: &SignedPublicKey) -> bool {
    key.details.users.iter().flat_map(|user| &user.signatures).any(|signature| signature.key_flags().sign())
}

/// Whether the flag that allows signing must be among what vouches for the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NeedsFlag {
    Yes,
    No,
}

/// Asks the newest of the signatures that vouch for a key. A revocation among them forbids all.
fn may_sign<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    key_created: Timestamp,
    now: SystemTime,
    flag: NeedsFlag,
) -> bool {
    let mut newest: Option<&Signature> = None;
    for signature in signatures {
        match signature.typ() {
            Some(
                SignatureType::SubkeyRevocation
                | SignatureType::CertRevocation
                | SignatureType::KeyRevocation,
            ) => {
                return false;
            }
            _ if newest.is_none_or(|other| other.created() < signature.created()) => newest = Some(signature),
            _ => {}
        }
    }
    let Some(newest) = newest else { return false };
    let lifetime = newest.key_expiration_time().map(pgp::types::Duration::as_secs);
    !has_expired(key_created, lifetime, now) && (flag == NeedsFlag::No || newest.key_flags().sign())
}

/// A lifetime of zero seconds means for ever.
fn has_expired(created: Timestamp, lifetime: Option<u32>, now: SystemTime) -> bool {
    lifetime
        .filter(|lifetime| *lifetime > 0)
        .is_some_and(|lifetime| now > seconds(created) + Duration::from_secs(u64::from(lifetime)))
}

fn seconds(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(time.as_secs()))
}

/// How far a host's clock may be behind that of whoever signed.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_KEYS: usize = 1 << 20;
const MAX_SIGNATURES: usize = 16;
