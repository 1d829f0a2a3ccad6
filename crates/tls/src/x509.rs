//! The fields of certificates (RFC 5280 section 4.1) that TLS itself never looks at. Whatever is no certificate has none.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mail_types::{UnixTime, is_shown};
use yasna::models::ObjectIdentifier;
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, parse_der};

/// Positions in the TBSCertificate, the optional version left out: serialNumber, signature, issuer, validity, subject,
/// subjectPublicKeyInfo.
const SERIAL: usize = 0;
const ISSUER: usize = 2;
const VALIDITY: usize = 3;
const SUBJECT: usize = 4;
const PUBLIC_KEY: usize = 5;
/// The tag of `version [0] EXPLICIT`.
const VERSION_TAG: u8 = 0xa0;
/// The tag of `extensions [3] EXPLICIT`.
const EXTENSIONS_TAG: u8 = 0xa3;
/// `id-ce-subjectAltName` and `id-ce-authorityKeyIdentifier` (RFC 5280 sections 4.2.1.6 and 4.2.1.1).
const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
const AUTHORITY_KEY_IDENTIFIER: [u64; 4] = [2, 5, 29, 35];
/// `id-at-organizationName` and `id-at-commonName` (RFC 5280 appendix A.1).
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
/// The tags of `dNSName [2] IMPLICIT` and `iPAddress [7] IMPLICIT` in a GeneralName.
const DNS_NAME_TAG: u8 = 0x82;
const IP_ADDRESS_TAG: u8 = 0x87;
/// The tag of `keyIdentifier [0] IMPLICIT` in an AuthorityKeyIdentifier.
const KEY_IDENTIFIER_TAG: u8 = 0x80;
const INTEGER_TAG: u8 = 0x02;
/// The most names that are read; authorities issue for a hundred at most.
const NAMES_LIMIT: usize = 100;
/// The longest name that is read, in bytes (RFC 1035 section 2.3.4).
const NAME_LENGTH: usize = 255;
/// The most characters of an issuer's name that are shown (`ub-organization-name`, RFC 5280 appendix A.1).
const ISSUER_LENGTH: usize = 64;

/// The end of validity (`notAfter`, RFC 5280 section 4.1.2.5). None if this is no certificate.
pub(crate) fn expiry(certificate: &[u8]) -> Option<UnixTime> {
    validity(certificate).map(|(_, end)| end)
}

/// The beginning and the end of validity (RFC 5280 section 4.1.2.5). None if this is no certificate.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(UnixTime, UnixTime)> {
    let fields = fields(certificate)?;
    let dates = parse_der(fields.get(VALIDITY)?, |reader| {
        reader.read_sequence(|reader| Ok((time(reader.next())?, time(reader.next())?)))
    });
    let (begin, end) = dates.ok()?;
    let unix = |seconds| UnixTime(u64::try_from(seconds).unwrap_or(0));
    Some((unix(begin), unix(end)))
}

/// The domain names and IP addresses that a certificate is for (RFC 5280 section 4.2.1.6), a hundred at most.
#[must_use]
pub fn names(certificate: &[u8]) -> Vec<String> {
    let value = fields(certificate).and_then(|fields| extension(&fields, &SUBJECT_ALT_NAME));
    let names = value.and_then(|value| sequence(&value)).unwrap_or_default();
    names.iter().filter_map(|name| general_name(name)).take(NAMES_LIMIT).collect()
}

/// The issuer's organization, else its common name, for people: of 64 characters at most and none that moves the cursor or
/// reverses the text.
#[must_use]
pub fn issuer(certificate: &[u8]) -> Option<String> {
    let fields = fields(certificate)?;
    let issuer = fields.get(ISSUER)?;
    let name = attribute(issuer, &ORGANIZATION).or_else(|| attribute(issuer, &COMMON_NAME))?;
    let shown: String = name.chars().filter(|character| is_shown(*character)).take(ISSUER_LENGTH).collect();
    Some(shown).filter(|shown| !shown.trim().is_empty())
}

/// The identifier of a certificate in questions about its renewal (RFC 9773 section 4.1): the key identifier of its issuer
/// and its serial number, each in base64url, with a dot between them.
#[must_use]
pub fn renewal_identifier(certificate: &[u8]) -> Option<String> {
    let fields = fields(certificate)?;
    let (tag, serial) = tagged(fields.get(SERIAL)?)?;
    let parts = sequence(&extension(&fields, &AUTHORITY_KEY_IDENTIFIER)?)?;
    let (_, key) =
        parts.iter().filter_map(|part| tagged(part)).find(|(tag, _)| *tag == KEY_IDENTIFIER_TAG)?;
    let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
    (tag == INTEGER_TAG && !key.is_empty() && !serial.is_empty())
        .then(|| format!("{}.{}", encode(key), encode(serial)))
}

/// True if the second certificate's subject is the first one's issuer. The signature is not looked at.
pub(crate) fn is_issued_by(certificate: &[u8], issuer: &[u8]) -> bool {
    let name = |certificate, position| fields(certificate)?.into_iter().nth(position);
    name(certificate, ISSUER).is_some_and(|named| name(issuer, SUBJECT) == Some(named))
}

/// True for a self-issued certificate (RFC 5280 section 3.2): issuer and subject are the same, and no client trusts it.
pub(crate) fn is_self_issued(certificate: &[u8]) -> bool {
    fields(certificate)
        .is_some_and(|fields| fields.get(ISSUER).is_some_and(|issuer| fields.get(SUBJECT) == Some(issuer)))
}

/// The DER of the SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). None if this is no certificate.
pub(crate) fn public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    fields(certificate)?.into_iter().nth(PUBLIC_KEY)
}

/// The DER of each field of the TBSCertificate, without the version.
///
/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }`
fn fields(certificate: &[u8]) -> Option<Vec<Vec<u8>>> {
    let fields = parse_der(certificate, |reader| {
        let mut parts = reader.collect_sequence_of(|part| part.read_der())?;
        parts.truncate(1);
        parse_der(&parts.concat(), |reader| reader.collect_sequence_of(|part| part.read_der()))
    });
    Some(fields.ok()?.into_iter().filter(|field| field.first() != Some(&VERSION_TAG)).collect())
}

/// The value of an extension, among the fields of a certificate.
///
/// `Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
fn extension(fields: &[Vec<u8>], wanted: &[u64]) -> Option<Vec<u8>> {
    let all = fields.iter().find(|field| field.first() == Some(&EXTENSIONS_TAG))?;
    let (_, all) = tagged(all)?;
    let wanted = ObjectIdentifier::from_slice(wanted);
    sequence(all)?.iter().find_map(|extension| {
        let parts = sequence(extension)?;
        let identifier = parse_der(parts.first()?, |reader| reader.read_oid()).ok()?;
        let value = parse_der(parts.last()?, |reader| reader.read_bytes()).ok()?;
        (identifier == wanted).then_some(value)
    })
}

/// The domain name or IP address of a GeneralName; none for names of other kinds.
fn general_name(name: &[u8]) -> Option<String> {
    match tagged(name)? {
        (DNS_NAME_TAG, text) if (1..=NAME_LENGTH).contains(&text.len()) => {
            let text = String::from_utf8(text.to_vec()).ok()?;
            text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_ascii_lowercase())
        }
        (IP_ADDRESS_TAG, octets) => {
            let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// The text of an attribute of a name.
///
/// `RDNSequence ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }`
fn attribute(name: &[u8], wanted: &[u64]) -> Option<String> {
    let wanted = ObjectIdentifier::from_slice(wanted);
    sequence(name)?.iter().find_map(|relative| {
        let attributes = parse_der(relative, |reader| reader.collect_set_of(|part| part.read_der())).ok()?;
        attributes.iter().find_map(|attribute| {
            let parts = sequence(attribute)?;
            let identifier = parse_der(parts.first()?, |reader| reader.read_oid()).ok()?;
            let (_, text) = tagged(parts.get(1)?)?;
            (identifier == wanted).then(|| String::from_utf8_lossy(text).into_owned())
        })
    })
}

/// The DER of each element of a SEQUENCE.
fn sequence(der: &[u8]) -> Option<Vec<Vec<u8>>> {
    parse_der(der, |reader| reader.collect_sequence_of(|part| part.read_der())).ok()
}

/// The tag and the content of one element in DER, of less than 64 KiB (X.690 section 8.1.3).
fn tagged(der: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, length, content) = match der {
        [tag, 0x82, high, low, content @ ..] => (tag, usize::from(*high) << 8 | usize::from(*low), content),
        [tag, 0x81, length, content @ ..] => (tag, usize::from(*length), content),
        [tag, length @ 0..=0x7f, content @ ..] => (tag, usize::from(*length), content),
        _ => return None,
    };
    (content.len() == length).then_some((*tag, content))
}

/// Seconds since 1970. `Time ::= CHOICE { utcTime UTCTime, generalTime GeneralizedTime }`
fn time(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    if reader.lookahead_tag()? == TAG_UTCTIME {
        Ok(reader.read_utctime()?.datetime().unix_timestamp())
    } else {
        Ok(reader.read_generalized_time()?.datetime().unix_timestamp())
    }
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, SerialNumber,
        date_time_ymd,
    };

    use super::{expiry, is_issued_by, is_self_issued, issuer, names, renewal_identifier, validity};

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["box.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_notations() {
        // Years up to 2049 are written with two digits, later ones with four.
        assert_eq!(expiry(&certificate(2027)), Some(UnixTime(1_798_761_600)));
        assert_eq!(expiry(&certificate(2120)), Some(UnixTime(4_733_510_400)));
    }

    #[test]
    fn who_vouches_is_read() {
        assert!(is_self_issued(&certificate(2027)));
        let named = |name: &str| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let issuer = Issuer::new(named("authority.example"), KeyPair::generate().unwrap());
        let issued = named("box.example").signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        assert!(!is_self_issued(issued.der()));
        assert!(!is_self_issued(b"noise"));
    }

    #[test]
    fn noise_is_no_certificate() {
        let whole = certificate(2027);
        for length in 0..whole.len() {
            assert_eq!(expiry(&whole[..length]), None, "cut at {length}");
        }
        // Whatever a bit does, it does not end the program.
        for bit in 0..whole.len() * 8 {
            let mut wrong = whole.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let _ = (expiry(&wrong), names(&wrong), issuer(&wrong), renewal_identifier(&wrong));
        }
    }

    /// A certificate of this serial number by an authority, and the authority's own.
    fn issued(serial: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xaa, 0xbb, 0xcc, 0xdd]);
        authority.distinguished_name.push(DnType::CommonName, "R1");
        authority.distinguished_name.push(DnType::OrganizationName, "An\u{7} Authority");
        let key = KeyPair::generate().unwrap();
        let own = authority.self_signed(&key).unwrap().der().to_vec();
        let names = ["Box.example", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let issuer = Issuer::new(authority, key);
        (params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec(), own)
    }

    #[test]
    fn names_issuer_and_dates_are_read() {
        let (certificate, authority) = issued(&[1]);
        assert_eq!(names(&certificate), ["box.example", "192.0.2.1", "2001:db8::1"]);
        assert_eq!(issuer(&certificate).as_deref(), Some("An Authority"));
        assert_eq!(validity(&certificate), Some((UnixTime(1_577_836_800), UnixTime(1_798_761_600))));
        assert!(is_issued_by(&certificate, &authority));
        assert!(!is_issued_by(&authority, &certificate) && !is_issued_by(&[], &[]));
    }

    #[test]
    fn the_identifier_of_a_renewal_has_the_issuer_s_key_and_the_serial_number() {
        // The example of RFC 9773 section 4.1 has this serial number; a leading zero keeps it positive.
        let (certificate, authority) = issued(&[0x00, 0x87, 0x65, 0x43, 0x21]);
        assert_eq!(renewal_identifier(&certificate).as_deref(), Some("qrvM3Q.AIdlQyE"));
        assert_eq!(renewal_identifier(&authority), None);
        assert_eq!(renewal_identifier(b"noise"), None);
    }
}
