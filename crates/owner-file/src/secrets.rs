//! The secrets of a text, and what earlier versions of it have left on the card. Bytes in, bytes out.
//!
//! Copies are looked for in each sector by itself. A copy that lies in two, or that a power cut left half masked, is found
//! by its parts: the secret's end at the beginning of a sector, and its beginning at the end of one.

use std::ops::Range;

use memchr::memmem;

/// The byte that stands in the place of each byte of a secret.
pub(crate) const MASK: u8 = b'*';
/// Bytes of the shortest secret of which copies are looked for; shorter ones are found anywhere.
const SHORTEST: usize = 8;
/// Bytes of the shortest part of a secret that is taken for one.
const SHORTEST_PART: usize = 4;

/// The values that `masked` has masked: each run of [`MASK`] in which a byte differs from `text`.
pub(crate) fn values(text: &[u8], masked: &[u8]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let mut run: Option<Range<usize>> = None;
    let mut differs = false;
    for (at, (before, after)) in text.iter().zip(masked).enumerate() {
        if *after == MASK {
            run.get_or_insert(at..at).end = at + 1;
            differs |= before != after;
        } else if let Some(run) = run.take() {
            values.extend(std::mem::take(&mut differs).then_some(run));
        }
    }
    values.extend(run.filter(|_| differs));
    values
}

/// Whether copies of the value are to be looked for. One with a [`MASK`] in it was masked in part, after its copies were.
pub(crate) fn is_searched(value: &[u8]) -> bool {
    value.len() >= SHORTEST && !value.contains(&MASK)
}

/// Masks what a sector, or a part of one, holds of the secrets. Says whether there was anything.
pub(crate) fn mask_copies(sector: &mut [u8], secrets: &[&[u8]]) -> bool {
    let mut found = false;
    for secret in secrets {
        if (1..secret.len()).contains(&sector.len()) && memmem::find(secret, sector).is_some() {
            sector.fill(MASK);
            return true;
        }
        let places: Vec<usize> = memmem::find_iter(sector, secret).collect();
        let whole = places.into_iter().map(|at| at..at + secret.len());
        let parts = [end_at_the_beginning(sector, secret), beginning_at_the_end(sector, secret)];
        for place in whole.chain(parts.into_iter().flatten()) {
            if let Some(place) = sector.get_mut(place) {
                place.fill(MASK);
                found = true;
            }
        }
    }
    found
}

/// The longest end of the secret with which the sector begins.
fn end_at_the_beginning(sector: &[u8], secret: &[u8]) -> Option<Range<usize>> {
    let lengths = (SHORTEST_PART..secret.len()).rev();
    let mut ends = lengths.filter_map(|length| secret.get(secret.len() - length..));
    ends.find(|end| sector.starts_with(end)).map(|end| 0..end.len())
}

/// The longest beginning of the secret with which the sector ends.
fn beginning_at_the_end(sector: &[u8], secret: &[u8]) -> Option<Range<usize>> {
    let lengths = (SHORTEST_PART..secret.len()).rev();
    let mut beginnings = lengths.filter_map(|length| secret.get(..length));
    beginnings.find(|part| sector.ends_with(part)).map(|part| sector.len() - part.len()..sector.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_whole_runs_of_the_mask() {
        let found = |text: &str, masked: &str| {
            let places = values(text.as_bytes(), masked.as_bytes());
            places.into_iter().map(|place| text.get(place).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("a = 'secret'", "a = '******'"), ["secret"]);
        assert_eq!(found("a = 'se*ret', b = '***'", "a = '******', b = '***'"), ["se*ret"]);
        assert_eq!(found("a = '***ret'", "a = '******'"), ["***ret"]);
        assert_eq!(found("secret1 secret2", "******* *******"), ["secret1", "secret2"]);
        assert!(found("a = '******'", "a = '******'").is_empty());
        assert!(is_searched(b"12345678") && !is_searched(b"1234567") && !is_searched(b"1234*678"));
    }

    #[test]
    fn copies_and_parts_of_copies_are_masked() {
        let check = |sector: &str, expected: &str| {
            let mut bytes = sector.as_bytes().to_vec();
            assert_eq!(
                mask_copies(&mut bytes, &[b"abcdefgh", b"0123456789"]),
                sector != expected,
                "{sector}"
            );
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        };
        check("x abcdefgh, abcdefgh 0123456789 y", "x ********, ******** ********** y");
        check("bcdefgh and then abcdefg", "******* and then *******");
        check("efgh and then abcd", "**** and then ****");
        check("6789", "****");
        check("fgh and then abc", "fgh and then abc");
        check("x bcdefgh and abcdefg y", "x bcdefgh and abcdefg y");
        check("abcdefg", "*******");
        check("234567", "******");
        check("", "");
    }
}
