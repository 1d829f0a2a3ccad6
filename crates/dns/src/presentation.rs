//! Records as text, for people: what is published, beside what should be.

use hickory_resolver::proto::rr::{RData, Record, RecordType};

use crate::error::LookupError;
use crate::name::canonical;
use crate::resolver::{LOOKUP_LIMIT, Resolver};

/// The number of records that are shown.
const RECORDS_LIMIT: usize = 64;

/// A type of record that a mail domain may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Authorities that may issue certificates (RFC 8659).
    Caa,
    /// The name that an alias stands for.
    Cname,
    /// Mail hosts.
    Mx,
    /// Name servers.
    Ns,
    /// Names of an address.
    Ptr,
    /// Services (RFC 2782).
    Srv,
    /// Certificates (RFC 6698), here without any proof.
    Tlsa,
    /// Texts.
    Txt,
}

impl RecordKind {
    fn kind(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Caa => RecordType::CAA,
            Self::Cname => RecordType::CNAME,
            Self::Mx => RecordType::MX,
            Self::Ns => RecordType::NS,
            Self::Ptr => RecordType::PTR,
            Self::Srv => RecordType::SRV,
            Self::Tlsa => RecordType::TLSA,
            Self::Txt => RecordType::TXT,
        }
    }
}

impl Resolver {
    /// The data of a name's records in the notation of a zone file (RFC 1035 section 5.1), sorted, for example
    /// `10 mx.example.`; but of TXT records the text, its strings joined, without quotes. Aliases are followed. Nothing of
    /// it is kept or comes out of a cache.
    ///
    /// # Errors
    ///
    /// As [`LookupError`] says.
    pub async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<String>, LookupError> {
        let name = canonical(name).ok_or(LookupError::NoSuchDomain)?;
        let asked = tokio::time::timeout(LOOKUP_LIMIT, self.ask(&name, kind.kind())).await;
        let silence = || LookupError::Unavailable("the name servers do not answer".to_owned());
        let records = asked.map_err(|_| silence())?.answer?;
        let mut shown: Vec<String> = records.iter().take(RECORDS_LIMIT).map(show).collect();
        shown.sort();
        Ok(shown)
    }
}

fn show(record: &Record) -> String {
    match &record.data {
        RData::TXT(strings) => String::from_utf8_lossy(&strings.txt_data.concat()).into_owned(),
        data => data.to_string(),
    }
}
