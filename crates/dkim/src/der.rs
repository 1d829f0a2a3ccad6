//! As much DER (ITU-T X.690) as RSA public keys take: definite lengths, tags of one byte.

/// SEQUENCE
const SEQUENCE: u8 = 0x30;
/// INTEGER
const INTEGER: u8 = 0x02;
/// BIT STRING
const BIT_STRING: u8 = 0x03;
/// AlgorithmIdentifier of rsaEncryption (RFC 3279 section 2.3.1): the object identifier 1.2.840.113549.1.1.1, and NULL.
const RSA_ENCRYPTION: [u8; 15] =
    [SEQUENCE, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0];

/// The RSAPublicKey (RFC 8017 appendix A.1.1) in a SubjectPublicKeyInfo (RFC 5280 section 4.1); none if it is another
/// key, or no key.
pub(crate) fn rsa_key_in(info: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader { rest: info };
    let mut inside = Reader { rest: outer.only(SEQUENCE)? };
    inside.rest = inside.rest.strip_prefix(&RSA_ENCRYPTION)?;
    // The first byte of a BIT STRING is the number of unused bits.
    inside.only(BIT_STRING)?.strip_prefix(&[0])
}

/// The SubjectPublicKeyInfo of an RSAPublicKey.
pub(crate) fn info_of_rsa_key(key: &[u8]) -> Vec<u8> {
    let bits = element(BIT_STRING, &[&[0], key].concat());
    element(SEQUENCE, &[&RSA_ENCRYPTION, bits.as_slice()].concat())
}

/// The size of the modulus of an RSAPublicKey in bits; none if this is no RSAPublicKey.
pub(crate) fn modulus_bits(key: &[u8]) -> Option<u64> {
    let mut outer = Reader { rest: key };
    let mut inside = Reader { rest: outer.only(SEQUENCE)? };
    let modulus = inside.next(INTEGER)?;
    inside.only(INTEGER)?;
    let digits = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let first = digits.first().filter(|first| **first != 0)?;
    Some(digits.len() as u64 * 8 - u64::from(first.leading_zeros()))
}

/// An element of content that is shorter than 64 kB, which a key's is.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match content.len().to_be_bytes() {
        [.., 0, short] if short < 0x80 => element.push(short),
        [.., 0, byte] => element.extend_from_slice(&[0x81, byte]),
        [.., high, low] => element.extend_from_slice(&[0x82, high, low]),
    }
    element.extend_from_slice(content);
    element
}

/// The unread rest of an element's content.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The content of the next element.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (length, rest) = match *self.rest.strip_prefix(&[tag])? {
            [0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
            [0x81, byte, ref rest @ ..] => (usize::from(byte), rest),
            [byte @ ..=0x7f, ref rest @ ..] => (usize::from(byte), rest),
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(content)
    }

    /// The same, if nothing follows.
    fn only(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).filter(|_| self.rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{INTEGER, SEQUENCE, element, info_of_rsa_key, modulus_bits, rsa_key_in};

    fn key(modulus: &[u8]) -> Vec<u8> {
        let exponent = element(INTEGER, &[1, 0, 1]);
        element(SEQUENCE, &[element(INTEGER, modulus), exponent].concat())
    }

    #[test]
    fn a_key_is_the_same_after_it_was_wrapped() {
        for length in [1, 50, 127, 128, 250, 256, 512] {
            let key = key(&vec![0x7f; length]);
            let info = info_of_rsa_key(&key);
            assert_eq!(rsa_key_in(&info), Some(&key[..]), "{length}");
            assert_eq!(modulus_bits(&key), Some(length as u64 * 8 - 1));
            for end in 0..info.len() {
                assert_eq!(rsa_key_in(&info[..end]), None);
            }
            assert_eq!(rsa_key_in(&[&info[..], b"x"].concat()), None);
        }
    }

    #[test]
    fn the_size_of_a_modulus_is_that_of_its_digits() {
        assert_eq!(modulus_bits(&key(&[0, 0x80, 0])), Some(16));
        assert_eq!(modulus_bits(&key(&[0x01])), Some(1));
        for no_key in
            [&b""[..], b"\x30", b"\x30\x80\0\0", &key(&[0]), &key(&[0, 0, 1]), &key(&[]), &key(&[1])[..6]]
        {
            assert_eq!(modulus_bits(no_key), None, "{no_key:?}");
        }
    }
}
