//! Mail addresses (RFC 5321 section 4.1.2), lower-cased: chatmail compares them without regard to case.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest local-part, in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_LIMIT: usize = 64;
/// The longest domain, in bytes (RFC 5321 section 4.5.3.1.2).
const DOMAIN_LIMIT: usize = 255;
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

/// The part before the `@`: a dot-string of RFC 5321, lower-cased. Quoted strings are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

impl LocalPart {
    /// The text, lower-cased.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
        let label = |label: &str| {
            (1..=LABEL_LIMIT).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= DOMAIN_LIMIT && text.split('.').all(label) {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(AddressError::Domain)
        }
    }
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

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
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
    use super::{Address, AddressError};

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
    fn lengths_meet_their_limits() {
        check(&format!("{}@example.org", "a".repeat(65)), Err(AddressError::LocalPart));
        check(&format!("a@{}.org", "b".repeat(64)), Err(AddressError::Domain));
        let labels = vec!["c".repeat(63); 3].join(".");
        check(&format!("{}@{labels}", "a".repeat(64)), Err(AddressError::TooLong));
    }
}
