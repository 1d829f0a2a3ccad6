//! The secrets in a `wireguard.conf`: private and preshared keys. They are masked where the text came from once it is kept
//! elsewhere, and taken from there when the masked text is edited.

use std::ops::Range;

use super::conf::{Content, lines};

/// The byte that stands in the place of each byte of a masked secret.
const MASK: u8 = b'*';

/// A secret's value in a text, and what it belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Secret<'a> {
    owner: Owner<'a>,
    key: String,
    place: Range<usize>,
    value: &'a str,
}

/// The section of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner<'a> {
    Interface,
    /// With its public key, or none if that is missing.
    Peer(Option<&'a str>),
}

/// The text with an asterisk in the place of each byte of its secrets, of the same length.
#[must_use]
pub fn mask_secrets(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for secret in secrets(text) {
        if let Some(place) = bytes.get_mut(secret.place) {
            place.fill(MASK);
        }
    }
    // Whole values were replaced by ASCII; if not, the text is better left alone than broken.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Whether a secret of the text is masked, as a whole or in part: a mask may have been cut short by the power.
#[must_use]
pub fn is_masked(text: &str) -> bool {
    secrets(text).iter().any(|secret| has_mask(secret.value))
}

/// The text with its masked secrets replaced by those of an earlier text: the private key by the private key, a preshared
/// key by that of the peer with the same public key. What the earlier text lacks stays masked.
#[must_use]
pub fn unmask(text: &str, earlier: &str) -> String {
    let kept = secrets(earlier);
    let mut unmasked = String::with_capacity(text.len());
    let mut end = 0;
    for masked in secrets(text).into_iter().filter(|secret| has_mask(secret.value)) {
        let same = kept.iter().find(|secret| {
            let is_kept = !secret.value.is_empty() && !has_mask(secret.value);
            is_kept && secret.owner == masked.owner && secret.key == masked.key
        });
        if let (Some(same), Some(before)) = (same, text.get(end..masked.place.start)) {
            unmasked.push_str(before);
            unmasked.push_str(same.value);
            end = masked.place.end;
        }
    }
    unmasked.push_str(text.get(end..).unwrap_or_default());
    unmasked
}

fn has_mask(value: &str) -> bool {
    value.as_bytes().contains(&MASK)
}

/// The values of all secrets, in their order. They are looked for in any section: a text with an error may be masked, too.
fn secrets(text: &str) -> Vec<Secret<'_>> {
    let mut found: Vec<Secret<'_>> = Vec::new();
    // The first secret of the section, to which its public key belongs even if that comes later.
    let mut first = 0;
    let mut owner = Owner::Interface;
    for line in lines(text) {
        match line.content {
            Content::Section(name) => {
                first = found.len();
                owner = if name == "interface" { Owner::Interface } else { Owner::Peer(None) };
            }
            Content::Setting { key, value, .. } if key == "publickey" => {
                owner = Owner::Peer(Some(value));
                found.iter_mut().skip(first).for_each(|secret| secret.owner = owner);
            }
            Content::Setting { key, value, place } if key == "privatekey" || key == "presharedkey" => {
                found.push(Secret { owner, key, place, value });
            }
            Content::Setting { .. } | Content::Nonsense => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{is_masked, mask_secrets, unmask};

    const TYPED: &str = "[Interface]\r\nPrivateKey = aKey= # é\r\nAddress = 10.0.0.1\r\n[Peer]\r\n\
                         PresharedKey=first\r\nPublicKey=one\r\n[peer]\r\nPublicKey=two\r\n presharedkey = sécond \r\n";

    #[test]
    fn secrets_are_masked_in_place_and_nothing_else_is() {
        let masked = mask_secrets(TYPED);
        let expected = TYPED.replace("aKey=", "*****").replace("first", "*****").replace("sécond", "*******");
        assert_eq!(masked, expected);
        assert_eq!((is_masked(TYPED), is_masked(&masked)), (false, true));
        assert_eq!(mask_secrets(&masked), masked);
        for text in ["", "PrivateKey", "PrivateKey =", "[", "= x", "#PrivateKey = x"] {
            assert_eq!(mask_secrets(text), text);
        }
    }

    #[test]
    fn masked_secrets_are_taken_from_an_earlier_text() {
        let masked = mask_secrets(TYPED);
        assert_eq!(unmask(&masked, TYPED), TYPED);
        assert_eq!(unmask(&masked, ""), masked);
        assert_eq!(unmask(TYPED, &masked), TYPED);
        // The owner has added a line and has taken a peer away; the power went while the mask was written.
        let edited = masked
            .replace("Address", "MTU = 1280\r\nAddress")
            .replace("*****\r\nPublicKey=one", "**rst\r\nPublicKey=one");
        let (edited, _) = edited.split_once("[peer]").unwrap();
        let whole = TYPED.replace("Address", "MTU = 1280\r\nAddress");
        assert_eq!(unmask(edited, TYPED), whole.split_once("[peer]").unwrap().0);
        // Another peer's key is not its key.
        let other = masked.replace("PublicKey=one", "PublicKey=three");
        assert!(is_masked(&unmask(&other, TYPED)));
        let empty = "[Interface]\nPrivateKey =\nPresharedKey = x\nPrivateKey = ab*\n";
        assert_eq!(unmask(empty, empty), empty);
    }
}
