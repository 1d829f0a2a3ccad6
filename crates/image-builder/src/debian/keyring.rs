//! The pinned OpenPGP keys of Debian's archive, and the verification of clear-signed files by them. Only keys that may sign
//! and have not expired, and only SHA-2 hashes, count.

use std::time::{Duration, SystemTime};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Timestamp, VerifyingKey};

use super::error::Error;

/// The pinned keys of `image/keys/`.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A text whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    /// The signed text, without anything before and behind it.
    pub(super) text: String,
    /// The fingerprint of the primary key.
    pub(super) signed_by: String,
}

impl Keyring {
    /// Reads ASCII-armoured keys and checks their binding signatures.
    ///
    /// # Errors
    ///
    /// Text without keys, broken or revoked keys.
    pub fn parse(armoured: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::Keys { why };
        if armoured.len() > MAX_KEYRING_SIZE {
            return Err(Error::TooLarge {
                what: "the file of archive keys".to_owned(),
                limit: MAX_KEYRING_SIZE as u64,
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

    /// Verifies a clear-signed file (RFC 9580 section 7). One good signature by one of the keys is enough.
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

/// Whether a signature is over a text, with a SHA-2 hash, not from the future and not expired.
fn is_acceptable(signature: &Signature, now: SystemTime) -> bool {
    let kind = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
    let hash = matches!(
        signature.hash_alg(),
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
    );
    let Some(created) = signature.created() else { return false };
    let lifetime = signature.signature_expiration_time().map(pgp::types::Duration::as_secs);
    kind && hash && seconds(created) <= now + CLOCK_TOLERANCE && !has_expired(created, lifetime, now)
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

/// Whether the newest self-signature must have the key flag for signing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NeedsFlag {
    Yes,
    No,
}

/// Whether a key may sign at `now`, by the newest of its self-signatures. A revocation among them forbids it.
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

/// Whether a lifetime in seconds has passed; zero is unlimited (RFC 9580 sections 5.2.3.13 and 5.2.3.18).
fn has_expired(created: Timestamp, lifetime: Option<u32>, now: SystemTime) -> bool {
    lifetime
        .filter(|lifetime| *lifetime > 0)
        .is_some_and(|lifetime| now > seconds(created) + Duration::from_secs(u64::from(lifetime)))
}

fn seconds(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(time.as_secs()))
}

/// A host's clock may be behind the signer's by this much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);
/// In bytes.
const MAX_KEYRING_SIZE: usize = 1 << 20;
const MAX_SIGNATURES: usize = 16;

#[cfg(test)]
mod tests {
    use pgp::composed::ArmorOptions;

    use super::*;
    use crate::debian::tests::{NOW, Signing, keyring, now, secret_key};

    const TEXT: &str = "Origin: Debian\nCodename: trixie\n- a line with a dash\n\nlast";
    const PINNED: &str = include_str!("../../../../image/keys/debian-archive-trixie.asc");

    fn is_untrusted(result: Result<Verified, Error>) -> bool {
        matches!(result, Err(Error::Untrusted { .. }))
    }

    #[test]
    fn the_pinned_keys_are_those_of_debian_13() {
        let mut fingerprints = Keyring::parse(PINNED).unwrap().fingerprints();
        fingerprints.sort();
        assert_eq!(
            fingerprints,
            [
                "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
                "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
                "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
            ]
        );
    }

    #[test]
    fn the_pinned_keys_end_when_debian_says() {
        let is_current = |year: u64| {
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952);
            let current = |key: &SignedPublicKey| {
                let signatures = key.details.users.iter().flat_map(|user| &user.signatures);
                may_sign(signatures, key.primary_key.created_at(), then, NeedsFlag::Yes)
            };
            Keyring::parse(PINNED).unwrap().keys.iter().filter(|key| current(key)).count()
        };
        assert_eq!([2026, 2034, 2036].map(is_current), [3, 2, 0]);
    }

    #[test]
    fn a_text_signed_by_a_pinned_key_comes_back_as_it_was_signed() {
        let key = secret_key(1);
        let verified =
            keyring(&key).verify("trixie", Signing::by(&*key).sign(TEXT).as_bytes(), now()).unwrap();
        assert_eq!(
            verified.text,
            TEXT.replace("dash ", "dash"),
            "blanks at the end of a line are not signed"
        );
        assert_eq!(verified.signed_by, format!("{:X}", key.fingerprint()));
        // By the standard, blanks at the end of a line are not part of what is signed; they do not come back either.
        let blanks = Signing::by(&*key).sign(TEXT).replace("dash\n", "dash \t\n");
        assert_eq!(keyring(&key).verify("trixie", blanks.as_bytes(), now()).unwrap(), verified);
        let by_subkey = Signing::by(&key.secret_subkeys[0].key).sign(TEXT);
        assert_eq!(keyring(&key).verify("trixie", by_subkey.as_bytes(), now()).unwrap(), verified);
    }

    #[test]
    fn one_good_signature_among_others_is_enough() {
        let (ours, other) = (secret_key(1), secret_key(2));
        let message = CleartextSignedMessage::new_many(TEXT, |text| {
            Ok(vec![Signing::by(&*other).signature(text), Signing::by(&*ours).signature(text)])
        });
        let message = message.unwrap().to_armored_string(ArmorOptions::default()).unwrap();
        assert!(keyring(&ours).verify("trixie", message.as_bytes(), now()).is_ok());
        assert!(is_untrusted(keyring(&secret_key(3)).verify("trixie", message.as_bytes(), now())));
    }

    #[test]
    fn another_key_is_refused() {
        let (ours, other) = (secret_key(1), secret_key(2));
        let signed = Signing::by(&*other).sign(TEXT);
        assert!(is_untrusted(keyring(&ours).verify("trixie", signed.as_bytes(), now())));
    }

    #[test]
    fn every_changed_character_of_the_text_is_noticed() {
        let key = secret_key(1);
        let keys = keyring(&key);
        let signed = Signing::by(&*key).sign(TEXT).into_bytes();
        let start = signed.windows(7).position(|window| window == b"Origin:").unwrap();
        let end = signed.windows(4).position(|window| window == b"last").unwrap() + 4;
        for at in start..end {
            // The dash that protects a line and the blank behind it are not part of the text.
            if signed[at..].starts_with(b"- -") || signed[at - 1..].starts_with(b"- -") || signed[at] == b' '
            {
                continue;
            }
            let mut broken = signed.clone();
            broken[at] ^= 1;
            assert!(is_untrusted(keys.verify("trixie", &broken, now())), "byte {at}");
        }
    }

    #[test]
    fn cut_unsigned_and_padded_files_are_refused() {
        let key = secret_key(1);
        let keys = keyring(&key);
        let signed = Signing::by(&*key).sign(TEXT);
        for end in 0..signed.rfind("\n=").unwrap_or(signed.len() - 40) {
            assert!(
                is_untrusted(keys.verify("trixie", signed.get(..end).unwrap().as_bytes(), now())),
                "cut at {end}"
            );
        }
        for file in
            [TEXT.to_owned(), format!("Codename: evil\n\n{signed}"), format!("{signed}\nCodename: evil\n")]
        {
            assert!(is_untrusted(keys.verify("trixie", file.as_bytes(), now())), "{file}");
        }
        assert!(is_untrusted(keys.verify("trixie", b"\xff\xfe", now())));
    }

    #[test]
    fn signatures_from_the_future_and_expired_ones_are_refused() {
        let key = secret_key(1);
        let verify =
            |signing: Signing<'_, _>| keyring(&key).verify("trixie", signing.sign(TEXT).as_bytes(), now());
        assert!(verify(Signing { created: NOW - 100, lifetime: 200, ..Signing::by(&*key) }).is_ok());
        assert!(is_untrusted(verify(Signing { created: NOW - 100, lifetime: 50, ..Signing::by(&*key) })));
        assert!(is_untrusted(verify(Signing { created: NOW + 2 * 86_400, ..Signing::by(&*key) })));
    }

    #[test]
    fn files_without_sound_keys_are_refused() {
        for text in
            ["", "no key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"]
        {
            assert!(matches!(Keyring::parse(text), Err(Error::Keys { .. })), "{text}");
        }
        let half = PINNED.get(..PINNED.len() / 2).unwrap();
        assert!(matches!(Keyring::parse(half), Err(Error::Keys { .. })));
    }
}
