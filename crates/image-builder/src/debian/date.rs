//! The dates of a release file, which are in UTC by Debian's rule.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use time::{Date, Month, Time, UtcDateTime};

/// Parses `Sat, 12 Sep 2026 07:55:41 UTC`; the weekday is ignored.
///
/// ```text
/// date = day-name "," SP day SP month SP year SP hour ":" minute ":" second SP ("UTC" / "GMT" / "+0000" / "Z")
/// ```
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split_ascii_whitespace();
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if !matches!(words.next()?, "UTC" | "GMT" | "+0000" | "Z") || words.next().is_some() {
        return None;
    }
    let month = u8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let (year, day) = (number(year, 1970..=9999_i32)?, number(day, 1..=31)?);
    let mut parts = time.split(':');
    let hour = number(parts.next()?, 0..=23)?;
    let minute = number(parts.next()?, 0..=59)?;
    let second = number(parts.next()?, 0..=60_u64)?;
    if parts.next().is_some() {
        return None;
    }
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    // A leap second is the first second of the next minute, as in POSIX time.
    let minute = UtcDateTime::new(date, Time::from_hms(hour, minute, 0).ok()?);
    let seconds = u64::try_from(minute.unix_timestamp()).ok()? + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Unix time in seconds; 0 for a time before 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn number<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| plain && range.contains(value))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Sat, 12 Sep 2026 07:55:41 UTC", 1_789_199_741),
            ("Fri, 01 Mar 2100 00:00:00 +0000", 4_107_542_400),
        ] {
            assert_eq!(parse(text).map(unix_seconds), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "Sat, 12 Sep 2026",
            "Sat, 12 Sep 2026 07:55:41",
            "Sat, 12 Sep 2026 07:55:41 CET",
            "12 Sep 2026 07:55:41 UTC",
            "Sat, 12 Sep 2026 24:55:41 UTC",
            "Sat, 0 Sep 2026 07:55:41 UTC",
            "Tue, 31 Sep 2026 07:55:41 UTC",
            "Sat, 12 Foo 2026 07:55:41 UTC",
            "Sat, 12 Sep 1969 07:55:41 UTC",
            "Sat, 12 Sep +026 07:55:41 UTC",
            "Sat, 12 Sep 99999999999999999999 07:55:41 UTC",
            "Sat, 12 Sep 2026 07:55:41:00 UTC",
            "Sat, 12 Sep 2026 07:55:41 UTC x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
