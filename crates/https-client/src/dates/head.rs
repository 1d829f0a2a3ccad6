//! The date in the head of an answer (RFC 9112, sections 4 and 5; RFC 9110, section 6.6.1).

use host::clock::UnixTime;

/// The most bytes of a head.
pub const HEAD_LIMIT: usize = 8 * 1024;
/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// A head without a date that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It breaks off, or is longer than [`HEAD_LIMIT`].
    #[error("the head of its answer has no end")]
    Incomplete,
    /// It is no final answer of HTTP/1.
    #[error("it does not speak HTTP")]
    NoAnswer,
    /// It has no `Date`, several, or one that is written otherwise than today (`IMF-fixdate`).
    #[error("the head of its answer has no date")]
    NoDate,
    /// It has lain in a cache (RFC 9111, section 5.1), and its date may be that of its making.
    #[error("its answer comes from a cache")]
    Old,
}

/// Whether the end of a head is there.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    end(bytes).is_some()
}

fn end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END)
}

/// The date in a head; of bytes behind its end nothing is read.
///
/// # Errors
///
/// [`HeadError`] for one without a date that counts.
pub fn date(bytes: &[u8]) -> Result<UnixTime, HeadError> {
    let head = end(bytes).filter(|end| end + END.len() <= HEAD_LIMIT).and_then(|end| bytes.get(..end));
    let head = head.ok_or(HeadError::Incomplete)?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if !lines.next().is_some_and(is_final_status) {
        return Err(HeadError::NoAnswer);
    }
    let mut dates = Vec::new();
    for (name, value) in lines.filter_map(field) {
        if name.eq_ignore_ascii_case(b"Date") {
            dates.push(value);
        } else if name.eq_ignore_ascii_case(b"Age") && value != b"0" {
            return Err(HeadError::Old);
        }
    }
    match dates.as_slice() {
        [value] => fixed_date(value).ok_or(HeadError::NoDate),
        _ => Err(HeadError::NoDate),
    }
}

/// `status-line = HTTP-version SP status-code SP [ reason-phrase ]`, without the answers that others follow (1xx).
fn is_final_status(line: &[u8]) -> bool {
    let status = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let code = |status: &[u8]| match status {
        [first, second, third] | [first, second, third, b' ', ..] => {
            (b'2'..=b'5').contains(first) && second.is_ascii_digit() && third.is_ascii_digit()
        }
        _ => false,
    };
    status.is_some_and(code)
}

/// `field-line = field-name ":" OWS field-value OWS`
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name, value.get(1..)?.trim_ascii()))
}

/// `IMF-fixdate`: of all ways to write it this is the one.
fn fixed_date(value: &[u8]) -> Option<UnixTime> {
    let text = str::from_utf8(value).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    (httpdate::fmt_http_date(time) == text).then_some(UnixTime(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::{HEAD_LIMIT, HeadError, UnixTime, date};

    #[track_caller]
    fn check(head: &str, expected: Result<u64, HeadError>) {
        assert_eq!(date(head.replace('\n', "\r\n").as_bytes()), expected.map(UnixTime), "{head}");
    }

    const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\n";
    const TIME: u64 = 784_111_777;

    #[test]
    fn any_final_answer_has_a_date() {
        check(&format!("HTTP/1.1 200 OK\n{DATE}\n"), Ok(TIME));
        check(&format!("HTTP/1.0 301\nLocation: https://else.test/\n{DATE}\n"), Ok(TIME));
        check(&format!("HTTP/1.1 405 \nage: 0\n{}\n", DATE.replace("Date: ", "DATE:\t ")), Ok(TIME));
        check(&format!("HTTP/1.1 200 OK\n{DATE}\nDate: never\n\n"), Ok(TIME));
    }

    #[test]
    fn a_head_without_a_date_that_counts_is_refused() {
        let with = |lines: &str| format!("HTTP/1.1 200 OK\n{lines}\n");
        check("", Err(HeadError::Incomplete));
        check(&format!("HTTP/1.1 200 OK\n{DATE}"), Err(HeadError::Incomplete));
        check(&with(&format!("{DATE}X: {}\n", "x".repeat(HEAD_LIMIT))), Err(HeadError::Incomplete));
        for line in ["HTTP/2 200 OK", "HTTP/1.1 103 Early Hints", "HTTP/1.1 2000 OK", "HTTP/1.1", "220 ready"]
        {
            check(&format!("{line}\n{DATE}\n"), Err(HeadError::NoAnswer));
        }
        check(&with(""), Err(HeadError::NoDate));
        check(&with(&DATE.repeat(2)), Err(HeadError::NoDate));
        for value in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Thu, 01 Jan 1969 00:00:00 GMT",
            "0",
        ] {
            check(&with(&format!("Date: {value}\n")), Err(HeadError::NoDate));
        }
        check(&with(&format!("Age: 7\n{DATE}")), Err(HeadError::Old));
    }
}
