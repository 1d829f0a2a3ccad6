//! The rules for a certificate from an authority (ACME, RFC 8555): the time of the next attempt, the challenge that it
//! uses, and the sentences that tell a person about both. The requests themselves are made by the crate `acme`.

mod failure;
mod news;
mod schedule;
mod token;

pub use failure::{CertificateFailure, ChallengeKind, FailureKind, FailureSource, NameFailure, quoted_words};
pub use news::{CertificateNews, news};
pub use schedule::{AttemptReason, CertificateHistory, ClockTrust, HeldCertificate, NextAttempt, Subject};
pub use token::{ChallengeToken, ChallengeTokenError};
