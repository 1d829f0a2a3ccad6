//! The order of package versions, Debian Policy 5.6.12.

use std::cmp::Ordering;

/// Compares `[epoch:]upstream[-revision]`.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    compare_numbers(a.0, b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Epoch, upstream version and Debian revision; what is missing counts as `0`.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

/// Compares text and numbers in turn, from left to right.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = take(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = take(b, |byte| !byte.is_ascii_digit());
        let (number_a, after_a) = take(rest_a, |byte| byte.is_ascii_digit());
        let (number_b, after_b) = take(rest_b, |byte| byte.is_ascii_digit());
        let order = compare_text(text_a, text_b).then_with(|| compare_numbers(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

/// Splits after the leading bytes of one kind.
fn take(text: &str, kind: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !kind(byte)).unwrap_or(text.len());
    // Digits are ASCII, so the run ends at a character boundary unless a kind splits a multi-byte character, which none does.
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn compare_text(a: &str, b: &str) -> Ordering {
    let rank = |byte: Option<u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    };
    let (mut a, mut b) = (a.bytes(), b.bytes());
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        let order = rank(next_a).cmp(&rank(next_b));
        if order != Ordering::Equal || (next_a.is_none() && next_b.is_none()) {
            return order;
        }
    }
}

/// Compares digits of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_rising_order() {
        // Checked against dpkg --compare-versions.
        let rising = [
            "~~",
            "~~a",
            "~",
            "0.9~rc1-1",
            "0.9-1",
            "1.0~bpo12+1",
            "1.0",
            "1.0a",
            "1.0+b1",
            "1.0.1",
            "1.2",
            "1.10",
            "6.12.94+deb13",
            "6.12.107-1",
            "6.12.117-1",
            "2026.05.30-1~deb13u1",
            "2026.05.30-1",
            "1:0.1",
            "1:1.20240424+ds-6",
            "99999999999999999999:1",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn different_text_may_be_the_same_version() {
        for (a, b) in [("1.0", "1.0-0"), ("0:1", "1"), ("1.00", "1.0"), ("1", "01"), ("", "0"), ("a", "a0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn odd_text_is_survived() {
        for a in ["", "-", ":", "ä1", "1ä", "--", "1:2:3", "\0"] {
            for b in ["", "-", ":", "ä2", "2ä"] {
                assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
            }
        }
    }
}
