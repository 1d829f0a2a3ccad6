//! The data of records: read and written in the notation of a zone file, and on the wire.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{canonical, wire};

/// The longest string of a TXT record, in bytes (RFC 1035 section 3.3.14).
const STRING_LIMIT: usize = 255;
/// The longest text of a TXT record, in bytes: an RSA key of 4096 bits with a good deal of room.
const TEXT_LIMIT: usize = 4096;
/// The longest value of a CAA record, in bytes.
const CAA_VALUE_LIMIT: usize = 1024;
/// The longest data of a TLSA record, in bytes: a digest; whole certificates are not published.
const TLSA_LIMIT: usize = 64;

/// A type of record that a mail domain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// An authority that may issue certificates (RFC 8659).
    Caa,
    /// An alias.
    Cname,
    /// A mail host.
    Mx,
    /// A service (RFC 2782).
    Srv,
    /// A certificate (RFC 6698).
    Tlsa,
    /// A text.
    Txt,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::A, Self::Aaaa, Self::Caa, Self::Cname, Self::Mx, Self::Srv, Self::Tlsa, Self::Txt];

    /// The mnemonic, for example `TXT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Srv => "SRV",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        }
    }

    /// The TYPE on the wire.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Cname => 5,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
            Self::Tlsa => 52,
            Self::Caa => 257,
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RecordKind {
    type Err = RdataError;

    fn from_str(text: &str) -> Result<Self, RdataError> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str().eq_ignore_ascii_case(text)).ok_or(RdataError::Kind)
    }
}

/// The data of one record (RDATA), within the limits of its type. Names in it are absolute and canonical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Rdata(Data);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Caa { flags: u8, tag: String, value: String },
    Cname(String),
    Mx { preference: u16, exchange: String },
    Srv { priority: u16, weight: u16, port: u16, target: String },
    Tlsa { usage: u8, selector: u8, matching: u8, data: Vec<u8> },
    Txt(String),
}

/// The form in which data is kept: its type, and its notation as [`Rdata::parse`] reads it.
#[derive(Serialize, Deserialize)]
struct Written {
    kind: RecordKind,
    data: String,
}

/// A text that is no data of a record of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RdataError {
    /// The type is unknown.
    #[error("this type of record is not known")]
    Kind,
    /// The text is not in the notation of its type, or has a number or a name out of bounds.
    #[error("the data is not in the notation of a {0} record")]
    Notation(RecordKind),
    /// The text is longer than the limits of this crate.
    #[error("the data is too long for a {0} record")]
    TooLong(RecordKind),
}

impl Rdata {
    /// The data of a TXT record, which goes out in strings of at most 255 bytes.
    ///
    /// # Errors
    ///
    /// When it is longer than 4096 bytes, empty, or not of printable ASCII characters.
    pub fn text(text: &str) -> Result<Self, RdataError> {
        if text.len() > TEXT_LIMIT {
            return Err(RdataError::TooLong(RecordKind::Txt));
        }
        let printable = !text.is_empty() && is_printable(text);
        printable.then(|| Self(Data::Txt(text.to_owned()))).ok_or(RdataError::Notation(RecordKind::Txt))
    }

    /// The data of a TLSA record (RFC 6698 section 2.1) with a digest.
    ///
    /// # Errors
    ///
    /// When the digest is empty or longer than 64 bytes.
    pub fn tlsa(usage: u8, selector: u8, matching: u8, digest: &[u8]) -> Result<Self, RdataError> {
        if digest.len() > TLSA_LIMIT {
            return Err(RdataError::TooLong(RecordKind::Tlsa));
        }
        let data = Data::Tlsa { usage, selector, matching, data: digest.to_vec() };
        if digest.is_empty() { Err(RdataError::Notation(RecordKind::Tlsa)) } else { Ok(Self(data)) }
    }

    /// Reads the notation of a zone file (RFC 1035 section 5.1), but of a TXT record the text in one piece without quotes, as
    /// [`ipc::reachability::DomainRecord`] has it.
    ///
    /// # Errors
    ///
    /// As [`RdataError`] says.
    pub fn parse(kind: RecordKind, text: &str) -> Result<Self, RdataError> {
        let notation = RdataError::Notation(kind);
        let data = match kind {
            RecordKind::A => text.parse().ok().map(Data::A),
            RecordKind::Aaaa => text.parse().ok().map(Data::Aaaa),
            RecordKind::Cname => canonical(text).map(Data::Cname),
            RecordKind::Mx => mail_host(text),
            RecordKind::Srv => service(text),
            RecordKind::Txt => return Self::text(text),
            RecordKind::Caa => return parse_authority(text),
            RecordKind::Tlsa => return parse_certificate(text),
        };
        data.map(Self).ok_or(notation)
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self.0 {
            Data::A(_) => RecordKind::A,
            Data::Aaaa(_) => RecordKind::Aaaa,
            Data::Caa { .. } => RecordKind::Caa,
            Data::Cname(_) => RecordKind::Cname,
            Data::Mx { .. } => RecordKind::Mx,
            Data::Srv { .. } => RecordKind::Srv,
            Data::Tlsa { .. } => RecordKind::Tlsa,
            Data::Txt(_) => RecordKind::Txt,
        }
    }

    /// The notation that [`Rdata::parse`] reads.
    #[must_use]
    pub fn written(&self) -> String {
        match &self.0 {
            Data::Txt(text) => text.clone(),
            _ => self.to_string(),
        }
    }

    /// The address, if it is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Data::A(address) => Some(address.into()),
            Data::Aaaa(address) => Some(address.into()),
            _ => None,
        }
    }

    /// The data on the wire, names uncompressed.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        match &self.0 {
            Data::A(address) => address.octets().to_vec(),
            Data::Aaaa(address) => address.octets().to_vec(),
            Data::Caa { flags, tag, value } => {
                let length = u8::try_from(tag.len()).unwrap_or(0);
                [&[*flags, length], tag.as_bytes(), value.as_bytes()].concat()
            }
            Data::Cname(name) => wire(name),
            Data::Mx { preference, exchange } => [&preference.to_be_bytes()[..], &wire(exchange)].concat(),
            Data::Srv { priority, weight, port, target } => {
                let numbers = [priority, weight, port].map(|number| number.to_be_bytes());
                [numbers.as_flattened(), &wire(target)].concat()
            }
            Data::Tlsa { usage, selector, matching, data } => {
                [&[*usage, *selector, *matching], data.as_slice()].concat()
            }
            Data::Txt(text) => strings(text)
                .flat_map(|string| [&[u8::try_from(string.len()).unwrap_or(0)], string].concat())
                .collect(),
        }
    }
}

impl From<Ipv4Addr> for Rdata {
    fn from(address: Ipv4Addr) -> Self {
        Self(Data::A(address))
    }
}

impl From<Ipv6Addr> for Rdata {
    fn from(address: Ipv6Addr) -> Self {
        Self(Data::Aaaa(address))
    }
}

impl From<Rdata> for Written {
    fn from(data: Rdata) -> Self {
        Self { kind: data.kind(), data: data.written() }
    }
}

impl TryFrom<Written> for Rdata {
    type Error = RdataError;

    fn try_from(written: Written) -> Result<Self, RdataError> {
        Self::parse(written.kind, &written.data)
    }
}

/// The notation of a zone file, TXT strings in quotation marks.
impl fmt::Display for Rdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Data::A(address) => write!(f, "{address}"),
            Data::Aaaa(address) => write!(f, "{address}"),
            Data::Caa { flags, tag, value } => write!(f, "{flags} {tag} \"{value}\""),
            Data::Cname(name) => write!(f, "{name}."),
            Data::Mx { preference, exchange } => write!(f, "{preference} {exchange}."),
            Data::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {target}.")
            }
            Data::Tlsa { usage, selector, matching, data } => {
                write!(f, "{usage} {selector} {matching} ")?;
                data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Data::Txt(text) => {
                for (position, string) in strings(text).enumerate() {
                    f.write_str(if position == 0 { "\"" } else { " \"" })?;
                    for byte in string {
                        if matches!(byte, b'"' | b'\\') {
                            f.write_char('\\')?;
                        }
                        f.write_char(char::from(*byte))?;
                    }
                    f.write_char('"')?;
                }
                Ok(())
            }
        }
    }
}

fn strings(text: &str) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().chunks(STRING_LIMIT)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// preference SP exchange
fn mail_host(text: &str) -> Option<Data> {
    let (preference, exchange) = text.split_once(' ')?;
    Some(Data::Mx { preference: preference.parse().ok()?, exchange: canonical(exchange.trim())? })
}

/// priority SP weight SP port SP target
fn service(text: &str) -> Option<Data> {
    let mut fields = text.split_ascii_whitespace();
    let mut number = || fields.next()?.parse().ok();
    let (priority, weight, port) = (number()?, number()?, number()?);
    let target = canonical(fields.next()?)?;
    fields.next().is_none().then_some(Data::Srv { priority, weight, port, target })
}

/// flags SP tag SP value, the value in quotation marks or without
fn parse_authority(text: &str) -> Result<Rdata, RdataError> {
    let notation = RdataError::Notation(RecordKind::Caa);
    let mut fields = text.splitn(3, ' ');
    let mut field = || fields.next().ok_or(notation);
    let (flags, tag, value) = (field()?, field()?, field()?);
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    authority_data(flags.parse().map_err(|_| notation)?, tag, unquoted)
}

fn authority_data(flags: u8, tag: &str, value: &str) -> Result<Rdata, RdataError> {
    if value.len() > CAA_VALUE_LIMIT {
        return Err(RdataError::TooLong(RecordKind::Caa));
    }
    // RFC 8659 section 4.1: a tag has letters and digits, and its length is a byte; 15 are recommended.
    let is_tag = (1..=15).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_value = is_printable(value) && !value.contains(['"', '\\']);
    let data = Data::Caa { flags, tag: tag.to_ascii_lowercase(), value: value.to_owned() };
    if is_tag && is_value { Ok(Rdata(data)) } else { Err(RdataError::Notation(RecordKind::Caa)) }
}

/// usage SP selector SP matching SP hexadecimal data
fn parse_certificate(text: &str) -> Result<Rdata, RdataError> {
    let notation = RdataError::Notation(RecordKind::Tlsa);
    let mut fields = text.split_ascii_whitespace();
    let mut number = || fields.next().and_then(|field| field.parse().ok()).ok_or(notation);
    let (usage, selector, matching) = (number()?, number()?, number()?);
    let digits: String = fields.collect();
    if digits.len() > 2 * TLSA_LIMIT {
        return Err(RdataError::TooLong(RecordKind::Tlsa));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    };
    let digest: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    Rdata::tlsa(usage, selector, matching, &digest.ok_or(notation)?)
}

#[cfg(test)]
mod tests {
    use super::{Rdata, RdataError, RecordKind};

    #[track_caller]
    fn check(kind: RecordKind, text: &str, written: &str) {
        let data = Rdata::parse(kind, text).unwrap();
        assert_eq!(data.to_string(), written);
        assert_eq!(data.kind(), kind);
        assert_eq!(Rdata::parse(kind, &data.written()), Ok(data.clone()));
        let kept = serde_json::to_string(&data).unwrap();
        assert_eq!(serde_json::from_str::<Rdata>(&kept).unwrap(), data);
    }

    #[test]
    fn every_type_is_read_and_written() {
        check(RecordKind::A, "192.0.2.1", "192.0.2.1");
        check(RecordKind::Aaaa, "2001:db8:0::1", "2001:db8::1");
        check(RecordKind::Cname, "Home.Example.", "home.example.");
        check(RecordKind::Mx, "10 home.example.", "10 home.example.");
        check(RecordKind::Srv, "0 1 993 home.example.", "0 1 993 home.example.");
        check(RecordKind::Txt, r#"a "b" \c"#, r#""a \"b\" \\c""#);
        check(RecordKind::Caa, "0 issue \"ca.example\"", "0 issue \"ca.example\"");
        check(RecordKind::Caa, "128 ISSUE ca.example", "128 issue \"ca.example\"");
        check(RecordKind::Tlsa, "3 1 1 AB cd", "3 1 1 abcd");
    }

    #[test]
    fn a_long_text_goes_out_in_strings() {
        let text = "k".repeat(300);
        let data = Rdata::text(&text).unwrap();
        assert_eq!(data.to_string(), format!("\"{}\" \"{}\"", "k".repeat(255), "k".repeat(45)));
        let wire = data.to_wire();
        assert_eq!((wire.len(), wire[0], wire[256]), (302, 255, 45));
    }

    #[test]
    fn an_authority_is_bound_to_an_account() {
        let text = "0 issue \"letsencrypt.org; accounturi=https://acme.example/acct/1\"";
        let data = Rdata::parse(RecordKind::Caa, text).unwrap();
        assert_eq!(data.to_string(), text);
        assert_eq!(&data.to_wire()[..9], b"\x00\x05issuele");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (kind, text) in [
            (RecordKind::A, "2001:db8::1"),
            (RecordKind::Mx, "home.example"),
            (RecordKind::Mx, "70000 home.example"),
            (RecordKind::Srv, "0 1 993 home.example. more"),
            (RecordKind::Txt, ""),
            (RecordKind::Txt, "two\nlines"),
            (RecordKind::Caa, "0 is-sue ca"),
            (RecordKind::Caa, "0 issue \"a\"b\""),
            (RecordKind::Tlsa, "3 1 1"),
            (RecordKind::Tlsa, "3 1 1 abc"),
            (RecordKind::Tlsa, "3 1 256 ab"),
        ] {
            assert_eq!(Rdata::parse(kind, text), Err(RdataError::Notation(kind)), "{text:?}");
        }
        assert_eq!(Rdata::text(&"a".repeat(4097)), Err(RdataError::TooLong(RecordKind::Txt)));
        assert_eq!(Rdata::tlsa(3, 1, 1, &[0; 65]), Err(RdataError::TooLong(RecordKind::Tlsa)));
    }

    #[test]
    fn numbers_stand_in_network_order() {
        let wire = |kind, text| Rdata::parse(kind, text).unwrap().to_wire();
        assert_eq!(wire(RecordKind::Mx, "10 a.b"), b"\0\x0a\x01a\x01b\0");
        assert_eq!(wire(RecordKind::Srv, "0 1 993 a.b"), b"\0\0\0\x01\x03\xe1\x01a\x01b\0");
        assert_eq!(wire(RecordKind::Tlsa, "3 1 1 abcd"), b"\x03\x01\x01\xab\xcd");
    }
}
