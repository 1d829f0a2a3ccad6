//! Transaction signatures (RFC 8945): a code of message authentication over each message and the one that it answers.

use std::time::Duration;

use mail_types::UnixTime;
use ring::hmac;

use super::codes::{ResponseCode, SERVER_PAUSE, SignatureError};
use super::numbers::{ANY, TSIG};
use super::reading::{Message, Signature};
use crate::error::UpdateError;
use crate::name::wire;
use crate::settings::{TsigAlgorithm, TsigKey};

/// The seconds by which the server's time may differ (RFC 8945 section 10: 300 is recommended).
const FUDGE: u16 = 300;
/// The place of the number of further records in the header.
const FURTHER: std::ops::Range<usize> = 10..12;
/// The length of a message's header.
const HEADER: usize = 12;

/// A signed request.
pub(super) struct SignedRequest {
    pub(super) bytes: Vec<u8>,
    id: u16,
    operation: u16,
    mac: Vec<u8>,
}

/// Signs a message that has no further records yet.
///
/// # Errors
///
/// None for messages of this crate, which have a header.
pub(super) fn sign(mut message: Vec<u8>, key: &TsigKey, now: UnixTime) -> Result<SignedRequest, UpdateError> {
    let broken = || UpdateError::Trouble("The update cannot be signed.".to_owned(), SERVER_PAUSE);
    let &[id_high, id_low, flags_high, flags_low, ..] = message.as_slice() else { return Err(broken()) };
    let (key_name, algorithm) = (wire(&key.name), wire(key.algorithm.as_str()));
    let mut context = hmac::Context::with_key(&mac_key(key));
    context.update(&message);
    context.update(&variables((&key_name, &algorithm), now.0, FUDGE, (0, &[])));
    let mac = context.sign().as_ref().to_vec();
    let length = u16::try_from(mac.len()).map_err(|_| broken())?;
    let data = [
        algorithm.as_slice(),
        &time_and_fudge(now.0, FUDGE),
        &length.to_be_bytes(),
        &mac,
        &[id_high, id_low],
        &[0, 0, 0, 0],
    ]
    .concat();
    message.get_mut(FURTHER).ok_or_else(broken)?.copy_from_slice(&1_u16.to_be_bytes());
    message.extend(key_name);
    message.extend([TSIG, ANY, 0, 0].map(u16::to_be_bytes).as_flattened());
    message.extend(u16::try_from(data.len()).map_err(|_| broken())?.to_be_bytes());
    message.extend(data);
    let operation = u16::from_be_bytes([flags_high, flags_low]);
    Ok(SignedRequest { bytes: message, id: u16::from_be_bytes([id_high, id_low]), operation, mac })
}

/// An answer that is not verified.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// It has no signature: anybody on the way may have written it, or the server does not sign what it refuses.
    Unsigned(ResponseCode),
    /// It is none, or the signature is wrong, or the server does not accept that of the request.
    Failed(UpdateError),
}

impl From<UpdateError> for Unverified {
    fn from(error: UpdateError) -> Self {
        Self::Failed(error)
    }
}

/// Reads an answer and checks that it is the server's to this request, and that its time is ours.
///
/// # Errors
///
/// When it is not, or when the server does not accept the request's signature.
pub(super) fn verify(
    answer: &[u8],
    request: &SignedRequest,
    key: &TsigKey,
    now: UnixTime,
) -> Result<Message, Unverified> {
    let odd = |words: &str| UpdateError::Trouble(words.to_owned(), SERVER_PAUSE);
    let message = Message::parse(answer)
        .filter(|message| message.operation == request.operation && message.id == request.id)
        .ok_or_else(|| odd("The name server answers something that is no answer to an update."))?;
    let Some(signature) = &message.signature else { return Err(Unverified::Unsigned(message.code)) };
    let error = SignatureError(signature.error);
    if signature.mac.is_empty() && error != SignatureError::NONE {
        return Err(error.failure().into());
    }
    if !is_authentic(answer, signature, request, key) {
        let words = "The answer to the update is signed with another key than the request: it may be somebody else's.";
        return Err(odd(words).into());
    }
    if error == SignatureError::BAD_TIME {
        return Err(other_time(signature.server_time(), now).into());
    }
    if error != SignatureError::NONE {
        return Err(error.failure().into());
    }
    if signature.time.abs_diff(now.0) > u64::from(signature.fudge.min(FUDGE)) {
        return Err(other_time(Some(signature.time), now).into());
    }
    Ok(message)
}

fn other_time(server: Option<u64>, now: UnixTime) -> UpdateError {
    let difference = server.map(|server| Duration::from_secs(server.abs_diff(now.0)).as_secs());
    let by = difference.map_or(String::new(), |seconds| format!(" by {seconds} seconds"));
    UpdateError::Clock(format!(
        "The clocks of this box and of the name server differ{by} (BADTIME): one of them is wrong."
    ))
}

fn is_authentic(answer: &[u8], signature: &Signature, request: &SignedRequest, key: &TsigKey) -> bool {
    let (key_name, algorithm) = (wire(&key.name), wire(key.algorithm.as_str()));
    if signature.key != key_name || signature.algorithm != algorithm {
        return false;
    }
    let Some(signed) = answer.get(..signature.start) else { return false };
    let Some((header, rest)) = signed.split_at_checked(HEADER) else { return false };
    // As it was before the signature was added (RFC 8945 section 4.3.2).
    let mut header = header.to_vec();
    let further = header.get(FURTHER).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_be_bytes);
    header.splice(FURTHER, further.saturating_sub(1).to_be_bytes());
    header.splice(..2, signature.original_id.to_be_bytes());
    let request_length = u16::try_from(request.mac.len()).unwrap_or(0).to_be_bytes();
    let variables = variables(
        (&key_name, &algorithm),
        signature.time,
        signature.fudge,
        (signature.error, &signature.other),
    );
    let all = [&request_length[..], &request.mac, &header, rest, &variables].concat();
    hmac::verify(&mac_key(key), &all, &signature.mac).is_ok()
}

fn mac_key(key: &TsigKey) -> hmac::Key {
    let algorithm = match key.algorithm {
        TsigAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        TsigAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
        TsigAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, key.secret.expose())
}

/// The parts of a signature that are signed with the message (RFC 8945 section 4.3.3).
fn variables(
    (key, algorithm): (&[u8], &[u8]),
    time: u64,
    fudge: u16,
    (error, other): (u16, &[u8]),
) -> Vec<u8> {
    let length = u16::try_from(other.len()).unwrap_or(0);
    let class_and_ttl = [ANY, 0, 0].map(u16::to_be_bytes);
    let error = [error, length].map(u16::to_be_bytes);
    [key, class_and_ttl.as_flattened(), algorithm, &time_and_fudge(time, fudge), error.as_flattened(), other]
        .concat()
}

/// 48 bits of seconds since 1970, and 16 of fudge.
fn time_and_fudge(time: u64, fudge: u16) -> [u8; 8] {
    (time << 16 | u64::from(fudge)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use mail_types::{Secret, UnixTime};

    use super::{FUDGE, Unverified, sign, verify};
    use crate::error::UpdateError;
    use crate::rfc2136::codes::ResponseCode;
    use crate::rfc2136::writing::question;
    use crate::settings::{TsigAlgorithm, TsigKey};

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn key(secret: &str, algorithm: TsigAlgorithm) -> TsigKey {
        TsigKey { name: "key.example".into(), algorithm, secret: Secret::new(secret) }
    }

    /// The answer of a server with this key and time to a request that is signed with another.
    fn answer(server: &TsigKey, time: UnixTime, request: &super::SignedRequest, code: u8) -> Vec<u8> {
        let mut message = question(7, &"a.bc".parse().unwrap(), 6);
        message[2] |= 0x80;
        message[3] |= code;
        let names = (crate::name::wire(&server.name), crate::name::wire(server.algorithm.as_str()));
        let length = u16::try_from(request.mac.len()).unwrap().to_be_bytes();
        let variables = super::variables((&names.0, &names.1), time.0, FUDGE, (0, &[]));
        let all = [&length[..], &request.mac, &message, &variables].concat();
        let mac = ring::hmac::sign(&super::mac_key(server), &all);
        let length = u16::try_from(mac.as_ref().len()).unwrap().to_be_bytes();
        let data =
            [&names.1[..], &super::time_and_fudge(time.0, FUDGE), &length, mac.as_ref(), &[0, 7, 0, 0, 0, 0]]
                .concat();
        message[11] = 1;
        message.extend(&names.0);
        message.extend(b"\0\xfa\0\xff\0\0\0\0");
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
        message
    }

    #[test]
    fn a_signature_is_checked_with_its_time_and_the_request() {
        for algorithm in [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512] {
            let own = key("secret secret", algorithm);
            let request = sign(question(7, &"a.bc".parse().unwrap(), 6), &own, NOW).unwrap();
            let good = answer(&own, NOW, &request, 5);
            let message = verify(&good, &request, &own, NOW).unwrap();
            assert_eq!(message.code.0, 5);
            for position in 0..good.len() {
                let mut spoiled = good.clone();
                spoiled[position] ^= 1;
                let read = verify(&spoiled, &request, &own, NOW);
                // The time to live of a signature is not signed, and is not used.
                assert!(read.is_err() || read.as_ref() == Ok(&message), "byte {position}");
            }
            let other = answer(&key("another secret", algorithm), NOW, &request, 0);
            assert!(matches!(
                verify(&other, &request, &own, NOW),
                Err(Unverified::Failed(UpdateError::Trouble(..)))
            ));
            let earlier = sign(question(7, &"a.bc".parse().unwrap(), 6), &own, UnixTime(NOW.0 - 1)).unwrap();
            let replayed = answer(&own, NOW, &earlier, 0);
            assert!(matches!(
                verify(&replayed, &request, &own, NOW),
                Err(Unverified::Failed(UpdateError::Trouble(..)))
            ));
            let late = answer(&own, UnixTime(NOW.0 + 301), &request, 0);
            let Err(Unverified::Failed(UpdateError::Clock(words))) = verify(&late, &request, &own, NOW)
            else {
                panic!("no clock")
            };
            assert!(words.contains("by 301 seconds"), "{words}");
        }
    }

    #[test]
    fn an_answer_without_signature_is_not_believed() {
        let own = key("secret secret", TsigAlgorithm::HmacSha256);
        let request = sign(question(7, &"a.bc".parse().unwrap(), 6), &own, NOW).unwrap();
        let mut bare = question(7, &"a.bc".parse().unwrap(), 6);
        bare[2] |= 0x80;
        let unsigned = Err(Unverified::Unsigned(ResponseCode::NO_ERROR));
        assert_eq!(verify(&bare, &request, &own, NOW), unsigned);
        bare[1] = 8;
        let other = verify(&bare, &request, &own, NOW);
        assert!(matches!(other, Err(Unverified::Failed(_))), "the answer to another message");
    }
}
