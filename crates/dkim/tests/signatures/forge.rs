//! A signer that signs anything, by rules of its own: the tags are those that it is given, however wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dkim::{Flaw, KeyAnswer, Signatures, Verdict, Verification};
use mail_types::UnixTime;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use test_support::pieces;

/// The time of all tests.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
/// The record's name of the keys here.
pub(crate) const KEY_NAME: &str = "s._domainkey.box.test";
/// A message that is whole.
pub(crate) const MESSAGE: &str =
    "From: Anna <anna@box.test>\r\nTo: ben@other.test\r\nSubject: [...]\r\n\r\nHello \r\n\r\n";

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The record of the key here.
pub(crate) fn record() -> String {
    format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key().public_key()))
}

/// A message with a signature field of these tags before it, and `bh=` and `b=` that fit (`simple/simple`).
///
/// `names` are the fields in `h=`, each of which stands in the message at most once.
pub(crate) fn forge(tags: &str, names: &str, message: &str) -> String {
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let hash = digest(&SHA256, format!("{}\r\n", body.trim_end_matches("\r\n")).as_bytes());
    let field = format!("DKIM-Signature: {tags}; h={names}; bh={}; b=", STANDARD.encode(hash));
    let mut text = String::new();
    for name in names.split(':') {
        let prefix = format!("{name}:").to_ascii_lowercase();
        if let Some(line) = header.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with(&prefix)) {
            text.push_str(&format!("{line}\r\n"));
        }
    }
    text.push_str(&field);
    let signature = key().sign(digest(&SHA256, text.as_bytes()).as_ref());
    format!("{field}{}\r\n{message}", STANDARD.encode(signature))
}

/// Reads a message in pieces.
pub(crate) fn read(message: &[u8], cuts: u64) -> Signatures {
    let mut verification = Verification::new();
    pieces(message, cuts).for_each(|piece| verification.push(piece));
    verification.finish()
}

/// The verdict about a message, the same however it comes in pieces; each key that is asked for has been announced.
#[track_caller]
pub(crate) fn judge(message: &[u8], domain: &str, records: &[(&str, &str)]) -> Verdict {
    let judged = |cuts| {
        let signatures = read(message, cuts);
        let names = signatures.key_names(domain, NOW);
        assert!(names.len() <= 5, "{names:?}");
        signatures.judge(domain, NOW, |name| {
            assert!(names.iter().any(|known| known == name), "{name} was not announced");
            let of_name = records.iter().filter(|(other, _)| *other == name);
            let found: Vec<String> = of_name.map(|(_, record)| (*record).to_owned()).collect();
            if found.is_empty() { KeyAnswer::Absent } else { KeyAnswer::Records(found) }
        })
    };
    let whole = judged(0);
    for cuts in 1..4 {
        assert_eq!(judged(cuts), whole, "cutting matters");
    }
    whole
}

/// Checks the verdict about a message of box.test with the record of the key here.
#[track_caller]
pub(crate) fn check(message: &str, expected: Result<(), Flaw>) {
    let expected = expected.map_or_else(Verdict::Invalid, |()| Verdict::Valid);
    assert_eq!(judge(message.as_bytes(), "box.test", &[(KEY_NAME, &record())]), expected, "{message}");
}
