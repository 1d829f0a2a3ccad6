//! DKIM, as a message that leaves the box is signed, and one that comes in is verified.

use anyhow::{Result, ensure};
use dkim::{Identity, KeyAnswer, Signing, SigningKey, Verdict, Verification};
use mail_types::UnixTime;

use crate::message;

/// As the driver reads from a TLS record.
const PIECE: usize = 16 * 1024;
const NOW: UnixTime = UnixTime(1_800_000_000);

pub(crate) fn sign_small(times: usize) -> Result<()> {
    sign_many(10_000, times)
}

pub(crate) fn sign_large(times: usize) -> Result<()> {
    sign_many(1_000_000, times)
}

pub(crate) fn verify_small(times: usize) -> Result<()> {
    verify_many(10_000, times)
}

pub(crate) fn verify_large(times: usize) -> Result<()> {
    verify_many(1_000_000, times)
}

fn text(size: usize) -> String {
    message::header("sender@chat.test", "receiver@other.test", 1) + &message::body(size)
}

fn sign(text: &str, key: &SigningKey) -> Result<Vec<u8>> {
    let mut signing = Signing::new();
    text.as_bytes().chunks(PIECE).for_each(|piece| signing.push(piece));
    Ok(signing.finish(Identity { domain: "chat.test", selector: "s", key }, NOW)?)
}

fn sign_many(size: usize, times: usize) -> Result<()> {
    let key = SigningKey::from_der(&SigningKey::generate(&[1; 32])?)?;
    let text = text(size);
    for _ in 0..times {
        sign(&text, &key)?;
    }
    Ok(())
}

fn verify_many(size: usize, times: usize) -> Result<()> {
    let key = SigningKey::from_der(&SigningKey::generate(&[1; 32])?)?;
    let text = text(size);
    let signed = [sign(&text, &key)?.as_slice(), text.as_bytes()].concat();
    for _ in 0..times {
        let mut verification = Verification::new();
        signed.chunks(PIECE).for_each(|piece| verification.push(piece));
        let record = |_: &str| KeyAnswer::Records(vec![key.record()]);
        let verdict = verification.finish().judge("chat.test", NOW, record);
        ensure!(verdict == Verdict::Valid, "a message that was just signed is {verdict:?}");
    }
    Ok(())
}
