//! TLSA records (RFC 6698) that SMTP can use (RFC 7672 section 3.1).

/// The longest data of a record with a whole certificate or key, in bytes.
const DATA_LIMIT: usize = 8 * 1024;
/// The length of a SHA-256 digest, in bytes.
const SHA256_LENGTH: usize = 32;
/// The length of a SHA-512 digest, in bytes.
const SHA512_LENGTH: usize = 64;

/// A TLSA record: one certificate or key that the host of a name may show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tlsa {
    usage: TlsaUsage,
    selector: TlsaSelector,
    matching: TlsaMatching,
    data: Vec<u8>,
}

/// The certificate usage (RFC 6698 section 2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsaUsage {
    /// DANE-TA(2): an issuer in the host's chain.
    TrustAnchor,
    /// DANE-EE(3): the host's own.
    EndEntity,
}

/// The part of the certificate that is compared (RFC 6698 section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsaSelector {
    /// Cert(0): the DER of the certificate.
    Certificate,
    /// SPKI(1): the DER of its SubjectPublicKeyInfo.
    PublicKey,
}

/// The form in which it is compared (RFC 6698 section 2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsaMatching {
    /// Full(0).
    Exact,
    /// SHA2-256(1).
    Sha256,
    /// SHA2-512(2).
    Sha512,
}

impl Tlsa {
    /// The record with these four fields. None if it is unusable for SMTP: the usages of the web's authorities, PKIX-TA(0)
    /// and PKIX-EE(1), unknown numbers, a digest of the wrong length, no data, or more than 8 KiB.
    #[must_use]
    pub fn new(usage: u8, selector: u8, matching: u8, data: Vec<u8>) -> Option<Self> {
        let usage = match usage {
            2 => TlsaUsage::TrustAnchor,
            3 => TlsaUsage::EndEntity,
            _ => return None,
        };
        let selector = match selector {
            0 => TlsaSelector::Certificate,
            1 => TlsaSelector::PublicKey,
            _ => return None,
        };
        let (matching, lengths) = match matching {
            0 => (TlsaMatching::Exact, 1..=DATA_LIMIT),
            1 => (TlsaMatching::Sha256, SHA256_LENGTH..=SHA256_LENGTH),
            2 => (TlsaMatching::Sha512, SHA512_LENGTH..=SHA512_LENGTH),
            _ => return None,
        };
        lengths.contains(&data.len()).then_some(Self { usage, selector, matching, data })
    }

    /// The certificate usage.
    #[must_use]
    pub fn usage(&self) -> TlsaUsage {
        self.usage
    }

    /// The selector.
    #[must_use]
    pub fn selector(&self) -> TlsaSelector {
        self.selector
    }

    /// The matching type.
    #[must_use]
    pub fn matching(&self) -> TlsaMatching {
        self.matching
    }

    /// The certificate association data: the selected part, or its digest.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::Tlsa;

    #[test]
    fn only_records_that_smtp_can_use_exist() {
        let usable =
            |fields: [u8; 3], length| Tlsa::new(fields[0], fields[1], fields[2], vec![7; length]).is_some();
        for (fields, length) in [([3, 1, 1], 32), ([2, 0, 2], 64), ([3, 0, 0], 1), ([2, 1, 0], 8192)] {
            assert!(usable(fields, length), "{fields:?}");
        }
        for (fields, length) in [
            ([0, 1, 1], 32),
            ([1, 1, 1], 32),
            ([4, 1, 1], 32),
            ([255, 1, 1], 32),
            ([3, 2, 1], 32),
            ([3, 1, 3], 32),
            ([3, 1, 1], 31),
            ([3, 1, 1], 33),
            ([3, 1, 2], 32),
            ([3, 1, 1], 0),
            ([3, 0, 0], 0),
            ([3, 0, 0], 8193),
        ] {
            assert!(!usable(fields, length), "{fields:?} with {length} bytes");
        }
    }
}
