//! Mailbox names: text inside, modified UTF-7 (RFC 3501 section 5.1.3) on the wire.

use std::fmt;

/// The longest mailbox name, in bytes of UTF-8.
const NAME_LIMIT: usize = 400;
/// The most levels of hierarchy in a name.
const DEPTH_LIMIT: usize = 20;

/// The hierarchy delimiter (RFC 3501 section 5.1.1).
pub(crate) const SEPARATOR: char = '/';

/// The name of a mailbox, with `/` between its levels. `INBOX` in any case is always written `INBOX`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

/// The fault of a text that is no mailbox name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxNameError {
    /// The name, or one of its levels, is empty.
    #[error("a mailbox name and its levels cannot be empty")]
    Empty,
    /// The name has too many bytes or levels.
    #[error("the mailbox name is too long")]
    TooLong,
    /// The name holds control characters, or the wildcards of `LIST`.
    #[error("the mailbox name holds a character that is not allowed")]
    Character,
    /// The name is not valid modified UTF-7 (RFC 3501 section 5.1.3).
    #[error("the mailbox name is not valid modified UTF-7")]
    Encoding,
}

impl MailboxName {
    /// The one mailbox that every account has (RFC 3501 section 5.1).
    #[must_use]
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }

    /// True for `INBOX` itself, not for names below it.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The name as text, not in modified UTF-7.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The superior name, one level up; none for a name at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| Self(parent.to_owned()))
    }

    /// True if `self` is an inferior name of `other`, at any depth.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// Reads a name as it is on the wire. One trailing separator is tolerated, as RFC 3501 section 6.3.3 has it.
    pub(crate) fn from_wire(bytes: &[u8]) -> Result<Self, MailboxNameError> {
        let text = decode_utf7(bytes)?;
        Self::try_from(text.strip_suffix(SEPARATOR).unwrap_or(&text))
    }

    /// The name as it is on the wire, not yet quoted.
    pub(crate) fn to_wire(&self) -> String {
        encode_utf7(&self.0)
    }
}

impl TryFrom<&str> for MailboxName {
    type Error = MailboxNameError;

    fn try_from(text: &str) -> Result<Self, MailboxNameError> {
        if text.len() > NAME_LIMIT || text.split(SEPARATOR).count() > DEPTH_LIMIT {
            return Err(MailboxNameError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c == '*' || c == '%') {
            return Err(MailboxNameError::Character);
        }
        if text.split(SEPARATOR).any(str::is_empty) {
            return Err(MailboxNameError::Empty);
        }
        let (first, rest) = text.split_once(SEPARATOR).map_or((text, None), |(a, b)| (a, Some(b)));
        let first = if first.eq_ignore_ascii_case("INBOX") { "INBOX" } else { first };
        Ok(Self(rest.map_or_else(|| first.to_owned(), |rest| format!("{first}{SEPARATOR}{rest}"))))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Decodes modified UTF-7. As a quirk, plain UTF-8 is taken as it is: some clients never encode.
pub(crate) fn decode_utf7(bytes: &[u8]) -> Result<String, MailboxNameError> {
    let text = std::str::from_utf8(bytes).map_err(|_| MailboxNameError::Encoding)?;
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let (shifted, after) = after.split_once('-').ok_or(MailboxNameError::Encoding)?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            decode_shifted(shifted, &mut decoded)?;
        }
        rest = after;
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// One run of modified base64 over UTF-16.
fn decode_shifted(shifted: &str, decoded: &mut String) -> Result<(), MailboxNameError> {
    let (mut bits, mut count, mut units) = (0_u32, 0_u32, Vec::new());
    for byte in shifted.bytes() {
        let value = BASE64.iter().position(|&symbol| symbol == byte).ok_or(MailboxNameError::Encoding)?;
        bits = (bits << 6) | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from((bits >> count) & 0xffff).unwrap_or(0));
            bits &= (1 << count) - 1;
        }
    }
    if bits != 0 || count >= 6 {
        return Err(MailboxNameError::Encoding);
    }
    for unit in char::decode_utf16(units) {
        decoded.push(unit.map_err(|_| MailboxNameError::Encoding)?);
    }
    Ok(())
}

/// Encodes to modified UTF-7.
fn encode_utf7(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut shifted = Vec::new();
    for c in text.chars() {
        if (' '..='~').contains(&c) {
            flush_shifted(&mut shifted, &mut encoded);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush_shifted(&mut shifted, &mut encoded);
    encoded
}

fn flush_shifted(units: &mut Vec<u16>, encoded: &mut String) {
    if units.is_empty() {
        return;
    }
    encoded.push('&');
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut push = |value: u32| {
        let symbol = usize::try_from(value & 0x3f).ok().and_then(|index| BASE64.get(index));
        encoded.push(symbol.map_or('A', |&symbol| char::from(symbol)));
    };
    for unit in units.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            push(bits >> count);
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        push(bits << (6 - count));
    }
    encoded.push('-');
}

/// The alphabet of RFC 3501 section 5.1.3: `,` in place of `/`.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

#[cfg(test)]
mod tests {
    use super::{MailboxName, MailboxNameError};

    fn check(wire: &str, expected: Result<&str, MailboxNameError>) {
        let name = MailboxName::from_wire(wire.as_bytes());
        assert_eq!(name.as_ref().map(MailboxName::as_str).map_err(|error| *error), expected, "{wire:?}");
    }

    #[test]
    fn names_are_decoded_and_checked() {
        check("inbox", Ok("INBOX"));
        check("InBox/Sub", Ok("INBOX/Sub"));
        check("Archive/", Ok("Archive"));
        check("~peter/mail/&U,BTFw-/&ZeVnLIqe-", Ok("~peter/mail/台北/日本語"));
        check("R&AOk-sum&AOk-", Ok("Résumé"));
        check("Tom &- Jerry", Ok("Tom & Jerry"));
        check("Entwürfe", Ok("Entwürfe"));
        check("", Err(MailboxNameError::Empty));
        check("a//b", Err(MailboxNameError::Empty));
        check("a*b", Err(MailboxNameError::Character));
        check("&U,B", Err(MailboxNameError::Encoding));
        check("&2AA-", Err(MailboxNameError::Encoding));
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for name in ["台北/日本語", "Résumé & Co", "🐈", "a&b", "plain"] {
            let name = MailboxName::try_from(name).unwrap();
            assert!(name.to_wire().is_ascii());
            assert_eq!(MailboxName::from_wire(name.to_wire().as_bytes()), Ok(name));
        }
    }
}
