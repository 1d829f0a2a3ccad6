//! Dates of IMAP (RFC 3501 section 9) to and from seconds since 1970-01-01. Time zones are offsets; no clock is read.

use mail_types::UnixTime;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Seconds of a day.
const DAY: i64 = 86_400;

/// RFC 3501: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE, in UTC.
pub(crate) fn write_date_time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let rest = seconds.rem_euclid(DAY);
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"Jan");
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("\"{day:2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} +0000\"")
}

/// The number of the month with this name, from 1.
pub(crate) fn month(name: &str) -> Option<i64> {
    let position = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(position + 1).ok()
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; none when there is no such date.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Counted in years that begin in March, so that the leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// Seconds since 1970 of a date and a time of day in a zone `offset` minutes east of UTC.
pub(crate) fn seconds(days: i64, time: (i64, i64, i64), offset: i64) -> Option<i64> {
    let (hour, minute, second) = time;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    valid.then(|| days * DAY + hour * 3600 + minute * 60 + second - offset * 60)
}

/// Days since 1970-01-01, in UTC.
pub(crate) fn day_of(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX).div_euclid(DAY)
}

/// Days since 1970-01-01 of the date in a `Date` field (RFC 5322 section 3.3). Its time and time zone are disregarded,
/// as `SENTON` demands.
pub(crate) fn day_of_header(value: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(value);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == ',' || c == '-')
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(3).find_map(|window| {
        let [day, name, year] = window else {
            return None;
        };
        let (day, month, year) = (day.parse().ok()?, month(name)?, year.parse::<i64>().ok()?);
        // RFC 5322 section 4.3: years of two or three digits are obsolete.
        let year = match year {
            0..50 => year + 2000,
            50..1000 => year + 1900,
            _ => year,
        };
        days(year, month, day)
    })
}

/// The date of a day since 1970-01-01: year, month and day, by the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;

    use super::{civil, day_of_header, days, write_date_time};

    #[test]
    fn days_and_dates_are_inverse() {
        for (date, day) in [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2026, 11, 22), 20_779)] {
            assert_eq!(days(date.0, date.1, date.2), Some(day));
            assert_eq!(civil(day), date);
        }
        assert_eq!(days(2023, 2, 29), None);
        assert_eq!(days(2023, 13, 1), None);
        for day in (-700_000..2_900_000).step_by(97) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
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
