//! U-Boot's files on the boot partition: the boot script `image/u-boot/boot.cmd` in a legacy image, and the environment.

use boot_slot::Environment;

/// A script for U-Boot's `source` command: a legacy image (`include/image.h`), as `mkimage -T script` makes it.
///
/// ```text
/// 0     4     8     12    16    20    24    28       32        64    68   72
/// magic crc   time  size  load  entry crc   5 22 6 0 name (32) length 0   text
///       of header               of data     Linux, ARM64, script, not compressed; all numbers big-endian
/// ```
#[must_use]
pub fn compile_script(text: &str, name: &str, time: u32) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut data = length.to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.extend_from_slice(text.as_bytes());
    let data_length = length.saturating_add(8);
    let header = |own_checksum: u32| {
        let mut header = Vec::with_capacity(HEADER_SIZE);
        let checksum = crc32fast::hash(&data);
        for number in [MAGIC, own_checksum, time, data_length, 0, 0, checksum] {
            header.extend(number.to_be_bytes());
        }
        header.extend([OS_LINUX, ARCH_ARM64, TYPE_SCRIPT, COMPRESSION_NONE]);
        header.extend(name.bytes().filter(u8::is_ascii).take(31));
        header.resize(HEADER_SIZE, 0);
        header
    };
    // The header's checksum is taken while its own field is zero.
    let mut image = header(crc32fast::hash(&header(0)));
    image.extend_from_slice(&data);
    image
}

/// The text of a compiled script; `None` if magic number, checksum or encoding is wrong.
#[must_use]
pub fn script_text(image: &[u8]) -> Option<&str> {
    let (header, data) = image.split_at_checked(HEADER_SIZE)?;
    let number = |at: usize| header.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if number(0)? != MAGIC || number(24)? != crc32fast::hash(data) {
        return None;
    }
    std::str::from_utf8(data.get(8..)?).ok()
}

/// `uboot.env` from lines of `key=value`; lines that begin with `#` and empty ones are ignored.
pub fn compile_environment(text: &str) -> Result<Vec<u8>, boot_slot::Error> {
    let mut environment = Environment::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) =
            line.split_once('=').ok_or_else(|| boot_slot::Error::Unstorable(line.to_owned()))?;
        environment.set(key.trim(), value.trim())?;
    }
    environment.encode()
}

/// In bytes.
const HEADER_SIZE: usize = 64;
const MAGIC: u32 = 0x2705_1956;
const OS_LINUX: u8 = 5;
const ARCH_ARM64: u8 = 22;
const TYPE_SCRIPT: u8 = 6;
const COMPRESSION_NONE: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiled_script_has_the_documented_header() {
        let image = compile_script("echo hi\n", "Hearth", 0);
        assert_eq!(&image[..4], [0x27, 0x05, 0x19, 0x56]);
        assert_eq!(&image[12..16], 16_u32.to_be_bytes());
        assert_eq!(&image[28..32], [5, 22, 6, 0]);
        assert_eq!(&image[64..72], [0, 0, 0, 8, 0, 0, 0, 0]);
        // The checksum of the header with its own field zeroed.
        let mut header = image[..64].to_vec();
        header[4..8].fill(0);
        assert_eq!(&image[4..8], crc32fast::hash(&header).to_be_bytes());
        assert_eq!(script_text(&image), Some("echo hi\n"));
    }

    #[test]
    fn a_damaged_script_is_none() {
        let mut image = compile_script("echo hi\n", "Hearth", 0);
        image[75] ^= 1;
        assert_eq!(script_text(&image), None);
        assert_eq!(script_text(&image[..30]), None);
    }

    #[test]
    fn an_environment_is_made_of_its_lines() {
        let block = compile_environment("# why\nbootdelay=-2\n\nbootcmd=a=b; run c\n").unwrap();
        let environment = Environment::decode(&block).unwrap();
        let entries: Vec<_> = environment.iter().collect();
        assert_eq!(entries, [("bootcmd", "a=b; run c"), ("bootdelay", "-2")]);
        assert!(compile_environment("nonsense").is_err());
    }
}
