//! Names in questions.

use hickory_resolver::proto::rr::Name;

/// The longest name in text, in bytes, without the dot at its end (RFC 1035 section 2.3.4: 255 bytes on the wire).
const NAME_LIMIT: usize = 253;
/// The longest label, in bytes.
const LABEL_LIMIT: usize = 63;
/// The names of the machine itself (RFC 6761 section 6.3): no host elsewhere has one.
const LOOPBACK_NAME: &str = "localhost";

/// The canonical text of a name: lower-case, without the dot at its end. None if it has an empty or too long label,
/// characters other than letters, digits, `-` and `_`, or is one of the machine itself.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_LIMIT).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if text.len() > NAME_LIMIT || !text.split('.').all(is_label) {
        return None;
    }
    let name = text.to_ascii_lowercase();
    (name.rsplit('.').next() != Some(LOOPBACK_NAME)).then_some(name)
}

/// The same as the library has it; absolute, so that no search list is tried.
pub(crate) fn absolute(canonical: &str) -> Option<Name> {
    Name::from_ascii(format!("{canonical}.")).ok()
}

#[cfg(test)]
mod tests {
    use super::{absolute, canonical};

    #[test]
    fn names_are_canonical_and_absolute() {
        for (text, expected) in [
            ("Example.ORG", "example.org"),
            ("_25._tcp.mx.example.", "_25._tcp.mx.example"),
            ("a-1", "a-1"),
            ("1.2.0.192", "1.2.0.192"),
        ] {
            let name = canonical(text).unwrap();
            assert_eq!(name, expected);
            assert!(absolute(&name).unwrap().is_fqdn());
        }
        let mut long = vec!["a".repeat(63); 4].join(".");
        for text in
            ["", ".", "a..b", ".a", "a b", "a\\.b", "*.a", "m\u{fc}ller.de", "a\0b", &"a".repeat(64), &long]
        {
            assert_eq!(canonical(text), None, "{text:?}");
        }
        let longest = long.split_off(2);
        assert_eq!(canonical(&longest), Some(longest));
    }

    #[test]
    fn no_other_host_is_the_machine_itself() {
        for text in ["localhost", "LocalHost.", "a.localhost"] {
            assert_eq!(canonical(text), None);
        }
        assert!(canonical("localhost.example").is_some());
    }
}
