//! The codes of responses (RFC 2136 section 2.2, RFC 8945 section 3) in words.

use std::time::Duration;

use crate::error::UpdateError;
use crate::name::RecordName;

/// The least pause after a failure that the owner of the server has to mend there: the box then goes on by itself.
pub(super) const SERVER_PAUSE: Duration = Duration::from_secs(10 * 60);
/// The least pause after a trouble that may pass.
const SHORT_PAUSE: Duration = Duration::from_secs(60);

/// A response code (RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseCode(pub(super) u16);

impl ResponseCode {
    pub(super) const NO_ERROR: Self = Self(0);
    const FORMAT_ERROR: Self = Self(1);
    const SERVER_FAILURE: Self = Self(2);
    const NOT_IMPLEMENTED: Self = Self(4);
    const REFUSED: Self = Self(5);
    const NOT_AUTHORITATIVE: Self = Self(9);
    const NOT_IN_ZONE: Self = Self(10);
}

/// The error field of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignatureError(pub(super) u16);

impl SignatureError {
    pub(super) const NONE: Self = Self(0);
    const BAD_SIGNATURE: Self = Self(16);
    const BAD_KEY: Self = Self(17);
    pub(super) const BAD_TIME: Self = Self(18);
    const BAD_TRUNCATION: Self = Self(22);

    /// The words for a code; without a signature they are a hint only, since anybody on the way can write them.
    pub(super) fn failure(self) -> UpdateError {
        let words = match self {
            Self::BAD_SIGNATURE => {
                "The name server knows the key's name, but has another secret or algorithm for it (BADSIG): compare \
                 them with its settings."
            }
            Self::BAD_KEY => {
                "The name server does not know a key of this name with this algorithm, or does not let it change this \
                 zone (BADKEY): compare with its settings."
            }
            Self::BAD_TRUNCATION => "The name server wants signatures of another length (BADTRUNC).",
            Self(_) => "The name server does not accept the signature.",
        };
        UpdateError::Trouble(words.to_owned(), SERVER_PAUSE)
    }
}

/// The failure of an answer without a signature: only a hint, since anybody on the way can write it.
pub(super) fn unsigned(code: ResponseCode, zone: &RecordName) -> UpdateError {
    let hint = "The answer is not signed: the name server may not know the key.";
    let words = match code {
        ResponseCode::NO_ERROR => hint.to_owned(),
        code => format!("{} {hint}", failure(code, zone)),
    };
    UpdateError::Trouble(words, SERVER_PAUSE)
}

/// The failure that a code other than success means.
pub(super) fn failure(code: ResponseCode, zone: &RecordName) -> UpdateError {
    let mend = |words: String| UpdateError::Trouble(words, SERVER_PAUSE);
    match code {
        ResponseCode::FORMAT_ERROR => {
            UpdateError::Records("The name server does not understand the records (FORMERR).".to_owned())
        }
        ResponseCode::SERVER_FAILURE => {
            let words = "The name server has a trouble of its own (SERVFAIL): its log says more.";
            UpdateError::Trouble(words.to_owned(), SHORT_PAUSE)
        }
        ResponseCode::NOT_IMPLEMENTED => mend("The name server takes no updates at all (NOTIMP).".to_owned()),
        ResponseCode::REFUSED => mend(
            "The name server refuses the update (REFUSED): let the key change these names and types in its settings."
                .to_owned(),
        ),
        ResponseCode::NOT_AUTHORITATIVE => mend(format!(
            "The name server does not have the zone {zone}, or not for changes (NOTAUTH): look at the server's \
             address and at the zone."
        )),
        ResponseCode::NOT_IN_ZONE => {
            mend(format!("The name server says that the names are not in the zone {zone} (NOTZONE)."))
        }
        ResponseCode(number) => mend(format!("The name server refuses the update (response code {number}).")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ResponseCode, SignatureError, failure, unsigned};
    use crate::error::Remedy;

    #[test]
    fn every_code_is_told_in_words_and_nothing_is_given_up() {
        let zone = "home.example".parse().unwrap();
        for (code, words) in [
            (2, "SERVFAIL"),
            (4, "NOTIMP"),
            (5, "REFUSED"),
            (9, "NOTAUTH"),
            (10, "NOTZONE"),
            (3, "response code 3"),
        ] {
            for error in [failure(ResponseCode(code), &zone), unsigned(ResponseCode(code), &zone)] {
                assert!(error.to_string().contains(words), "{error}");
                assert!(matches!(error.remedy(), Remedy::Wait(_)), "{error:?}");
            }
        }
        assert_eq!(failure(ResponseCode(1), &zone).remedy(), Remedy::Records);
        for (code, words) in [(16, "BADSIG"), (17, "BADKEY"), (22, "BADTRUNC"), (23, "not accept")] {
            let error = SignatureError(code).failure();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
