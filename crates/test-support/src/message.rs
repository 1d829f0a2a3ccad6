//! Messages that every chatmail server takes: the structure of encrypted ones, around packets that nobody can read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Random;

/// The header section of a message as Delta Chat writes it, with the empty line; [`body`] belongs behind it.
#[must_use]
pub fn header(from: &str, to: &str, message_id: &str) -> String {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: [...]\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{message_id}>\r\nChat-Version: 1.0\r\nMIME-Version: 1.0\r\n\
         {CONTENT_TYPE}\r\n\r\n"
    )
}

/// The header field that announces [`body`] (RFC 3156 section 4).
pub const CONTENT_TYPE: &str =
    "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"";

/// A body of about `size` bytes.
#[must_use]
pub fn body(size: usize) -> String {
    let armour = armour(size * 3 / 4);
    format!(
        "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --b\r\nContent-Type: application/octet-stream\r\n\r\n{armour}\r\n--b--\r\n"
    )
}

/// One PKESK and one SEIPD packet (RFC 9580 section 5) with noise inside, in ASCII armour with its checksum.
fn armour(size: usize) -> String {
    let mut packets = vec![0xc1, 12, 3, 0, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0xd2, 0xff];
    packets.extend(u32::try_from(size + 1).unwrap_or(u32::MAX).to_be_bytes());
    packets.push(1);
    packets.extend(Random::new(0).bytes(size));
    let mut lines = "-----BEGIN PGP MESSAGE-----\r\n\r\n".to_owned();
    // 57 bytes are a line of 76 characters.
    for part in packets.chunks(57) {
        lines.push_str(&STANDARD.encode(part));
        lines.push_str("\r\n");
    }
    let checksum = STANDARD.encode(&crc24(&packets).to_be_bytes()[1..]);
    lines.push_str(&format!("={checksum}\r\n-----END PGP MESSAGE-----\r\n"));
    lines
}

/// RFC 9580 section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ 0x0186_4cfb }
        })
    }) & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc24_is_that_of_the_standard() {
        // The checksum of the nine digits, as catalogued for CRC-24/OPENPGP.
        assert_eq!(super::crc24(b"123456789"), 0x21_cf02);
    }
}
