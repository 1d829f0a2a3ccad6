//! Dates of header fields (RFC 5322 section 3.3). The calendar is the crate `time`'s; no clock is read here.

use mail_types::UnixTime;
use time::{Date, Month, UtcDateTime};

/// 9999-12-31T23:59:59Z, in seconds since 1970: the last moment with a year of four digits.
const LAST_SECOND: i64 = 253_402_300_799;

/// month = "Jan" / "Feb" / ... / "Dec", without regard to case.
#[must_use]
pub fn month(name: &str) -> Option<Month> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let position = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    Month::try_from(u8::try_from(position + 1).ok()?).ok()
}

/// A moment in UTC; one beyond the year 9999, which only a broken clock tells, becomes that year's last second.
#[must_use]
pub fn utc(time: UnixTime) -> UtcDateTime {
    let seconds = i64::try_from(time.0).unwrap_or(LAST_SECOND).min(LAST_SECOND);
    UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::UNIX_EPOCH)
}

/// date-time = day-name "," day month year hour ":" minute ":" second zone, in UTC.
#[must_use]
pub fn write_date_time(time: UnixTime) -> String {
    let time = utc(time);
    let (hour, minute, second) = time.as_hms();
    format!(
        "{:.3}, {} {:.3} {:04} {hour:02}:{minute:02}:{second:02} +0000",
        time.weekday(),
        time.day(),
        time.month(),
        time.year(),
    )
}

/// The calendar day that a `Date` field names, in the zone of its writer: what RFC 3501 section 6.4.4 compares in
/// `SENTON`, "disregarding time and timezone". The first day, month and year that follow each other count.
#[must_use]
pub fn day(value: &[u8]) -> Option<Date> {
    let text = String::from_utf8_lossy(value);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == ',' || c == '-')
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(3).find_map(|window| {
        let [day, name, year] = window else {
            return None;
        };
        let (day, month, year) = (day.parse().ok()?, month(name)?, year.parse::<i32>().ok()?);
        // RFC 5322 section 4.3: years of two or three digits are obsolete.
        let year = match year {
            0..50 => year + 2000,
            50..1000 => year + 1900,
            _ => year,
        };
        Date::from_calendar_date(year, month, day).ok().filter(|_| (1..=9999).contains(&year))
    })
}

#[cfg(test)]
mod tests {
    use super::{day, write_date_time};
    use mail_types::UnixTime;
    use time::{Date, Month};

    #[test]
    fn dates_are_right_around_leap_days_and_turns_of_years() {
        for (time, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (951_868_800, "Wed, 1 Mar 2000 00:00:00 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (1_735_689_600, "Wed, 1 Jan 2025 00:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(write_date_time(UnixTime(time)), expected);
        }
    }

    #[test]
    fn the_day_is_found_in_a_date_field() {
        let expected = Date::from_calendar_date(2026, Month::November, 22).ok();
        for value in ["Sun, 22 Nov 2026 23:59:59 -0800", " 22 Nov 26 10:00 GMT", "22-Nov-2026 1:2:3"] {
            assert_eq!(day(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(day(b"yesterday"), None);
        assert_eq!(day(b"29 Feb 2023 0:00 GMT"), None);
    }
}
