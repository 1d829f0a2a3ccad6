//! The reason why an authority issued no certificate, by kind and in its own words.

use mail_types::is_shown;
use serde::{Deserialize, Serialize};

/// The most characters of an authority's words that are kept and shown.
const WORDS_LIMIT: usize = 300;

/// A way to prove the control of a name (RFC 8555 section 8, RFC 8737).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeKind {
    /// `tls-alpn-01`: a handshake on port 443.
    TlsAlpn01,
    /// `http-01`: a page on port 80.
    Http01,
    /// `dns-01`: a TXT record.
    Dns01,
}

/// The kind of trouble of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The authority cannot be reached, or says that it has trouble of its own; no limit counts the attempt.
    Unavailable,
    /// The authority wants fewer requests (`rateLimited`).
    RateLimited,
    /// The authority cannot connect to this server (`connection`).
    NoConnection,
    /// The authority's handshake with this server fails (`tls`).
    Handshake,
    /// The authority does not find the name or the record (`dns`).
    NameNotFound,
    /// The authority found a wrong answer to the challenge (`unauthorized`, `incorrectResponse`): another server has the
    /// name's address, for example.
    WrongAnswer,
    /// The authority does not offer this challenge for this name.
    NotOffered,
    /// A CAA record of the name's domain forbids the authority to issue (`caa`).
    ForbiddenByCaa,
    /// The authority issues nothing for this name (`rejectedIdentifier`, `unsupportedIdentifier`).
    NameRejected,
    /// The authority does not accept the account (`accountDoesNotExist`, `userActionRequired`, and others).
    AccountRefused,
    /// The authority's answers make no sense, or say that a request was wrong.
    Misunderstood,
    /// The order was not finished within its time.
    TooSlow,
    /// The answer to the challenge could not be prepared on this side.
    NotPrepared,
}

/// The side whose words a failure quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureSource {
    /// The authority's.
    Authority,
    /// This server's.
    Here,
}

/// A failed attempt to get a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFailure {
    /// The kind of the trouble: that of the first name, when it is about names.
    pub kind: FailureKind,
    /// The side that [`Self::words`] is from.
    pub source: FailureSource,
    /// The words of that side, bounded and without control characters ([`quoted_words`]).
    pub words: String,
    /// The challenge that was to be used; none when the attempt did not get that far.
    pub challenge: Option<ChallengeKind>,
    /// The names that failed, when it is about names.
    pub names: Vec<NameFailure>,
    /// The authority's `Retry-After` (RFC 9110 section 10.2.3), in seconds.
    pub retry_after: Option<u64>,
}

/// The failure of one name of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameFailure {
    /// The domain name or the address.
    pub name: String,
    /// The kind of the trouble.
    pub kind: FailureKind,
    /// The authority's words, as in [`CertificateFailure::words`].
    pub words: String,
}

impl CertificateFailure {
    /// A failure in the words of one side.
    #[must_use]
    pub fn new(kind: FailureKind, source: FailureSource, words: &str) -> Self {
        let words = quoted_words(words);
        Self { kind, source, words, challenge: None, names: Vec::new(), retry_after: None }
    }

    /// A failure of names, at least one of them.
    #[must_use]
    pub fn of_names(names: Vec<NameFailure>) -> Self {
        // Names come from the authority, too.
        let quoted = |NameFailure { name, kind, words }: NameFailure| {
            let [name, words] = [name, words].map(|text| quoted_words(&text));
            NameFailure { name, kind, words }
        };
        let names: Vec<NameFailure> = names.into_iter().map(quoted).collect();
        let (kind, words) = names
            .first()
            .map_or((FailureKind::Misunderstood, String::new()), |first| (first.kind, first.words.clone()));
        Self { kind, source: FailureSource::Authority, words, challenge: None, names, retry_after: None }
    }
}

impl FailureKind {
    /// The kind of an error type of the namespace `urn:ietf:params:acme:error:` (RFC 8555 section 6.7).
    #[must_use]
    pub fn of_problem(problem: &str) -> Self {
        match problem.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(problem) {
            "rateLimited" => Self::RateLimited,
            "connection" => Self::NoConnection,
            "tls" => Self::Handshake,
            "dns" => Self::NameNotFound,
            "unauthorized" | "incorrectResponse" => Self::WrongAnswer,
            "caa" => Self::ForbiddenByCaa,
            "rejectedIdentifier" | "unsupportedIdentifier" => Self::NameRejected,
            "accountDoesNotExist"
            | "userActionRequired"
            | "externalAccountRequired"
            | "invalidContact"
            | "unsupportedContact" => Self::AccountRefused,
            "serverInternal" => Self::Unavailable,
            _ => Self::Misunderstood,
        }
    }

    /// True if every attempt fails until a person has changed the name or its records.
    #[must_use]
    pub fn lasts_until_a_person_acts(self) -> bool {
        matches!(self, Self::ForbiddenByCaa | Self::NameRejected)
    }

    /// True if another challenge may succeed where this one failed.
    #[must_use]
    pub fn depends_on_challenge(self) -> bool {
        match self {
            Self::NoConnection
            | Self::Handshake
            | Self::NameNotFound
            | Self::WrongAnswer
            | Self::NotOffered
            | Self::TooSlow
            | Self::NotPrepared => true,
            Self::Unavailable
            | Self::RateLimited
            | Self::ForbiddenByCaa
            | Self::NameRejected
            | Self::AccountRefused
            | Self::Misunderstood => false,
        }
    }
}

/// The words of another server, fit for a page or a terminal: 300 characters at most, and none that moves the cursor.
#[must_use]
pub fn quoted_words(words: &str) -> String {
    let blank = |character: char| if character.is_whitespace() { ' ' } else { character };
    let mut shown: String =
        words.chars().map(blank).filter(|character| is_shown(*character)).take(WORDS_LIMIT + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(WORDS_LIMIT) {
        shown.truncate(end);
        shown.push('…');
    }
    shown.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{CertificateFailure, FailureKind, NameFailure, quoted_words};

    #[test]
    fn words_of_others_are_short_and_move_nothing() {
        assert_eq!(quoted_words(" no\u{1b}[2J\r\nmore.\u{202e}. "), "no[2J  more");
        let long = quoted_words(&"ö".repeat(5000));
        assert_eq!((long.chars().count(), long.chars().last()), (301, Some('…')));
    }

    #[test]
    fn problems_have_kinds() {
        for (problem, kind) in [
            ("urn:ietf:params:acme:error:caa", FailureKind::ForbiddenByCaa),
            ("urn:ietf:params:acme:error:rateLimited", FailureKind::RateLimited),
            ("urn:ietf:params:acme:error:unheardOf", FailureKind::Misunderstood),
            ("about:blank", FailureKind::Misunderstood),
        ] {
            assert_eq!(FailureKind::of_problem(problem), kind, "{problem}");
        }
    }

    #[test]
    fn a_failure_of_names_begins_with_the_first() {
        let name = |name: &str, kind| NameFailure { name: name.to_owned(), kind, words: name.to_owned() };
        let names = vec![name("a.test", FailureKind::Handshake), name("b.test", FailureKind::NameNotFound)];
        let failure = CertificateFailure::of_names(names);
        assert_eq!((failure.kind, failure.words.as_str()), (FailureKind::Handshake, "a.test"));
        assert_eq!(CertificateFailure::of_names(Vec::new()).kind, FailureKind::Misunderstood);
    }
}
