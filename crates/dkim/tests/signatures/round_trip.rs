//! Messages that are signed here or by the oracle, and verified by both.

use std::sync::LazyLock;

use dkim::{Flaw, Identity, KeyAnswer, Signing, SigningError, SigningKey, Verdict};
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner, NeedDomain};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer};
use test_support::{Random, pieces};

use crate::forge::{KEY_NAME, MESSAGE, NOW, judge, read};
use crate::odd_message::odd_message;
use crate::oracle::{is_comparable, is_valid};

static KEY_DER: LazyLock<Vec<u8>> = LazyLock::new(|| SigningKey::generate(&[1; 32]).unwrap());
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_der(&KEY_DER).unwrap());

fn sign_as(domain: &str, message: &[u8], cuts: u64) -> Result<Vec<u8>, SigningError> {
    let mut signing = Signing::new();
    pieces(message, cuts).for_each(|piece| signing.push(piece));
    signing.finish(Identity { domain, selector: "s", key: &KEY }, NOW)
}

fn sign(message: &[u8]) -> Vec<u8> {
    let field = sign_as("Box.test", message, 0).unwrap();
    assert_eq!(sign_as("Box.test", message, message.len() as u64), Ok(field.clone()), "cutting matters");
    [&field, message].concat()
}

/// A signature of the oracle before the message.
fn sign_by_oracle(message: &[u8], header: Canonicalization, body: Canonicalization) -> Vec<u8> {
    let key = PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(KEY_DER.as_slice()));
    let key = RsaKey::<Sha256>::from_key_der(key).unwrap();
    let signer = DkimSigner::<_, NeedDomain>::from_key(key).domain("box.test").selector("s");
    let signer = signer.headers(["From", "From", "To", "Subject", "X-Other", "Date"]);
    let signer = signer.header_canonicalization(header).body_canonicalization(body);
    let mut signing = signer.sign_streaming();
    signing.write(message);
    let field = signing.finish().unwrap().to_header();
    [field.as_bytes(), message].concat()
}

#[track_caller]
fn check_valid(message: &[u8]) {
    let record = KEY.record();
    let records = [(KEY_NAME, record.as_str())];
    let shown = String::from_utf8_lossy(message);
    assert_eq!(judge(message, "box.test", &records), Verdict::Valid, "{shown:?}");
    let agrees = is_valid(message, "box.test", &records) || !is_comparable(message);
    assert!(agrees, "the oracle disagrees: {shown:?}");
}

#[test]
fn a_signed_message_is_valid_for_its_domain_only() {
    let message = sign(MESSAGE.as_bytes());
    check_valid(&message);
    let record = KEY.record();
    for domain in ["BOX.test", "test", "mail.box.test"] {
        let expected =
            if domain == "BOX.test" { Verdict::Valid } else { Verdict::Invalid(Flaw::OtherDomain) };
        assert_eq!(judge(&message, domain, &[(KEY_NAME, &record)]), expected);
    }
    assert_eq!(judge(&message, "box.test", &[]), Verdict::Invalid(Flaw::NoKey));
    assert_eq!(judge(MESSAGE.as_bytes(), "box.test", &[]), Verdict::NoSignature);
    assert!(read(MESSAGE.as_bytes(), 0).is_empty() && !read(&message, 0).is_empty());
}

#[test]
fn odd_messages_signed_here_are_valid_to_both() {
    let mut random = Random::new(1);
    for _ in 0..150 {
        check_valid(&sign(&odd_message(&mut random)));
    }
}

#[test]
fn odd_messages_signed_by_the_oracle_are_valid_to_both() {
    let mut random = Random::new(2);
    for _ in 0..60 {
        let message = odd_message(&mut random);
        if !is_comparable(&message) {
            continue;
        }
        for header in [Canonicalization::Simple, Canonicalization::Relaxed] {
            for body in [Canonicalization::Simple, Canonicalization::Relaxed] {
                check_valid(&sign_by_oracle(&message, header, body));
            }
        }
    }
}

#[test]
fn no_mutation_is_valid_here_and_not_to_the_oracle() {
    let mut random = Random::new(3);
    let record = KEY.record();
    let records = [(KEY_NAME, record.as_str())];
    let (mut valid, mut stricter) = (0, 0);
    let signed: Vec<Vec<u8>> = (0..40).map(|_| sign(&odd_message(&mut random))).collect();
    for _ in 0..2_000 {
        let mut message = random.choose(&signed).clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(message.len());
            match random.below(4) {
                0 => message[at] ^= 1 << random.below(8),
                1 => drop(message.remove(at)),
                2 => message.insert(at, *random.choose(b" \t\r\n;=:a")),
                _ => drop(message.splice(at..at, *b"\r\n\t")),
            }
        }
        let ours = judge(&message, "box.test", &records) == Verdict::Valid;
        let theirs = is_valid(&message, "box.test", &records);
        assert!(theirs || !ours || !is_comparable(&message), "{:?}", String::from_utf8_lossy(&message));
        valid += u32::from(ours);
        stricter += u32::from(theirs && !ours);
    }
    // The relaxed form lets some changes pass.
    assert!(valid > 50 && stricter < 300, "valid: {valid}; valid to the oracle alone: {stricter}");
}

#[test]
fn every_field_that_counts_is_signed_and_sealed() {
    let record = KEY.record();
    let records = [(KEY_NAME, record.as_str())];
    let message = sign(MESSAGE.as_bytes());
    for name in [
        "To",
        "Subject",
        "Date",
        "Cc",
        "Reply-To",
        "Content-Type",
        "Autocrypt",
        "Chat-Version",
        "Secure-Join",
        "List-Id",
        "Resent-From",
    ] {
        let added = [format!("{name}: x\r\n").as_bytes(), &message].concat();
        assert_eq!(judge(&added, "box.test", &records), Verdict::Invalid(Flaw::Signature), "{name}");
    }
    let received = [b"Received: from a by b; today\r\n", message.as_slice()].concat();
    assert_eq!(judge(&received, "box.test", &records), Verdict::Valid);
}

#[test]
fn the_field_is_folded_and_has_one_reading() {
    let mut many = String::from("From: a@box.test\r\n");
    for number in 0..20 {
        many.push_str(&format!("To: {number}@x.test\r\n"));
    }
    for (domain, message) in
        [("box.test", MESSAGE.to_owned()), (&*format!("{}test", "long-name.".repeat(17)), many + "\r\nx\r\n")]
    {
        let field = String::from_utf8(sign_as(domain, message.as_bytes(), 0).unwrap()).unwrap();
        let (first, rest) = field.strip_suffix("\r\n").unwrap().split_once("\r\n").unwrap();
        assert!(first.starts_with("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"), "{first}");
        for line in rest.split("\r\n") {
            let short = line.len() <= 76 || line.contains("long-name");
            assert!(short && line.starts_with('\t') && line.len() > 1, "{line:?}");
        }
        assert!(field.contains("t=1800000000;") && !field.contains("x=") && !field.contains("l="), "{field}");
    }
}

#[test]
fn unusable_messages_and_identities_are_not_signed() {
    let signed = |message: &str| sign_as("box.test", message.as_bytes(), 3).map(|_| ());
    assert_eq!(signed("To: x\r\n\r\n"), Err(SigningError::Author));
    assert_eq!(signed("From: x\r\nfrom: y\r\n\r\n"), Err(SigningError::Author));
    assert_eq!(signed("From: x\r\n\r\na\nb\r\n"), Err(SigningError::BareLineEnd));
    assert_eq!(signed("From: x\r\n\r\na\r"), Err(SigningError::BareLineEnd));
    assert_eq!(signed("From: x\r\nnonsense\r\n\r\n"), Err(SigningError::MalformedHeader));
    assert_eq!(signed("From: x"), Err(SigningError::MalformedHeader));
    assert_eq!(signed("From: x\r\n"), Ok(()));
    let many = format!("From: x\r\n{}\r\n", "To: y\r\n".repeat(250));
    assert_eq!(signed(&many), Err(SigningError::TooManyFields));
    let large = format!("From: x\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    assert_eq!(signed(&large), Err(SigningError::HeaderTooLarge));
    for domain in ["[192.0.2.1]", "", "box.test; l=0", "box.test\r\nX: y", "b\u{e4}x.test"] {
        assert_eq!(sign_as(domain, MESSAGE.as_bytes(), 0), Err(SigningError::Identity), "{domain}");
    }
}

#[test]
fn a_large_message_streams() {
    let line = format!("{}\r\n", "0123456789abcdef".repeat(4)).repeat(64);
    let mut header = Signing::new();
    header.push(MESSAGE.as_bytes());
    let mut verified = dkim::Verification::new();
    for _ in 0..512 {
        header.push(line.as_bytes());
    }
    let field = header.finish(Identity { domain: "box.test", selector: "s", key: &KEY }, NOW).unwrap();
    verified.push(&field);
    verified.push(MESSAGE.as_bytes());
    for _ in 0..512 {
        verified.push(line.as_bytes());
    }
    let judged = verified.finish().judge("box.test", NOW, |_| KeyAnswer::Records(vec![KEY.record()]));
    assert_eq!(judged, Verdict::Valid);
}

#[test]
fn keys_are_repeatable_and_their_record_is_short() {
    assert_eq!(SigningKey::generate(&[1; 32]).unwrap(), *KEY_DER);
    let other = SigningKey::from_der(&SigningKey::generate(&[2; 32]).unwrap()).unwrap();
    assert_ne!(other.record(), KEY.record());
    let record = KEY.record();
    let key = record.strip_prefix("v=DKIM1;k=rsa;s=email;t=s;p=").unwrap();
    assert!(key.len() == 392 && key.starts_with("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"), "{record}");
    assert_eq!(format!("{:?}", *KEY), "SigningKey(..)");
    for der in [&b""[..], b"x", &KEY_DER[..100]] {
        assert!(SigningKey::from_der(der).is_err());
    }
}
