//! The answers of DNS providers: of the ones with HTTP any status and body, of a name server any message; and records as
//! people and files have them.

use std::time::Duration;

use dns_update::answers::{self, Answer, Written};
use dns_update::{
    ProviderSettings, Rdata, RecordKind, RecordName, ScheduleState, TsigAlgorithm, UpdateError,
};
use mail_types::{Secret, UnixTime};

use crate::split_first;

/// The statuses that are tried.
const STATUSES: [u16; 8] = [200, 400, 401, 403, 404, 429, 503, 302];
/// The time of the signed answer among the seeds.
const NOW: UnixTime = UnixTime(1_800_000_000);
/// The identifier of the signed answer among the seeds.
const ID: u16 = 7;
/// The beginnings of the message authentication codes of the two successes among the seeds.
const SIGNATURES: [[u8; 8]; 2] =
    [[0xed, 0x20, 0x92, 0x34, 0x4f, 0x8d, 0x5f, 0x1a], [0x14, 0xec, 0xc4, 0x94, 0xf6, 0x6b, 0x82, 0x2e]];

/// The first byte says which status, the first line is the time to wait, the rest the body. Whatever a provider says becomes
/// a short sentence on one line, and no wait is longer than a day.
pub(crate) fn answers(data: &[u8]) {
    let (first, rest) = split_first(data);
    let text = String::from_utf8_lossy(rest);
    let (wait, body) = text.split_once('\n').unwrap_or(("", &text));
    let retry_after = answers::retry_after(wait, NOW);
    assert!(retry_after.is_none_or(|wait| wait <= Duration::from_secs(86_400)), "{retry_after:?}");
    let status = STATUSES[usize::from(first) % STATUSES.len()];
    let answer = Answer { status, retry_after, body: body.to_owned() };
    let name: RecordName = "box.home.test".parse().unwrap();
    let zone = answers::find_zone(&answer, &name);
    if let Ok(zone) = &zone {
        assert!(name.is_in(&zone.name), "{zone:?}");
    }
    let written = answers::written(&answer, 2);
    if let Ok(Written::Refused(reasons)) = &written {
        assert_eq!(reasons.len(), 2);
        reasons.iter().flatten().for_each(|reason| check(reason));
    }
    let errors = [
        zone.err(),
        answers::foreign_texts(&answer).err(),
        written.err(),
        answers::dyndns2(&answer).err(),
        answers::duckdns(&answer).err(),
    ];
    for error in errors.iter().flatten() {
        check(&error.to_string());
        assert!(status != 429 || matches!(error, UpdateError::TooMany(_)), "{error:?}");
    }
    records(body);
}

fn check(sentence: &str) {
    let is_line = !sentence.chars().any(char::is_control);
    assert!(is_line && sentence.chars().count() < 600, "{sentence:?}");
}

/// A text as data of each type is read back as the same, and its notation has no line end. As a kept state it is read or not.
fn records(text: &str) {
    for kind in RecordKind::ALL {
        if let Ok(data) = Rdata::parse(kind, text) {
            assert_eq!(Rdata::parse(kind, &data.written()), Ok(data.clone()));
            assert!(!data.to_string().chars().any(char::is_control), "{data}");
        }
    }
    if let Ok(state) = serde_json::from_str::<ScheduleState>(text) {
        let again = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleState>(&again).unwrap(), state);
    }
}

fn settings() -> ProviderSettings {
    let key = ("key.test", TsigAlgorithm::HmacSha256, &Secret::new("AAECAwQFBgcICQoLDA0ODw=="));
    ProviderSettings::rfc2136("box.home.test".parse().unwrap(), "127.0.0.1", None, key).unwrap()
}

/// A message as the answer of a name server. Only one that is signed for the request is success.
pub(crate) fn messages(data: &[u8]) {
    match answers::rfc2136(&settings(), ID, data, NOW) {
        Ok(()) => {
            let signed =
                SIGNATURES.iter().any(|mac| data.windows(mac.len()).any(|part| part.starts_with(mac)));
            assert!(signed, "nobody has signed this");
        }
        Err(error) => check(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ID, NOW, answers, settings};

    /// The seeds were signed by another program than the one that checks them here.
    #[test]
    fn the_signed_seeds_are_successes_at_their_time() {
        for seed in [
            &include_bytes!("../seeds/dns-update-messages/success")[..],
            include_bytes!("../seeds/dns-update-messages/start-of-authority"),
        ] {
            assert_eq!(answers::rfc2136(&settings(), ID, seed, NOW), Ok(()));
            assert!(answers::rfc2136(&settings(), ID + 1, seed, NOW).is_err());
        }
    }
}
