//! The answer of a provider by HTTP, and the failures that all of them have in common.

use std::time::Duration;

use mail_types::{UnixTime, is_shown};
use time::{Date, Month, Time, UtcDateTime};

use crate::error::UpdateError;
use crate::schedule::LONGEST_PAUSE;

/// The longest quotation of a provider's words, in characters.
const QUOTE_LIMIT: usize = 300;
/// The pause when a provider wants fewer requests without saying for which time.
const USUAL_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The least pause after a provider's own trouble.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

/// The parts of an HTTP response that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The time that `Retry-After` asks for, a day at most.
    pub retry_after: Option<Duration>,
    /// The body as text, without the secrets of the request.
    pub body: String,
}

impl Answer {
    /// The failure that a status other than success means with any provider; none for 200 to 299.
    #[must_use]
    pub fn failure(&self) -> Option<UpdateError> {
        let wait = self.retry_after;
        match self.status {
            200..300 => None,
            300..=399 => Some(UpdateError::NoSuchName(format!(
                "The DNS provider's server says that its address has changed (status {}): look up the right URL.",
                self.status
            ))),
            401 => {
                let words = "The DNS provider does not know the token or the login: enter it again.";
                Some(UpdateError::Credentials(words.to_owned()))
            }
            403 => {
                let words = "The DNS provider does not allow this with these credentials";
                Some(UpdateError::Forbidden(self.with_quotation(words)))
            }
            429 => Some(UpdateError::TooMany(wait.unwrap_or(USUAL_PAUSE))),
            _ => {
                let words =
                    format!("The DNS provider's server has a trouble of its own (status {})", self.status);
                let wait = wait.unwrap_or(TROUBLE_PAUSE).max(TROUBLE_PAUSE);
                Some(UpdateError::Trouble(self.with_quotation(&words), wait))
            }
        }
    }

    /// The failure of an answer that makes no sense.
    pub(crate) fn nonsense(&self) -> UpdateError {
        let words = "The DNS provider's server answers something that is not understood";
        UpdateError::Trouble(self.with_quotation(words), USUAL_PAUSE)
    }

    fn with_quotation(&self, words: &str) -> String {
        let quotation = quoted(&self.body);
        // A page in HTML says nothing to a person in a line.
        if quotation.is_empty() || quotation.starts_with('<') {
            format!("{words}.")
        } else {
            format!("{words}: {quotation}")
        }
    }
}

/// The beginning of a text from outside on one line, without characters that move the cursor or reverse the text.
pub(crate) fn quoted(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || !is_shown(character));
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(QUOTE_LIMIT).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// The value of `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date in the preferred form; a day at most.
#[must_use]
pub fn retry_after(value: &str, now: UnixTime) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // More digits than fit are long, too.
        true => value.parse().unwrap_or(u64::MAX),
        false => date(value)?.0.saturating_sub(now.0),
    };
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// IMF-fixdate = day-name "," SP day SP month SP year SP hour ":" minute ":" second SP "GMT" (RFC 9110 section 5.6.7)
fn date(text: &str) -> Option<UnixTime> {
    let (_, rest) = text.split_once(", ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let &[day, month, year, time, "GMT"] = fields.as_slice() else { return None };
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let position = names.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(position + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let mut clock = time.split(':');
    let mut number = || clock.next()?.parse::<u8>().ok();
    let time = Time::from_hms(number()?, number()?, number()?).ok()?;
    UtcDateTime::new(date, time).unix_timestamp().try_into().ok().map(UnixTime)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mail_types::UnixTime;

    use super::{Answer, quoted, retry_after};
    use crate::error::{Remedy, UpdateError};

    #[test]
    fn the_time_to_wait_is_read_in_both_forms() {
        let now = UnixTime(784_111_700);
        for (text, seconds) in [
            ("57", Some(57)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sun, 06 Nov 1994 08:48:19 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn each_status_has_its_remedy() {
        let failure = |status, retry_after: Option<u64>| {
            let retry_after = retry_after.map(Duration::from_secs);
            Answer { status, retry_after, body: "well\r\n\x1bno".into() }.failure()
        };
        assert_eq!(failure(204, None), None);
        let remedy = |status, retry_after| failure(status, retry_after).map(|error| error.remedy());
        for status in [301, 401, 403] {
            assert_eq!(remedy(status, None), Some(Remedy::Settings));
        }
        let wait = |seconds| Some(Remedy::Wait(Duration::from_secs(seconds)));
        assert_eq!(remedy(429, Some(57)), wait(57));
        assert_eq!(remedy(429, None), wait(900));
        assert_eq!(remedy(503, Some(300)), wait(300));
        assert_eq!(remedy(500, None), wait(60));
        let Some(UpdateError::Forbidden(words)) = failure(403, None) else { panic!("not forbidden") };
        assert!(words.ends_with(": well no"), "{words}");
    }

    #[test]
    fn quotations_are_short_and_on_one_line() {
        assert_eq!(quoted(" a\r\n\t b\0c "), "a b c");
        assert_eq!(quoted("a\u{202e}b"), "a b");
        assert_eq!(quoted(&"ä".repeat(400)).chars().count(), 301);
    }
}
