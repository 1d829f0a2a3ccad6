//! From records to answers: selection, order and bounds.

use std::net::IpAddr;

use hickory_resolver::proto::rr::{RData, Record};
use mail_types::Tlsa;

use crate::error::LookupError;
use crate::name::canonical;

/// The number of mail hosts of a domain that are used: more than are tried in one attempt.
const HOSTS_LIMIT: usize = 10;
/// The number of addresses of one family that are used.
const ADDRESSES_LIMIT: usize = 8;
/// The number of TXT records of a name that are used.
const TEXTS_LIMIT: usize = 64;
/// The longest text, in bytes: a key record of RSA with 16 384 bits has 2.8 kB.
const TEXT_LIMIT: usize = 16 * 1024;
/// The number of TLSA records of a name that are used.
const TLSA_LIMIT: usize = 16;

/// The hosts that take the mail of a domain (RFC 5321 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHosts {
    /// At least one host, in the order in which they are tried: by preference, then by name. At most ten; lower-case,
    /// without a trailing dot. The domain itself if it has no MX record.
    Hosts(Vec<String>),
    /// None: the domain takes no mail (null MX, RFC 7505).
    Null,
}

/// The hosts of MX records. Those whose exchange is no host name are passed over; if no other is there, there is no data.
pub(crate) fn mail_hosts(records: &[Record]) -> Result<MailHosts, LookupError> {
    let exchanges = records.iter().filter_map(|record| match &record.data {
        RData::MX(mx) => Some((mx.preference, &mx.exchange)),
        _ => None,
    });
    let (null, others): (Vec<_>, Vec<_>) = exchanges.partition(|(_, exchange)| exchange.is_root());
    let mut hosts: Vec<(u16, String)> = others
        .into_iter()
        .filter_map(|(preference, exchange)| Some((preference, canonical(&exchange.to_ascii())?)))
        .collect();
    hosts.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in hosts {
        if names.len() < HOSTS_LIMIT && !names.contains(&name) {
            names.push(name);
        }
    }
    match (names.is_empty(), null.is_empty()) {
        (false, _) => Ok(MailHosts::Hosts(names)),
        (true, false) => Ok(MailHosts::Null),
        (true, true) => Err(LookupError::NoData),
    }
}

/// The addresses in A and AAAA records to which a connection can be made.
pub(crate) fn addresses(records: &[Record]) -> Vec<IpAddr> {
    let address = |record: &Record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    // To connect to 0.0.0.0 is to connect to oneself.
    let is_host = |address: &IpAddr| !address.is_unspecified() && !address.is_multicast();
    records.iter().filter_map(address).filter(is_host).take(ADDRESSES_LIMIT).collect()
}

/// Both families in turns, IPv6 first (RFC 8305 section 4).
pub(crate) fn interleave(first: Vec<IpAddr>, second: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut both = Vec::new();
    loop {
        let before = both.len();
        both.extend(first.next());
        both.extend(second.next());
        if both.len() == before {
            return both;
        }
    }
}

/// The texts of TXT records, the strings of each joined (RFC 7208 section 3.3), bytes that are no UTF-8 replaced. Longer
/// ones than 16 KiB are left out.
pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| match &record.data {
        RData::TXT(strings) => {
            let length: usize = strings.txt_data.iter().map(|string| string.len()).sum();
            (length <= TEXT_LIMIT).then(|| String::from_utf8_lossy(&strings.txt_data.concat()).into_owned())
        }
        _ => None,
    };
    records.iter().filter_map(text).take(TEXTS_LIMIT).collect()
}

/// The TLSA records that SMTP can use.
pub(crate) fn tlsa(records: &[Record]) -> Vec<Tlsa> {
    let usable = |record: &Record| match &record.data {
        RData::TLSA(tlsa) => {
            let numbers = (tlsa.cert_usage.into(), tlsa.selector.into(), tlsa.matching.into());
            Tlsa::new(numbers.0, numbers.1, numbers.2, tlsa.cert_data.clone())
        }
        _ => None,
    };
    records.iter().filter_map(usable).take(TLSA_LIMIT).collect()
}
