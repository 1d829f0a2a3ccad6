//! Mail addresses (RFC 5321 section 4.1.2), lower-cased: chatmail compares them without regard to case.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest local-part, in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_LIMIT: usize = 64;
/// The longest domain, in bytes (RFC 5321 section 4.5.3.1.2).
const DOMAIN_LIMIT: usize = 255;
/// The longest host name that can be looked up, in bytes (RFC 1035 section 2.3.4, without the length of the root).
const HOST_NAME_LIMIT: usize = 253;
/// The longest label of a host name, in bytes (RFC 1035 section 2.3.4).
const LABEL_LIMIT: usize = 63;
/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3: a path of 256 less its angle brackets).
const ADDRESS_LIMIT: usize = 254;

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is not exactly one `@` between two parts.
    #[error("an address has the form name@domain")]
    Form,
    /// The name before the `@` is empty, too long or has characters that are not allowed.
    #[error("the part before the @ is not valid")]
    LocalPart,
    /// The domain is neither a host name nor an address literal.
    #[error("the part after the @ is not a domain")]
    Domain,
    /// Longer than RFC 5321 allows.
    #[error("the address is longer than 254 bytes")]
    TooLong,
}

/// The part before the `@`, lower-cased: a dot-string of RFC 5321, or in an envelope a quoted string, with its quotes.
/// Accounts have dot-strings only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

impl LocalPart {
    /// The text, lower-cased, with the quotes of a quoted string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the local-part of an envelope. What quotes and backslashes make no difference to is read as if there were
    /// none (RFC 5321 section 4.1.2): `"anna"` is `anna`, and of two ways to write the same both are equal.
    ///
    /// ```text
    /// Local-part    = Dot-string / Quoted-string
    /// Quoted-string = DQUOTE *QcontentSMTP DQUOTE
    /// QcontentSMTP  = qtextSMTP / quoted-pairSMTP
    /// ```
    fn from_envelope(text: &str) -> Result<Self, AddressError> {
        let Some(quoted) = text.strip_prefix('"') else { return text.parse() };
        let quoted = quoted.strip_suffix('"').ok_or(AddressError::LocalPart)?;
        let (mut content, mut canonical) = (String::new(), String::from("\""));
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            let character = match character {
                '"' => return Err(AddressError::LocalPart),
                '\\' => characters.next().ok_or(AddressError::LocalPart)?,
                character => character,
            };
            if !matches!(character, ' '..='~') {
                return Err(AddressError::LocalPart);
            }
            if matches!(character, '"' | '\\') {
                canonical.push('\\');
            }
            canonical.push(character.to_ascii_lowercase());
            content.push(character);
        }
        canonical.push('"');
        match content.parse() {
            Ok(dot_string) => Ok(dot_string),
            Err(_) if canonical.len() <= LOCAL_PART_LIMIT => Ok(Self(canonical)),
            Err(error) => Err(error),
        }
    }
}

impl FromStr for LocalPart {
    type Err = AddressError;

    /// RFC 5321: Dot-string = Atom *("." Atom)
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let atom = |atom: &str| !atom.is_empty() && atom.bytes().all(atext);
        if text.len() <= LOCAL_PART_LIMIT && text.split('.').all(atom) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(AddressError::LocalPart)
        }
    }
}

/// The part after the `@`: a host name, or an address literal in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A host name, lower-cased, without a trailing dot. Underscores are accepted: chatmail uses `_name` domains.
    Name(String),
    /// `[192.0.2.1]`
    Ipv4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`
    Ipv6(Ipv6Addr),
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return parse_literal(literal).ok_or(AddressError::Domain);
        }
        let label = |label: &str| is_label(label) && !label.starts_with('-') && !label.ends_with('-');
        if text.len() <= DOMAIN_LIMIT && text.split('.').all(label) {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(AddressError::Domain)
        }
    }
}

/// Whether a name server can be asked for the text as a host name, written without a trailing dot. Underscores are accepted,
/// and hyphens anywhere, as resolvers do; [`Domain`] is stricter.
#[must_use]
pub fn is_host_name(text: &str) -> bool {
    text.len() <= HOST_NAME_LIMIT && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_LIMIT).contains(&label.len()) && label.bytes().all(allowed)
}

/// RFC 5321: address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
fn parse_literal(literal: &str) -> Option<Domain> {
    let tag = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match tag.and_then(|_| literal.get(5..)) {
        Some(address) => address.parse().ok().map(Domain::Ipv6),
        None => literal.parse().ok().map(Domain::Ipv4),
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv4(address) => write!(f, "[{address}]"),
            Self::Ipv6(address) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// A whole address. Two addresses that differ only in case are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// Puts two valid parts together; fails when the whole is too long.
    pub fn new(local: LocalPart, domain: Domain) -> Result<Self, AddressError> {
        let address = Self { local, domain };
        if address.to_string().len() > ADDRESS_LIMIT { Err(AddressError::TooLong) } else { Ok(address) }
    }

    /// Reads the address in a path of an envelope, which may have a quoted local-part (RFC 5321 section 4.1.2: Mailbox).
    /// Accounts have none such: their addresses are parsed by [`FromStr`].
    ///
    /// # Errors
    ///
    /// That a part is missing, or which is not valid.
    pub fn from_envelope(text: &str) -> Result<Self, AddressError> {
        // No domain has an `@`, but a quoted string may.
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Form)?;
        Self::new(LocalPart::from_envelope(local)?, domain.parse()?)
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.split_once('@').ok_or(AddressError::Form)?;
        if domain.contains('@') {
            return Err(AddressError::Form);
        }
        Self::new(local.parse()?, domain.parse()?)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local.0, self.domain)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    /// Reads back what was written as an [`Address`], envelopes in a queue included.
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::from_envelope(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl From<LocalPart> for String {
    fn from(local: LocalPart) -> Self {
        local.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, is_host_name};

    fn check(text: &str, expected: Result<&str, AddressError>) {
        assert_eq!(
            text.parse::<Address>().map(|address| address.to_string()),
            expected.map(str::to_owned),
            "{text:?}"
        );
    }

    #[test]
    fn addresses_are_lower_cased_and_checked() {
        check("Anna.B@Example.ORG", Ok("anna.b@example.org"));
        check("ac1_x2-3@_box.test", Ok("ac1_x2-3@_box.test"));
        check("u@[192.0.2.1]", Ok("u@[192.0.2.1]"));
        check("u@[IPv6:2001:DB8::1]", Ok("u@[IPv6:2001:db8::1]"));
        check("no-at", Err(AddressError::Form));
        check("a@b@c", Err(AddressError::Form));
        check("@example.org", Err(AddressError::LocalPart));
        check("a..b@example.org", Err(AddressError::LocalPart));
        check("a b@example.org", Err(AddressError::LocalPart));
        check("a@", Err(AddressError::Domain));
        check("a@-x.org", Err(AddressError::Domain));
        check("a@[300.1.1.1]", Err(AddressError::Domain));
    }

    #[test]
    fn a_host_name_has_labels_of_letters_digits_and_two_signs() {
        let longest = vec!["a".repeat(63); 3].join(".") + "." + &"b".repeat(61);
        for text in ["localhost", "0.Pool.test", "_x.a-b.test", "-a.test", "192.0.2.1", &longest] {
            assert!(is_host_name(text), "{text:?}");
        }
        let long = format!("{}.test", "a".repeat(64));
        for text in ["", ".", "a.", "a..b", "a b", "pool.test:123", "ä.test", &long, &format!("{longest}b")]
        {
            assert!(!is_host_name(text), "{text:?}");
        }
    }

    #[test]
    fn envelopes_may_quote_the_local_part() {
        let check = |text: &str, expected: Result<&str, AddressError>| {
            let read = Address::from_envelope(text).map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text:?}");
            // What is written can be read back, and means the same.
            if let Ok(written) = read {
                assert_eq!(Address::try_from(written.clone()).map(|again| again.to_string()), Ok(written));
            }
        };
        check("Anna@Box.Test", Ok("anna@box.test"));
        check(r#""John Doe"@box.test"#, Ok(r#""john doe"@box.test"#));
        check(r#""a@b"@c.test"#, Ok(r#""a@b"@c.test"#));
        check(r#""a>b,c:d;"@[192.0.2.1]"#, Ok(r#""a>b,c:d;"@[192.0.2.1]"#));
        check(r#""anna"@box.test"#, Ok("anna@box.test"));
        check(r#""an\na.b"@box.test"#, Ok("anna.b@box.test"));
        check(r#""a..b"@box.test"#, Ok(r#""a..b"@box.test"#));
        check(r#""a\ b\"\\"@box.test"#, Ok(r#""a b\"\\"@box.test"#));
        check(r#"""@box.test"#, Ok(r#"""@box.test"#));
        for text in [
            r#""a@box.test"#,
            r#"a"@box.test"#,
            r#""a"b"@box.test"#,
            r#""a\"@box.test"#,
            r#"x."a"@box.test"#,
            "\"a\tb\"@box.test",
            "\"m\u{fc}ller\"@box.test",
            "a@b@box.test",
            "\"@box.test",
            "@box.test",
        ] {
            check(text, Err(AddressError::LocalPart));
        }
        check(r#""a b""#, Err(AddressError::Form));
        check(r#""a b"@"#, Err(AddressError::Domain));
        check(&format!("\"{} x\"@box.test", "a".repeat(61)), Err(AddressError::LocalPart));
        // Names of accounts are never quoted.
        assert!(r#""john doe"@box.test"#.parse::<Address>().is_err());
        assert!(r#""anna"@box.test"#.parse::<Address>().is_err());
    }

    #[test]
    fn lengths_meet_their_limits() {
        check(&format!("{}@example.org", "a".repeat(65)), Err(AddressError::LocalPart));
        check(&format!("a@{}.org", "b".repeat(64)), Err(AddressError::Domain));
        let labels = vec!["c".repeat(63); 3].join(".");
        check(&format!("{}@{labels}", "a".repeat(64)), Err(AddressError::TooLong));
    }
}
