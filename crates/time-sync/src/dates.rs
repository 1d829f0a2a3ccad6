//! The dates of web servers (RFC 9110, section 6.6.1), for a network that lets no packet of a time server through: the time
//! of the next question, and the use of the answers.
//!
//! A date is coarse, and costs strangers a TLS handshake; but it is signed, so that nobody in the path can forge it. So web
//! servers are asked seldom, and only while no time server is believed; their answers set the clock to about a second; and
//! a time server that contradicts them by [`CONTRADICTION`] is not believed, however many agree with it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mail_types::{UnixTime, is_host_name};

use crate::agreement::Agreement;
use crate::nanoseconds::Nanoseconds;
use crate::sample::{Sample, SampleError};

/// The time for which time servers are waited for, after the start or a change of the network, before web servers are asked.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// The least difference at which time servers are not believed against the dates of web servers.
pub const CONTRADICTION: Duration = Duration::from_secs(300);

/// The longest silence of time servers over which a clock that they have set needs no date: at a crystal's worst it is off
/// by nine seconds then.
const TRUST: Duration = Duration::from_secs(86_400);
/// The interval between two questions while there is nothing but dates.
const INTERVAL: Duration = Duration::from_secs(3600);
/// The first wait after a question without a believable answer; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(128);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(1024);
/// The least time between two questions, whatever happens to the network or among the time servers.
const PAUSE: Duration = Duration::from_secs(600);
/// The error of a date that is whole seconds, to both sides of its middle.
const HALF_A_SECOND: Duration = Duration::from_millis(500);
/// Added to the uncertainty of each date: web servers fill the field from a clock that they look at now and then.
const MARGIN: Duration = Duration::from_secs(1);

/// The host name of a web server, which its certificate has to bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebServer(String);

/// The text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a web server is a host name")]
pub struct NoWebServer;

impl WebServer {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebServer {
    type Err = NoWebServer;

    fn from_str(text: &str) -> Result<Self, NoWebServer> {
        // A name of digits alone is an address, for which few authorities make certificates.
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        if is_host_name(text) && !is_address { Ok(Self(text.to_ascii_lowercase())) } else { Err(NoWebServer) }
    }
}

impl fmt::Display for WebServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The answer of a web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebDate {
    /// The date in it.
    pub date: UnixTime,
    /// The uptime when the request was sent, over a connection that stood already.
    pub sent: Duration,
    /// The uptime when the answer was there.
    pub received: Duration,
}

impl WebDate {
    /// The claim in the answer.
    ///
    /// # Errors
    ///
    /// [`SampleError`] for an answer that has taken too long.
    pub fn sample(&self) -> Result<Sample, SampleError> {
        let away = self.received.checked_sub(self.sent).ok_or(SampleError::Contradiction)?;
        let second = Nanoseconds::at(self.date).plus(Nanoseconds::of(HALF_A_SECOND));
        let start = second.minus(Nanoseconds::of(self.sent)).minus(Nanoseconds::of(away / 2));
        Sample::within_limit(start, HALF_A_SECOND + away / 2 + MARGIN)
    }
}

/// The times of the questions, and the time that the last good answers told.
#[derive(Debug)]
pub(crate) struct Dates {
    patience: Duration,
    next: Duration,
    retry: Duration,
    asked: Option<Duration>,
    known: Option<Agreement>,
}

impl Dates {
    pub(crate) fn new(now: Duration, patience: Duration) -> Self {
        Self { patience, next: now + patience, retry: FIRST_RETRY, asked: None, known: None }
    }

    /// The time of the next question.
    pub(crate) fn next(&self) -> Duration {
        self.next
    }

    /// Whether web servers have told the time since the start.
    pub(crate) fn are_known(&self) -> bool {
        self.known.is_some()
    }

    /// Whether a time is too far from the one that web servers have told. The uptime that both are measured by is off by
    /// less than [`CONTRADICTION`] in a month; when it is off by more, newer dates mend it.
    pub(crate) fn contradict(&self, found: &Agreement) -> bool {
        self.known.is_some_and(|known| {
            let reach = CONTRADICTION + known.uncertainty + found.uncertainty;
            known.start.minus(found.start).magnitude() > reach
        })
    }

    /// Time servers have brought the time: it needs no date for long.
    pub(crate) fn spare(&mut self, now: Duration) {
        self.next = now + TRUST;
        self.retry = FIRST_RETRY;
    }

    /// Something has changed: the question is due soon, if the last one was not just before.
    pub(crate) fn hasten(&mut self, now: Duration, wait: Duration) {
        let earliest = self.asked.map_or(now, |asked| asked + PAUSE).max(now + wait);
        self.next = self.next.min(earliest);
    }

    /// The network has changed: time servers are waited for as at the start.
    pub(crate) fn network_changed(&mut self, now: Duration) {
        if !self.are_known() {
            self.hasten(now, self.patience);
        }
    }

    /// A question is answered, or was in vain. `chance` spreads the questions of many machines over an eighth of the wait.
    pub(crate) fn ended(&mut self, now: Duration, found: Option<Agreement>, chance: u8) {
        self.asked = Some(now);
        let wait = if let Some(found) = found {
            self.known = Some(found);
            self.retry = FIRST_RETRY;
            INTERVAL
        } else {
            let wait = self.retry;
            self.retry = (wait * 2).min(LONGEST_RETRY);
            wait
        };
        self.next = now + wait + wait / 8 * u32::from(chance) / 256;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Agreement, CONTRADICTION, Dates, Duration, HALF_A_SECOND, INTERVAL, MARGIN, Nanoseconds, NoWebServer,
        PATIENCE, PAUSE, SampleError, TRUST, UnixTime, WebDate, WebServer,
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn told(seconds: i64) -> Agreement {
        Agreement { start: Nanoseconds::of_seconds(seconds), uncertainty: at(1), servers: 2 }
    }

    #[test]
    fn a_web_server_has_a_name() {
        assert_eq!("WWW.A.test".parse::<WebServer>().unwrap().as_str(), "www.a.test");
        for text in ["", "192.0.2.1", "::1", "a..b", "a.test:443"] {
            assert_eq!(text.parse::<WebServer>(), Err(NoWebServer), "{text:?}");
        }
    }

    #[test]
    fn a_date_is_the_middle_of_a_second_in_the_middle_of_question_and_answer() {
        let date = WebDate { date: UnixTime(1_005), sent: at(4), received: at(5) };
        let sample = date.sample().unwrap();
        assert_eq!(sample.start, Nanoseconds::of_seconds(1_001));
        assert_eq!(sample.uncertainty, HALF_A_SECOND * 2 + MARGIN);
        assert_eq!(WebDate { received: at(3), ..date }.sample(), Err(SampleError::Contradiction));
        assert_eq!(WebDate { received: at(8), ..date }.sample(), Err(SampleError::Uncertain));
        assert!(WebDate { date: UnixTime(u64::MAX), ..date }.sample().is_ok(), "bounds are checked later");
    }

    #[test]
    fn questions_begin_after_some_patience_and_are_rare() {
        let mut dates = Dates::new(at(10), PATIENCE);
        let mut waits = Vec::new();
        for found in [None, None, None, None, None, Some(told(0)), Some(told(0)), None, None] {
            let now = dates.next();
            dates.ended(now, found, 0);
            waits.push((dates.next() - now).as_secs());
        }
        assert_eq!(waits, [128, 256, 512, 1024, 1024, 3600, 3600, 128, 256]);
        let now = dates.next();
        dates.ended(now, Some(told(0)), 255);
        assert!((INTERVAL..INTERVAL + INTERVAL / 8).contains(&(dates.next() - now)));
    }

    #[test]
    fn time_servers_make_them_superfluous() {
        let mut dates = Dates::new(at(0), PATIENCE);
        dates.spare(at(80));
        assert_eq!(dates.next(), at(80) + TRUST);
        dates.network_changed(at(100));
        assert_eq!(dates.next(), at(100) + PATIENCE, "the caller tells only while there is no time");
    }

    #[test]
    fn nothing_makes_them_frequent() {
        let mut dates = Dates::new(at(0), PATIENCE);
        for _ in 0..5 {
            let now = dates.next();
            dates.ended(now, None, 0);
        }
        let asked = dates.asked.unwrap();
        for seconds in 1..100 {
            dates.network_changed(asked + at(seconds));
            dates.hasten(asked + at(seconds), Duration::ZERO);
            assert_eq!(dates.next(), asked + PAUSE);
        }
    }

    #[test]
    fn a_contradiction_is_one_of_minutes() {
        let mut dates = Dates::new(at(0), PATIENCE);
        assert!(!dates.contradict(&told(1_000_000)));
        dates.ended(at(90), Some(told(1000)), 0);
        let limit = i64::try_from(CONTRADICTION.as_secs()).unwrap() + 2;
        for (seconds, expected) in
            [(1000, false), (1000 + limit, false), (1001 + limit, true), (999 - limit, true)]
        {
            assert_eq!(dates.contradict(&told(seconds)), expected, "{seconds}");
        }
    }
}
