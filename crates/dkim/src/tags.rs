//! Tag lists (RFC 6376 section 3.2), the syntax of signatures and of key records.

/// The most tags of one list. RFC 6376 defines fourteen.
const TAG_LIMIT: usize = 50;

/// A text that is no tag list, or has one tag twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedTags;

/// The tags of a list in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Reads a list.
    ///
    /// ```text
    /// tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
    /// tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
    /// ```
    pub(crate) fn parse(list: &'a [u8]) -> Result<Self, MalformedTags> {
        let list = str::from_utf8(list).map_err(|_| MalformedTags)?.trim_end_matches(is_white);
        let list = list.strip_suffix(';').unwrap_or(list);
        let mut tags: Vec<(&str, &str)> = Vec::new();
        for specification in list.split(';') {
            let (name, value) = specification.split_once('=').ok_or(MalformedTags)?;
            let (name, value) = (name.trim_matches(is_white), value.trim_matches(is_white));
            let known = tags.iter().any(|(other, _)| *other == name);
            if !is_name(name) || !value.chars().all(is_value) || known || tags.len() >= TAG_LIMIT {
                return Err(MalformedTags);
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// The value of a tag, without white space around it. Names have case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Whether this is the first tag.
    pub(crate) fn starts_with(&self, name: &str) -> bool {
        self.0.first().is_some_and(|(first, _)| *first == name)
    }
}

/// A value without any white space: base64, and the members of a list, may be folded anywhere.
pub(crate) fn without_white(value: &str) -> String {
    value.chars().filter(|character| !is_white(*character)).collect()
}

/// The members of a colon-separated list.
pub(crate) fn members(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(|member| member.trim_matches(is_white))
}

/// tag-name = ALPHA *( ALPHA / DIGIT / "_" )
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// VALCHAR = %x21-3A / %x3C-7E, and folding white space between
fn is_value(character: char) -> bool {
    character.is_ascii_graphic() && character != ';' || is_white(character)
}

/// The characters of FWS; fields have no CR LF elsewhere.
fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::{MalformedTags, TAG_LIMIT, Tags, members, without_white};

    #[test]
    fn tags_are_names_and_values() {
        let tags = Tags::parse(b" v=1; a\t= rsa-sha256 ;\r\n\th=from :\r\n to;b=;Z_9=x=y; \r\n").unwrap();
        let values = ["v", "a", "h", "b", "Z_9", "z_9"].map(|name| tags.get(name));
        let expected = [Some("1"), Some("rsa-sha256"), Some("from :\r\n to"), Some(""), Some("x=y"), None];
        assert_eq!(values, expected);
        assert!(tags.starts_with("v") && !tags.starts_with("a"));
        assert_eq!(members("from :\r\n to").collect::<Vec<_>>(), ["from", "to"]);
        assert_eq!(without_white("a b\r\n\tc"), "abc");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for list in [
            &b""[..],
            b";",
            b"v",
            b"=1",
            b"v=1;;a=2",
            b"v=1;;",
            b"1v=1",
            b"v-v=1",
            b"v=1;v=1",
            b"v=1;a=\xc3\xa4",
            b"v=1;a=\xff",
            b"v=1;a=\0",
            b"v=1; a",
        ] {
            assert_eq!(Tags::parse(list), Err(MalformedTags), "{}", String::from_utf8_lossy(list));
        }
        let list = |length| (0..length).map(|number| format!("a{number}=;")).collect::<String>();
        assert!(Tags::parse(list(TAG_LIMIT).as_bytes()).is_ok());
        assert_eq!(Tags::parse(list(TAG_LIMIT + 1).as_bytes()), Err(MalformedTags));
    }
}
