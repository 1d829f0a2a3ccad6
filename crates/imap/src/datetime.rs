//! Dates of IMAP (RFC 3501 section 9) to and from seconds since 1970-01-01. Time zones are offsets; no clock is read.

use mail_types::UnixTime;
use message::date;
use time::{Date, Month, UtcDateTime};

const SECONDS_PER_DAY: i64 = 86_400;

/// RFC 3501: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE, in UTC.
pub(crate) fn write_date_time(time: UnixTime) -> String {
    let time = date::utc(time);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.as_hms();
    format!("\"{day:2}-{month:.3}-{year:04} {hour:02}:{minute:02}:{second:02} +0000\"")
}

/// The number of the month with this name (RFC 3501: date-month), from 1.
pub(crate) fn month(name: &str) -> Option<i64> {
    date::month(name).map(|month| i64::from(u8::from(month)))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; none when there is no such date.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok().map(number)
}

/// Seconds since 1970 of a date and a time of day in a zone `offset` minutes east of UTC.
pub(crate) fn seconds(days: i64, time: (i64, i64, i64), offset: i64) -> Option<i64> {
    let (hour, minute, second) = time;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    valid.then(|| days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset * 60)
}

/// Days since 1970-01-01, in UTC.
pub(crate) fn day_of(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX).div_euclid(SECONDS_PER_DAY)
}

/// Days since 1970-01-01 of the date in a `Date` field (RFC 5322 section 3.3). Its time and time zone are disregarded,
/// as `SENTON` demands.
pub(crate) fn day_of_header(value: &[u8]) -> Option<i64> {
    date::day(value).map(number)
}

fn number(date: Date) -> i64 {
    i64::from(date.to_julian_day() - UtcDateTime::UNIX_EPOCH.to_julian_day())
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;

    use super::{day_of_header, days, write_date_time};

    #[test]
    fn days_are_counted_from_1970() {
        for (date, day) in [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2026, 11, 22), 20_779)] {
            assert_eq!(days(date.0, date.1, date.2), Some(day));
        }
        for (year, month, day) in [(2023, 2, 29), (2023, 13, 1), (0, 1, 1), (10_000, 1, 1), (2023, 1, 300)] {
            assert_eq!(days(year, month, day), None);
        }
    }

    #[test]
    fn the_day_is_found_in_a_date_field() {
        for value in ["Sun, 22 Nov 2026 23:59:59 -0800", " 22 Nov 26 10:00 GMT", "22-Nov-2026 1:2:3"] {
            assert_eq!(day_of_header(value.as_bytes()), Some(20_779), "{value}");
        }
        assert_eq!(day_of_header(b"yesterday"), None);
    }

    #[test]
    fn dates_are_written_with_a_fixed_width() {
        assert_eq!(write_date_time(UnixTime(0)), "\" 1-Jan-1970 00:00:00 +0000\"");
        assert_eq!(write_date_time(UnixTime(1_795_356_513)), "\"22-Nov-2026 14:08:33 +0000\"");
    }
}
