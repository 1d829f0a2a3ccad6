//! Sizes and times: a plain number, in the unit that the key has, or a text of a number and a unit, as `"500 MiB"` or
//! `"20 days"`. An error is a whole sentence, for a [`Finding`](crate::Finding), and names what is allowed.

use toml::Value;

/// A kind of quantity, with its units; the factors are multiples of the unit that plain numbers have.
struct Kind {
    /// The quantity in a sentence.
    noun: &'static str,
    /// The unit of plain numbers.
    base: &'static str,
    fractions: Fractions,
    /// The lower-case names of units, with their factors.
    units: &'static [(&'static str, u64)],
    /// The allowed forms, for an error.
    allowed: &'static str,
}

/// The treatment of a fraction that does not come out as whole base units.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fractions {
    /// It is rounded down: no byte of 1.1 KiB is worth an error.
    RoundedDown,
    Refused,
}

/// Decimal units are powers of 1000, binary ones of 1024 (IEC 80000-13). A letter alone means either to different people.
const SIZE: Kind = Kind {
    noun: "size",
    base: "bytes",
    fractions: Fractions::RoundedDown,
    units: &[
        ("b", 1),
        ("byte", 1),
        ("bytes", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ],
    allowed: "a number of bytes, or a text with a unit as \"500 MiB\" or \"5GB\": B, kB, MB, GB, TB (powers of 1000), KiB, \
              MiB, GiB, TiB (powers of 1024)",
};

/// Months and years have no fixed length.
const DAYS: Kind = Kind {
    noun: "time",
    base: "days",
    fractions: Fractions::Refused,
    units: &[("d", 1), ("day", 1), ("days", 1), ("w", 7), ("week", 7), ("weeks", 7)],
    allowed: "a number of days, or a text with a unit as \"90 days\" or \"2 weeks\": d, day, days, w, week, weeks",
};

/// A size of at least `least` bytes.
pub(crate) fn size(least: u64) -> impl FnOnce(Value) -> Result<u64, String> {
    move |value| SIZE.read(&value, least)
}

/// A number of at least `least` days.
pub(crate) fn days<T: TryFrom<u64>>(least: u64) -> impl FnOnce(Value) -> Result<T, String> {
    move |value| {
        let number = DAYS.read(&value, least)?;
        number.try_into().map_err(|_| format!("{value} is too much: the most is {}, in days.", u32::MAX))
    }
}

impl Kind {
    fn read(&self, value: &Value, least: u64) -> Result<u64, String> {
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => self.parse(text),
            _ => None,
        };
        match number {
            Some(number) if number < least => {
                Err(format!("{value} is too little: the least is {least}, in {}.", self.base))
            }
            Some(number) => Ok(number),
            None => Err(format!("{value} is no {}. Allowed is {}.", self.noun, self.allowed)),
        }
    }

    /// quantity = number ["." number] *SP [unit]; none also beyond what a plain number of TOML holds.
    fn parse(&self, text: &str) -> Option<u64> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let unit = unit.trim_start().to_ascii_lowercase();
        let factor = match unit.as_str() {
            "" => 1,
            unit => self.units.iter().find(|(name, _)| *name == unit)?.1,
        };
        let whole = digits(whole)?.checked_mul(factor)?;
        let divisor = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let parts = digits(fraction)?.checked_mul(factor)?;
        // Of a single byte or day there is no fraction at all.
        if parts % divisor != 0 && (self.fractions == Fractions::Refused || factor == 1) {
            return None;
        }
        let number = whole.checked_add(parts / divisor)?;
        i64::try_from(number).is_ok().then_some(number)
    }
}

/// One digit or more.
fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use toml::Value;

    use super::{days, size};

    fn bytes(text: &str) -> Option<u64> {
        size(0)(Value::String(text.to_owned())).ok()
    }

    #[test]
    fn sizes_are_read_with_units() {
        for (text, expected) in [
            ("0", 0),
            ("31457280", 31_457_280),
            ("200 bytes", 200),
            ("1 Byte", 1),
            ("7B", 7),
            ("5GB", 5_000_000_000),
            ("5 gb", 5_000_000_000),
            ("500 MiB", 524_288_000),
            ("30MIB", 31_457_280),
            ("64 KiB", 65_536),
            ("64kB", 64_000),
            ("1.5 GB", 1_500_000_000),
            ("0.25TiB", 274_877_906_944),
            ("1.1 KiB", 1126),
            (" 2  TB ", 2_000_000_000_000),
            ("9223372036854775807", 9_223_372_036_854_775_807),
            ("8388607 TiB", 9_223_370_937_343_148_032),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            " ",
            "GB",
            "much",
            "5 XB",
            "5 G",
            "5 M",
            "5 days",
            "5 GB or so",
            "-1",
            "-5 MB",
            "+5",
            "1e9",
            "0x10",
            "1_000",
            "5,5 GB",
            ".5 GB",
            "5. GB",
            "1.5",
            "1.5 bytes",
            "1.5.5 GB",
            "5 000",
            "\u{664} GB",
            "9223372036854775808",
            "18446744073709551616",
            "8388608 TiB",
            "99999999999 TB",
            "1.00000000000000000000000001 GB",
        ] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
        for value in [Value::Float(1.5), Value::Integer(-1), Value::Boolean(true), Value::Array(Vec::new())] {
            assert!(size(0)(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn times_are_read_with_units() {
        let read = |text: &str| days::<u32>(1)(Value::String(text.to_owned())).ok();
        for (text, expected) in
            [("20 days", 20), ("90days", 90), ("1 Day", 1), ("3 d", 3), ("2 weeks", 14), ("1w", 7), ("5", 5)]
        {
            assert_eq!(read(text), Some(expected), "{text:?}");
        }
        for text in
            ["0 days", "1.5 days", "1 month", "1 year", "24 h", "days", "-1 day", "4294967296", "5 MB"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read("1.0 weeks"), Some(7));
        assert_eq!(days::<u64>(1)(Value::Integer(i64::MAX)), Ok(u64::MAX >> 1));
    }

    #[test]
    fn an_error_names_the_value_and_what_is_allowed() {
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(
            days::<u32>(1)(text("1 month")),
            Err("\"1 month\" is no time. Allowed is a number of days, or a text with a unit as \"90 days\" or \
                 \"2 weeks\": d, day, days, w, week, weeks."
                .to_owned())
        );
        let refused = size(0)(Value::Float(1.5)).unwrap_err();
        assert!(refused.starts_with("1.5 is no size. Allowed is a number of bytes, or "), "{refused}");
        assert_eq!(
            days::<u32>(1)(text("4294967296 days")),
            Err("\"4294967296 days\" is too much: the most is 4294967295, in days.".to_owned())
        );
        assert_eq!(
            size(1024)(text("1 kB")),
            Err("\"1 kB\" is too little: the least is 1024, in bytes.".to_owned())
        );
        assert_eq!(
            size(1024)(Value::Integer(5)),
            Err("5 is too little: the least is 1024, in bytes.".to_owned())
        );
    }
}
