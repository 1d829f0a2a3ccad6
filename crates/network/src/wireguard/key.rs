//! Keys of WireGuard: 32 bytes, written in base64.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a key.
const LENGTH: usize = 32;

/// A private, public or preshared key: 32 bytes. `Debug` does not show them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; LENGTH]);

impl Key {
    /// Reads a key as wg(8) writes it: 44 characters of base64. `None` for anything else, and for 32 zeros, which mean "no
    /// key" to the kernel.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        <[u8; LENGTH]>::try_from(bytes).ok().filter(|bytes| *bytes != [0; LENGTH]).map(Self)
    }

    /// The bytes, as the kernel gives or takes them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for the kernel.
    pub(crate) fn expose(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_is_44_characters_and_is_not_shown() {
        let key = Key::parse("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=").unwrap();
        assert_eq!((key.expose()[0], format!("{key:?}")), (0xc8, "Key(..)".to_owned()));
        for bad in [
            "",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBml=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "********************************************",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmkA",
        ] {
            assert!(Key::parse(bad).is_none(), "{bad}");
        }
    }
}
