//! The names that a signature bears: its domain and its selector.

/// The longest name in the DNS, in characters.
const NAME_LIMIT: usize = 253;
/// The longest label of one.
const LABEL_LIMIT: usize = 63;

/// Whether this is a name or a selector: labels of letters, digits, hyphens and underscores.
///
/// ```text
/// selector = sub-domain *( "." sub-domain )
/// ```
///
/// RFC 5321 has no underscore in a sub-domain, but some domains for sending have one.
pub(crate) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=LABEL_LIMIT).contains(&label.len()) && label.bytes().all(usable)
    };
    name.len() <= NAME_LIMIT && name.split('.').all(is_label)
}

/// The name of a key's TXT record (RFC 6376 section 3.6.2.1), in lower case; none if it would be too long.
pub(crate) fn key_name(selector: &str, domain: &str) -> Option<String> {
    let name = format!("{selector}._domainkey.{domain}").to_ascii_lowercase();
    (name.len() <= NAME_LIMIT).then_some(name)
}

/// Whether a name is a domain or one below it. Both are names.
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{is_name, is_within, key_name};

    #[test]
    fn names_are_labels_with_dots_between() {
        for name in ["box.test", "a", "_mail.Box-1.test", "2026._x"] {
            assert!(is_name(name), "{name}");
        }
        let long = vec!["a".repeat(49); 6].join(".");
        for name in
            ["", ".", "a.", ".a", "a..b", "a b", "[192.0.2.1]", "a@b", "ä.test", &"a".repeat(64), &long]
        {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_key_stands_below_the_domain() {
        assert_eq!(key_name("Box", "Box.test").as_deref(), Some("box._domainkey.box.test"));
        assert_eq!(key_name("s", &vec!["a".repeat(47); 5].join(".")).map(|name| name.len()), Some(252));
        assert_eq!(
            key_name("s", &vec!["a".repeat(47); 5].join(".").replacen('a', "aa", 1)).map(|name| name.len()),
            Some(253)
        );
        assert_eq!(key_name("ss", &vec!["a".repeat(47); 5].join(".").replacen('a', "aa", 1)), None);
    }

    #[test]
    fn sub_domains_are_within() {
        assert!(is_within("box.test", "Box.test") && is_within("a.B.box.test", "box.test"));
        assert!(!is_within("xbox.test", "box.test") && !is_within("test", "box.test"));
    }
}
