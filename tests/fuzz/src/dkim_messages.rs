//! DKIM: any bytes as a signed message, as one to sign, and as a key's record. mail-auth, which shares no code with the
//! crate but the crypto provider, is asked too: it accepts more, and nothing that it refuses may be valid.

use std::sync::LazyLock;

use dkim::{Identity, KeyAnswer, Signing, SigningError, SigningKey, Verdict, Verification};
use mail_types::UnixTime;
use test_support::pieces;

use crate::oracle::{is_comparable, is_valid};

const NOW: UnixTime = UnixTime(1_800_000_000);
/// The domain of the signed message in RFC 8463 appendix A, and its keys.
const DOMAIN: &str = "football.example.com";
const KEYS: [(&str, &str); 2] = [
    (
        "brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J\
         16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryO\
         TIKT+l/K4w3QIDAQAB",
    ),
];
/// That message.
const MESSAGE: &[u8] = include_bytes!("../seeds/dkim-message/rfc8463");

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_der(&SigningKey::generate(&[1; 32]).expect("a key")).expect("a key"));

/// A message is judged the same however it comes in pieces, and as mail-auth does if it is valid.
pub(crate) fn message(data: &[u8]) {
    let whole = judge(data, 0, &KEYS);
    for cuts in [1, 2] {
        assert_eq!(judge(data, cuts, &KEYS), whole, "cutting matters");
    }
    if whole == Verdict::Valid && is_comparable(data) {
        assert!(is_valid(data, DOMAIN, &KEYS), "another verifier refuses the signature");
    }
}

/// A message that is signed is valid, here and to mail-auth.
pub(crate) fn signing(data: &[u8]) {
    let signed = sign(data, 0);
    assert_eq!(sign(data, 1), signed, "cutting matters");
    let Ok(field) = signed else { return };
    let message = [&field, data].concat();
    let record = KEY.record();
    let keys = [("s._domainkey.football.example.com", record.as_str())];
    assert_eq!(judge(&message, 0, &keys), Verdict::Valid, "our own signature is refused");
    if is_comparable(&message) {
        assert!(is_valid(&message, DOMAIN, &keys), "another verifier refuses our signature");
    }
}

/// Any text as the record of either key. If it is the key, it is so to mail-auth, which does not skip white space and
/// quotation marks.
pub(crate) fn record(data: &[u8]) {
    let record = String::from_utf8_lossy(data);
    let plain: String = record.chars().filter(|character| !" \t\r\n\"".contains(*character)).collect();
    for (name, _) in KEYS {
        let verdict = judge(MESSAGE, 0, &[(name, &record)]);
        assert_eq!(judge(MESSAGE, 0, &[(name, &plain)]), verdict, "white space matters");
        if verdict == Verdict::Valid {
            assert!(is_valid(MESSAGE, DOMAIN, &[(name, &plain)]), "another verifier refuses the key");
        }
    }
}

fn judge(message: &[u8], cuts: u64, keys: &[(&str, &str)]) -> Verdict {
    let mut verification = Verification::new();
    pieces(message, cuts).for_each(|piece| verification.push(piece));
    let signatures = verification.finish();
    let names = signatures.key_names(DOMAIN, NOW);
    assert!(names.len() <= 5, "too many questions");
    signatures.judge(DOMAIN, NOW, |name| {
        assert!(names.iter().any(|known| known == name), "a question that was not announced");
        let record = keys.iter().find(|(known, _)| *known == name);
        record.map_or(KeyAnswer::Absent, |(_, record)| KeyAnswer::Records(vec![(*record).to_owned()]))
    })
}

fn sign(message: &[u8], cuts: u64) -> Result<Vec<u8>, SigningError> {
    let mut signing = Signing::new();
    pieces(message, cuts).for_each(|piece| signing.push(piece));
    signing.finish(Identity { domain: DOMAIN, selector: "s", key: &KEY }, NOW)
}
