//! One block in U-Boot's environment format, which U-Boot itself reads and writes with `env import -c` and
//! `env export -c`. Bytes only; the keys are in `state.rs`. Ours, because it is no more than a checksum and a list of
//! strings.
//!
//! ```text
//! 0      4                                             16384
//! +------+---------------+---------------+----+---------+
//! | CRC  | KEY=VALUE \0  | KEY=VALUE \0  | \0 | 00 ...  |
//! +------+---------------+---------------+----+---------+
//!   CRC-32 of everything behind it, little-endian
//! ```

use std::collections::BTreeMap;

use crate::Error;

/// Bytes of a boot state block and of the boot partition's `uboot.env`: the value in Debian's build of `rpi_arm64`.
pub const BLOCK_SIZE: usize = 16 * 1024;

/// Keys and values of one block, in key order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    entries: BTreeMap<String, String>,
}

impl Environment {
    /// Sets a key's value, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// [`Error::Unstorable`] for an empty key, `=` in a key, or a zero byte or line break in either.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let breaks = |c: char| matches!(c, '\0' | '\n' | '\r');
        if key.is_empty() || key.contains('=') || key.contains(breaks) {
            return Err(Error::Unstorable(key.to_owned()));
        }
        if value.contains(breaks) {
            return Err(Error::Unstorable(value.to_owned()));
        }
        self.entries.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    /// All keys and values in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The block's bytes, exactly [`BLOCK_SIZE`] of them.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut content = Vec::with_capacity(BLOCK_SIZE);
        for (key, value) in &self.entries {
            content.extend_from_slice(key.as_bytes());
            content.push(b'=');
            content.extend_from_slice(value.as_bytes());
            content.push(0);
        }
        content.push(0);
        // The end of any list is two zero bytes: that of the last entry and one more. An empty list has them, too.
        if content.len() < 2 {
            content.push(0);
        }
        if content.len() > CONTENT_SIZE {
            return Err(Error::TooLarge { needed: content.len().saturating_add(CHECKSUM_SIZE) });
        }
        content.resize(CONTENT_SIZE, 0);
        let mut block = crc32fast::hash(&content).to_le_bytes().to_vec();
        block.extend_from_slice(&content);
        Ok(block)
    }

    /// Parses a block.
    ///
    /// # Errors
    ///
    /// [`Error::BlockSize`], [`Error::Checksum`], [`Error::NotKeyValue`].
    pub fn decode(block: &[u8]) -> Result<Self, Error> {
        if block.len() != BLOCK_SIZE {
            return Err(Error::BlockSize { found: block.len() });
        }
        let Some((checksum, content)) = block.split_first_chunk::<CHECKSUM_SIZE>() else {
            return Err(Error::BlockSize { found: block.len() });
        };
        let stored = u32::from_le_bytes(*checksum);
        let computed = crc32fast::hash(content);
        if stored != computed {
            return Err(Error::Checksum { stored, computed });
        }
        let mut environment = Self::default();
        for entry in content.split(|&byte| byte == 0).take_while(|entry| !entry.is_empty()) {
            let entry = std::str::from_utf8(entry).map_err(|_| Error::NotKeyValue)?;
            let (key, value) = entry.split_once('=').ok_or(Error::NotKeyValue)?;
            environment.set(key, value).map_err(|_| Error::NotKeyValue)?;
        }
        Ok(environment)
    }
}

const CHECKSUM_SIZE: usize = 4;
const CONTENT_SIZE: usize = BLOCK_SIZE - CHECKSUM_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_as_it_was_written() {
        let mut written = Environment::default();
        written.set("ORDER", "A B").unwrap();
        written.set("bootcmd", "run a; run b=c").unwrap();
        let block = written.encode().unwrap();
        assert_eq!(block.len(), BLOCK_SIZE);
        assert_eq!(Environment::decode(&block).unwrap(), written);
    }

    #[test]
    fn an_empty_card_is_damaged_not_empty() {
        assert!(matches!(Environment::decode(&vec![0; BLOCK_SIZE]), Err(Error::Checksum { stored: 0, .. })));
        assert!(matches!(Environment::decode(&vec![0xff; BLOCK_SIZE]), Err(Error::Checksum { .. })));
    }

    #[test]
    fn a_block_of_another_size_is_refused() {
        assert_eq!(Environment::decode(&[0; 512]), Err(Error::BlockSize { found: 512 }));
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused_when_set() {
        let mut environment = Environment::default();
        for (key, value) in [("", "x"), ("A=B", "x"), ("A", "x\0"), ("A", "x\ny")] {
            assert!(matches!(environment.set(key, value), Err(Error::Unstorable(_))), "{key:?}={value:?}");
        }
        environment.set("LONG", &"x".repeat(BLOCK_SIZE)).unwrap();
        assert!(matches!(environment.encode(), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn a_valid_checksum_over_nonsense_is_not_key_value() {
        let mut content = vec![0; CONTENT_SIZE];
        content[..4].copy_from_slice(b"nope");
        let mut block = crc32fast::hash(&content).to_le_bytes().to_vec();
        block.extend_from_slice(&content);
        assert_eq!(Environment::decode(&block), Err(Error::NotKeyValue));
    }
}
