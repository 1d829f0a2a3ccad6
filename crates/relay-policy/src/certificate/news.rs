//! The state of the certificate in sentences, for the status and the pages: the one place that has their words.

use std::fmt;

use mail_types::UnixTime;
use message::date::utc;

use super::failure::{CertificateFailure, ChallengeKind, FailureKind, FailureSource, NameFailure};
use super::schedule::{AttemptReason, CertificateHistory, HeldCertificate, NextAttempt};

/// A piece of news about the certificate; shown, it is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateNews {
    /// The server's own certificate is in use, since no authority has issued one.
    SelfSigned,
    /// A certificate from an authority is in use.
    InUse {
        /// The authority's name.
        issuer: String,
        /// The end of its validity.
        expires: UnixTime,
        /// The time of its renewal; none while that is not known, or is to begin at once.
        renewal: Option<UnixTime>,
    },
    /// The certificate from an authority has expired.
    Expired {
        /// The authority's name.
        issuer: String,
        /// The end of its validity.
        expired: UnixTime,
    },
    /// The time is not known yet.
    WaitingForClock,
    /// The last attempt failed.
    Failed(CertificateFailure),
    /// The certificate lacks a name.
    LeftOut(NameFailure),
    /// The next attempt begins at this time.
    NextAttempt(UnixTime),
}

/// The news, the most important first: about the certificate in use, with its issuer's name, then about the attempts.
#[must_use]
pub fn news(
    now: UnixTime,
    held: Option<(HeldCertificate, &str)>,
    history: &CertificateHistory,
    next: NextAttempt,
) -> Vec<CertificateNews> {
    let mut news = vec![match held {
        None => CertificateNews::SelfSigned,
        Some((held, issuer)) if held.expires <= now => {
            CertificateNews::Expired { issuer: issuer.to_owned(), expired: held.expires }
        }
        Some((held, issuer)) => {
            let renewal = Some(history.renewal(held)).filter(|renewal| *renewal > now);
            CertificateNews::InUse { issuer: issuer.to_owned(), expires: held.expires, renewal }
        }
    }];
    // A failure about missing names is told by name.
    let is_about_names = matches!(next, NextAttempt::At(_, AttemptReason::MissingNames));
    if let Some((_, failure)) = history.last_failure().filter(|_| !is_about_names) {
        news.push(CertificateNews::Failed(failure.clone()));
    }
    news.extend(history.left_out().iter().cloned().map(CertificateNews::LeftOut));
    match next {
        NextAttempt::WhenClockIsKnown => news.push(CertificateNews::WaitingForClock),
        // The time of an ordinary renewal stands in the first sentence.
        NextAttempt::At(_, AttemptReason::Renewal) if history.last_failure().is_none() => {}
        NextAttempt::At(time, _) => news.push(CertificateNews::NextAttempt(time)),
    }
    news
}

impl fmt::Display for CertificateNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfSigned => f.write_str(
                "The server uses a certificate of its own: apps take it from a QR code or a link of this server only.",
            ),
            Self::InUse { issuer, expires, renewal: None } => {
                write!(f, "A certificate from {issuer} is in use until {}; its renewal is due.", At(*expires))
            }
            Self::InUse { issuer, expires, renewal: Some(renewal) } => write!(
                f,
                "A certificate from {issuer} is in use until {}; its renewal begins {}.",
                At(*expires),
                At(*renewal)
            ),
            Self::Expired { issuer, expired } => {
                write!(f, "The certificate from {issuer} has expired {}.", At(*expired))
            }
            Self::WaitingForClock => f.write_str(
                "The time is not known yet, and without it no certificate can be asked for: the box waits for a time server.",
            ),
            Self::Failed(failure) => write!(f, "The last attempt failed: {}.", Told(failure)),
            Self::LeftOut(name) => write!(
                f,
                "It is not for {} yet, which apps do without: {} ({}).",
                name.name,
                trouble(name.kind, None),
                name.words
            ),
            Self::NextAttempt(time) => write!(f, "The next attempt begins {}.", At(*time)),
        }
    }
}

/// A moment as people read it, to the minute.
struct At(UnixTime);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = utc(self.0);
        let (hour, minute, _) = time.as_hms();
        write!(f, "{} {} {}, {hour:02}:{minute:02} UTC", time.day(), time.month(), time.year())
    }
}

/// A failure, the names that failed, and the words of the side that told it.
struct Told<'a>(&'a CertificateFailure);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = self.0;
        f.write_str(trouble(failure.kind, failure.challenge))?;
        match (failure.names.as_slice(), failure.source) {
            ([], _) if failure.words.is_empty() => Ok(()),
            ([], FailureSource::Here) => write!(f, " ({})", failure.words),
            ([], FailureSource::Authority) => write!(f, " (the authority says: {})", failure.words),
            (names, _) => {
                for (position, name) in names.iter().enumerate() {
                    let before = if position == 0 { " (" } else { "; " };
                    write!(f, "{before}{}: {}", name.name, name.words)?;
                }
                f.write_str(")")
            }
        }
    }
}

/// The trouble and, where a person can do something, what.
fn trouble(kind: FailureKind, challenge: Option<ChallengeKind>) -> &'static str {
    match (kind, challenge) {
        (FailureKind::Unavailable, _) => "the authority cannot be reached, or has trouble of its own",
        (FailureKind::RateLimited, _) => "the authority wants fewer requests for this name",
        (FailureKind::NoConnection, Some(ChallengeKind::TlsAlpn01)) => {
            "port 443 of this server cannot be reached from outside; the router must pass it on"
        }
        (FailureKind::NoConnection, Some(ChallengeKind::Http01)) => {
            "port 80 of this server cannot be reached from outside; the router must pass it on"
        }
        (FailureKind::NoConnection, _) => "the server cannot be reached from outside",
        (FailureKind::Handshake, _) => {
            "another server than this one answers on port 443, or something between changes the handshake"
        }
        (FailureKind::NameNotFound, Some(ChallengeKind::Dns01)) => {
            "the authority does not find the TXT record that proves the control of the name"
        }
        (FailureKind::NameNotFound, _) => {
            "the name is not found; it needs a record with this server's address"
        }
        (FailureKind::WrongAnswer, Some(ChallengeKind::Dns01)) => {
            "the authority finds another TXT record than the one that proves the control of the name"
        }
        (FailureKind::WrongAnswer, _) => "another server than this one answers under the name",
        (FailureKind::NotOffered, _) => "the authority does not take this proof of the name",
        (FailureKind::ForbiddenByCaa, _) => {
            "a CAA record of the domain forbids this authority or this account; change or remove the record"
        }
        (FailureKind::NameRejected, _) => "the authority issues no certificates for this name",
        (FailureKind::AccountRefused, _) => "the authority does not accept this server's account",
        (FailureKind::Misunderstood, _) => "the authority and this server do not understand one another",
        (FailureKind::TooSlow, _) => "the authority was not done in time",
        (FailureKind::NotPrepared, _) => "the proof of the name could not be prepared here",
    }
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;

    use super::{CertificateNews, news};
    use crate::certificate::{
        AttemptReason, CertificateFailure, CertificateHistory, ChallengeKind, FailureKind, FailureSource,
        HeldCertificate, NameFailure, NextAttempt,
    };

    const NOW: UnixTime = UnixTime(1_798_761_600);
    const DAY: u64 = 86_400;

    fn held() -> HeldCertificate {
        HeldCertificate {
            begins: UnixTime(NOW.0 - DAY),
            expires: UnixTime(NOW.0 + 89 * DAY),
            is_complete: true,
        }
    }

    fn told(
        held: Option<(HeldCertificate, &str)>,
        history: &CertificateHistory,
        next: NextAttempt,
    ) -> Vec<String> {
        news(NOW, held, history, next).iter().map(CertificateNews::to_string).collect()
    }

    #[test]
    fn a_quiet_certificate_is_one_sentence() {
        let history = CertificateHistory::default();
        let next = NextAttempt::At(history.renewal(held()), AttemptReason::Renewal);
        assert_eq!(
            told(Some((held(), "An Authority")), &history, next),
            ["A certificate from An Authority is in use until 31 March 2027, 00:00 UTC; its renewal begins \
              1 March 2027, 00:00 UTC."]
        );
    }

    #[test]
    fn a_failure_says_what_to_do_and_quotes_the_authority() {
        let mut history = CertificateHistory::default();
        let name = NameFailure {
            name: "box.example".to_owned(),
            kind: FailureKind::NoConnection,
            words: "connection refused".to_owned(),
        };
        let challenge = Some(ChallengeKind::TlsAlpn01);
        let failure = CertificateFailure { challenge, ..CertificateFailure::of_names(vec![name]) };
        history.failed(NOW, failure, 0);
        let next = NextAttempt::At(UnixTime(NOW.0 + 60), AttemptReason::First);
        assert_eq!(
            told(None, &history, next),
            [
                "The server uses a certificate of its own: apps take it from a QR code or a link of this server only.",
                "The last attempt failed: port 443 of this server cannot be reached from outside; the router must pass \
                 it on (box.example: connection refused).",
                "The next attempt begins 1 January 2027, 00:01 UTC.",
            ]
        );
    }

    #[test]
    fn the_other_states_have_sentences_too() {
        let mut history = CertificateHistory::default();
        let words = "CAA record for box.example prevents issuance";
        let failure = CertificateFailure::new(FailureKind::ForbiddenByCaa, FailureSource::Authority, words);
        history.failed(NOW, failure, 0);
        let expired = HeldCertificate { expires: NOW, ..held() };
        let told = told(Some((expired, "An Authority")), &history, NextAttempt::WhenClockIsKnown);
        assert_eq!(told[0], "The certificate from An Authority has expired 1 January 2027, 00:00 UTC.");
        assert!(told[1].ends_with("(the authority says: CAA record for box.example prevents issuance)."));
        assert!(told[2].starts_with("The time is not known yet"));
        let left_out = CertificateNews::LeftOut(NameFailure {
            name: "mta-sts.box.example".to_owned(),
            kind: FailureKind::NameNotFound,
            words: "NXDOMAIN".to_owned(),
        });
        assert_eq!(
            left_out.to_string(),
            "It is not for mta-sts.box.example yet, which apps do without: the name is not found; it needs a record with this \
             server's address (NXDOMAIN)."
        );
    }
}
