//! The fields of certificates (RFC 5280 section 4.1) that TLS itself never looks at.

use mail_types::UnixTime;
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, parse_der};

/// Positions in the TBSCertificate, the optional version left out: serialNumber, signature, issuer, validity, subject,
/// subjectPublicKeyInfo.
const ISSUER: usize = 2;
const VALIDITY: usize = 3;
const SUBJECT: usize = 4;
const PUBLIC_KEY: usize = 5;
/// The tag of `version [0] EXPLICIT`.
const VERSION_TAG: u8 = 0xa0;

/// The end of validity (`notAfter`, RFC 5280 section 4.1.2.5). None if this is no certificate.
pub(crate) fn expiry(certificate: &[u8]) -> Option<UnixTime> {
    let fields = fields(certificate)?;
    let seconds = parse_der(fields.get(VALIDITY)?, |reader| {
        reader.read_sequence(|reader| {
            time(reader.next())?;
            time(reader.next())
        })
    });
    Some(UnixTime(u64::try_from(seconds.ok()?).unwrap_or(0)))
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
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, date_time_ymd};

    use super::{expiry, is_self_issued};

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
            let _ = expiry(&wrong);
        }
    }
}
