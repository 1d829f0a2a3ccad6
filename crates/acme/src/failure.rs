//! The failures of requests, as the rules know them.

use instant_acme::{Error, Problem};
use relay_policy::certificate::{CertificateFailure, FailureKind, FailureSource, NameFailure};

use crate::transport::Heard;

/// The most names that a failure lists.
const NAMES_LIMIT: usize = 10;

/// A failure to be blamed on the authority, whose answer makes no sense.
pub(crate) fn misunderstood(words: &str) -> CertificateFailure {
    CertificateFailure::new(FailureKind::Misunderstood, FailureSource::Here, words)
}

/// The failure of a request, from the library's error and the head of the answer.
pub(crate) fn of_request(error: &Error, heard: Heard) -> CertificateFailure {
    let failure = match (error, heard.status) {
        (Error::Api(problem), _) => of_problem(problem),
        (_, Some(429)) => {
            let words = "it wants fewer requests";
            CertificateFailure::new(FailureKind::RateLimited, FailureSource::Here, words)
        }
        (_, Some(status @ 500..)) => {
            let words = format!("it answers with the status {status}");
            CertificateFailure::new(FailureKind::Unavailable, FailureSource::Here, &words)
        }
        (error, None) => {
            CertificateFailure::new(FailureKind::Unavailable, FailureSource::Here, &error.to_string())
        }
        (error, Some(_)) => misunderstood(&error.to_string()),
    };
    CertificateFailure { retry_after: heard.retry_after, ..failure }
}

/// The same for a request about the account itself, to which an authority answers `unauthorized` when it was closed.
pub(crate) fn of_account_request(error: &Error, heard: Heard) -> CertificateFailure {
    let failure = of_request(error, heard);
    let is_refused = failure.kind == FailureKind::WrongAnswer && failure.names.is_empty();
    let kind = if is_refused { FailureKind::AccountRefused } else { failure.kind };
    CertificateFailure { kind, ..failure }
}

/// A problem document (RFC 8555 section 6.7); one with subproblems is about the names in them.
pub(crate) fn of_problem(problem: &Problem) -> CertificateFailure {
    let names: Vec<NameFailure> = problem
        .subproblems
        .iter()
        .filter_map(|part| {
            Some(NameFailure {
                name: part.identifier.as_ref()?.authorized(false).to_string(),
                ..name_failure(part.r#type.as_deref(), part.detail.as_deref())
            })
        })
        .take(NAMES_LIMIT)
        .collect();
    if !names.is_empty() {
        return CertificateFailure::of_names(names);
    }
    let NameFailure { kind, words, .. } = name_failure(problem.r#type.as_deref(), problem.detail.as_deref());
    CertificateFailure::new(kind, FailureSource::Authority, &words)
}

/// True for the refusal of a nonce, after which the same request may succeed with another (RFC 8555 section 6.5).
pub(crate) fn is_bad_nonce(problem: &Problem) -> bool {
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
}

/// The failure of a name's challenge.
pub(crate) fn of_challenge(name: &str, problem: Option<&Problem>) -> NameFailure {
    let (kind, words) = match problem {
        Some(problem) => (problem.r#type.as_deref(), problem.detail.as_deref()),
        None => (None, None),
    };
    NameFailure { name: name.to_owned(), ..name_failure(kind, words) }
}

fn name_failure(problem: Option<&str>, words: Option<&str>) -> NameFailure {
    let kind = problem.map_or(FailureKind::Misunderstood, FailureKind::of_problem);
    let words = words.or(problem).unwrap_or("it gives no reason");
    NameFailure { name: String::new(), kind, words: words.to_owned() }
}
