//! A message that every chatmail server takes: the shape of an encrypted one, around noise.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The end of a message's text in SMTP.
pub(crate) const END: &str = ".\r\n";

/// The header section, which differs from message to message.
pub(crate) fn header(from: &str, to: &str, number: usize) -> String {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: [...]\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{number}.bench@{from}>\r\nChat-Version: 1.0\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"\r\n\r\n"
    )
}

/// A body of about `size` bytes.
pub(crate) fn body(size: usize) -> String {
    let armour = armour(size * 3 / 4);
    format!(
        "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --b\r\nContent-Type: application/octet-stream\r\n\r\n{armour}\r\n--b--\r\n"
    )
}

/// One PKESK and one SEIPD packet (RFC 9580 section 5) with noise inside, in ASCII armour with its checksum.
fn armour(length: usize) -> String {
    let noise = noise(length);
    let (key, data) = noise.split_at(noise.len().min(64));
    let mut packets = vec![0xc1, u8::try_from(key.len()).unwrap_or(0)];
    packets.extend_from_slice(key);
    packets.extend_from_slice(&[0xd2, 0xff]);
    packets.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    packets.extend_from_slice(data);
    let text = STANDARD.encode(&packets);
    let mut lines = String::from("-----BEGIN PGP MESSAGE-----\r\n\r\n");
    for line in text.as_bytes().chunks(76) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push_str("\r\n");
    }
    let checksum = STANDARD.encode(crc24(&packets).to_be_bytes().get(1..).unwrap_or_default());
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

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc24_is_that_of_the_standard() {
        // The checksum of the nine digits, as catalogued for CRC-24/OPENPGP.
        assert_eq!(super::crc24(b"123456789"), 0x21_cf02);
    }
}
