//! Messages that are signed here and verified here.

use std::sync::LazyLock;

use dkim::{Flaw, Identity, Signing, SigningError, SigningKey, Verdict};
use test_support::pieces;

use crate::forge::{KEY_NAME, MESSAGE, NOW, judge};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_der(&SigningKey::generate(&[1; 32]).unwrap()).unwrap());

fn sign(message: &[u8], cuts: u64) -> Result<Vec<u8>, SigningError> {
    let mut signing = Signing::new();
    pieces(message, cuts).for_each(|piece| signing.push(piece));
    signing.finish(Identity { domain: "Box.test", selector: "s", key: &KEY }, NOW)
}

#[test]
fn a_signed_message_is_valid() {
    let field = sign(MESSAGE.as_bytes(), 0).unwrap();
    println!("{}", String::from_utf8_lossy(&field));
    let message = [&field, MESSAGE.as_bytes()].concat();
    assert_eq!(judge(&message, "box.TEST", &[(KEY_NAME, &KEY.record())]), Verdict::Valid);
    assert_eq!(judge(&message, "test", &[(KEY_NAME, &KEY.record())]), Verdict::Invalid(Flaw::OtherDomain));
    assert_eq!(judge(MESSAGE.as_bytes(), "box.test", &[]), Verdict::NoSignature);
}
