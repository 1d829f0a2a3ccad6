//! MTA-STS (RFC 8461): the policy of a domain about the hosts that take its mail, and its mark in the DNS.

use mail_types::Domain;

/// The longest policy, in bytes (RFC 8461 section 3.3 suggests 64 kB).
pub const POLICY_LIMIT: usize = 64 * 1024;
/// The longest identifier, in bytes (RFC 8461 section 3.1).
const ID_LIMIT: usize = 32;
/// The longest name of an extension field in the TXT record, in bytes.
const EXTENSION_NAME_LIMIT: usize = 32;
/// The longest lifetime of a policy, in seconds: a year (RFC 8461 section 3.2).
const MAX_AGE_LIMIT: u64 = 31_557_600;
/// The most digits of `max_age`.
const MAX_AGE_DIGITS: usize = 10;
/// The most `mx` patterns of a policy.
const PATTERNS_LIMIT: usize = 64;

/// The version of the TXT record, case-sensitive.
const RECORD_VERSION: &str = "v=STSv1";
/// The version of the policy.
const POLICY_VERSION: &str = "STSv1";

/// The identifier of a domain's present policy: it is another one whenever the policy is (RFC 8461 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyId(String);

impl PolicyId {
    /// The name whose TXT records have a domain's identifier. None for an address literal, which has no policy.
    #[must_use]
    pub fn record_name(domain: &Domain) -> Option<String> {
        name(domain).map(|name| format!("_mta-sts.{name}"))
    }

    /// The identifier in the TXT records of a name. None without a record of MTA-STS, with more than one, or if it is not
    /// valid: the domain then has no policy (RFC 8461 section 3.1).
    ///
    /// ```text
    /// sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
    /// sts-version     = %s"v=STSv1"
    /// sts-field-delim = *WSP ";" *WSP
    /// ```
    #[must_use]
    pub fn find(texts: &[String]) -> Option<Self> {
        let mut records = texts.iter().filter_map(|text| {
            let rest = text.strip_prefix(RECORD_VERSION)?.trim_start_matches(is_blank);
            rest.strip_prefix(';')
        });
        let record = records.next().filter(|_| records.next().is_none())?;
        let (mut fields, mut id) = (record.split(';').peekable(), None);
        while let Some(field) = fields.next() {
            let field = field.trim_matches(is_blank);
            if field.is_empty() && fields.peek().is_none() {
                break;
            }
            let (key, value) = field.split_once('=')?;
            match key {
                // Of two the first counts, as in the policy.
                "id" if id.is_none() => id = Some(Self::parse(value)?),
                _ if is_extension(key, value) => {}
                _ => return None,
            }
        }
        id
    }

    /// `sts-id = %s"id=" 1*32(ALPHA / DIGIT)`
    fn parse(text: &str) -> Option<Self> {
        let valid =
            (1..=ID_LIMIT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        valid.then(|| Self(text.to_owned()))
    }
}

/// ```text
/// sts-ext-name  = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
/// sts-ext-value = 1*(%x21-3A / %x3C / %x3E-7E)
/// ```
fn is_extension(name: &str, value: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= EXTENSION_NAME_LIMIT
        && name.bytes().all(in_name)
        && !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b'=')
}

/// The policy of a domain (RFC 8461 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: PolicyMode,
    /// The lifetime in seconds, a year at most.
    max_age: u64,
    patterns: Vec<HostPattern>,
}

/// The consequence of a host that does not fit the policy (RFC 8461 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyMode {
    /// The host gets no mail.
    Enforce,
    /// A report, which is not sent here.
    Testing,
    /// None: the domain has given its policy up.
    None,
}

/// The pattern of a mail host's name: a name, or one with `*.` in the place of its first label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(String),
    /// The part after `*.`
    Below(String),
}

/// The reason why a text is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than 64 KiB, or with more than 64 patterns.
    #[error("the policy is too long")]
    TooLong,
    /// A line that is no field, or has characters outside of UTF-8.
    #[error("a line of the policy has not the form `key: value`")]
    Form,
    /// The version is missing or unknown.
    #[error("the policy's version is not STSv1")]
    Version,
    /// The mode is missing or unknown.
    #[error("the policy's mode is none of enforce, testing and none")]
    Mode,
    /// The lifetime is missing or no number.
    #[error("the policy's max_age is no number of seconds")]
    MaxAge,
    /// A pattern is no host name, or a policy that is not given up has none.
    #[error("an mx of the policy is missing, or is no name of a mail host")]
    Pattern,
}

impl Policy {
    /// The URI of a domain's policy. None for an address literal. Its content counts only if it comes with status 200 from
    /// this very place: redirects are not followed (RFC 8461 section 3.3).
    #[must_use]
    pub fn uri(domain: &Domain) -> Option<String> {
        name(domain).map(|name| format!("https://mta-sts.{name}/.well-known/mta-sts.txt"))
    }

    /// True for the media type that a policy must have (RFC 8461 section 3.2), whatever its parameters:
    /// `Content-Type: text/plain; charset=utf-8`.
    #[must_use]
    pub fn is_media_type(content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("text/plain")
    }

    /// Reads the body of a policy.
    ///
    /// ```text
    /// sts-policy-record      = sts-policy-field *WSP *(sts-policy-term sts-policy-field *WSP) [sts-policy-term]
    /// sts-policy-field-delim = ":" *WSP
    /// sts-policy-term        = LF / CRLF
    /// ```
    ///
    /// # Errors
    ///
    /// When it is too long, or not valid. Unknown fields are passed over; of a field that must stand once the first counts.
    pub fn parse(body: &[u8]) -> Result<Self, PolicyError> {
        if body.len() > POLICY_LIMIT {
            return Err(PolicyError::TooLong);
        }
        let text = std::str::from_utf8(body).map_err(|_| PolicyError::Form)?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut patterns = Vec::new();
        for line in text.lines() {
            // Empty lines are not in the grammar, but in policies.
            if line.trim_matches(is_blank).is_empty() {
                continue;
            }
            let (key, value) = line.split_once(':').ok_or(PolicyError::Form)?;
            let value = value.trim_matches(is_blank);
            match key {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" if patterns.len() == PATTERNS_LIMIT => return Err(PolicyError::TooLong),
                "mx" => patterns.push(HostPattern::parse(value).ok_or(PolicyError::Pattern)?),
                _ => {}
            }
        }
        if version != Some(POLICY_VERSION) {
            return Err(PolicyError::Version);
        }
        let mode = mode.and_then(PolicyMode::parse).ok_or(PolicyError::Mode)?;
        let max_age = max_age.and_then(seconds).ok_or(PolicyError::MaxAge)?;
        if patterns.is_empty() && mode != PolicyMode::None {
            return Err(PolicyError::Pattern);
        }
        Ok(Self { mode, max_age, patterns })
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> PolicyMode {
        self.mode
    }

    /// The lifetime in seconds, a year at most.
    #[must_use]
    pub fn max_age(&self) -> u64 {
        self.max_age
    }

    /// True if the policy lets this host take the domain's mail, whatever the mode (RFC 8461 section 4.1).
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.patterns.iter().any(|pattern| pattern.matches(host))
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let size = |pattern: &HostPattern| size_of::<HostPattern>() + pattern.name().len();
        size_of::<Self>() + self.patterns.iter().map(size).sum::<usize>()
    }
}

impl PolicyMode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "enforce" => Some(Self::Enforce),
            "testing" => Some(Self::Testing),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

impl HostPattern {
    /// `sts-policy-mx-value = ["*."] Domain`
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let Ok(Domain::Name(name)) = name.parse() else { return None };
        Some(if below { Self::Below(name) } else { Self::Exact(name) })
    }

    fn name(&self) -> &str {
        match self {
            Self::Exact(name) | Self::Below(name) => name,
        }
    }

    /// The asterisk stands for one label, and for a whole one (RFC 8461 section 4.1, RFC 6125 section 6.4.3).
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(name) => host
                .split_once('.')
                .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(name)),
        }
    }
}

/// `sts-policy-max-age-field = "max_age" ":" 1*10(DIGIT)`
fn seconds(text: &str) -> Option<u64> {
    let valid = (1..=MAX_AGE_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = text.parse().ok().filter(|_| valid)?;
    Some(seconds.min(MAX_AGE_LIMIT))
}

fn name(domain: &Domain) -> Option<&str> {
    match domain {
        Domain::Name(name) => Some(name),
        Domain::Ipv4(_) | Domain::Ipv6(_) => None,
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::{POLICY_LIMIT, Policy, PolicyError, PolicyId, PolicyMode};

    fn id(texts: &[&str]) -> Option<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        PolicyId::find(&texts).map(|id| id.0)
    }

    #[test]
    fn one_valid_record_has_the_identifier() {
        for record in [
            "v=STSv1; id=20160831085700Z;",
            "v=STSv1;id=20160831085700Z",
            "v=STSv1 ;\tid=20160831085700Z ; ",
            "v=STSv1; more=a-b/c; id=20160831085700Z; id=other",
        ] {
            assert_eq!(id(&[record]).as_deref(), Some("20160831085700Z"), "{record}");
            assert_eq!(id(&["v=spf1 -all", record, "v=STSv10; id=x"]).as_deref(), Some("20160831085700Z"));
            assert_eq!(id(&[record, record]), None);
        }
        let long = format!("v=STSv1; id={}", "a".repeat(33));
        for record in [
            "",
            "v=STSv1",
            "v=STSv1;",
            "v=STSv1; id=",
            "v=STSv1; id=a-b",
            "v=STSv1; id = a",
            "v=STSv1 id=a",
            "v=stsv1; id=a",
            " v=STSv1; id=a",
            "v=STSv1; id=a;; x=y",
            "v=STSv1; id=a; b",
            "v=STSv1; id=a; -b=c",
            "v=STSv1; id=a; b=c=d",
            "v=STSv1; ID=a",
            "v=STSv1; id=\u{fc}",
            &long,
        ] {
            assert_eq!(id(&[record]), None, "{record:?}");
        }
    }

    #[test]
    fn the_rfc_s_example_is_read() {
        let body = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n";
        let policy = Policy::parse(body).unwrap();
        assert_eq!((policy.mode(), policy.max_age()), (PolicyMode::Enforce, 604_800));
        for (host, allowed) in [
            ("mail.example.com", true),
            ("Mail.Example.COM.", true),
            ("a.example.net", true),
            ("example.net", false),
            (".example.net", false),
            ("a.b.example.net", false),
            ("example.com", false),
            ("xmail.example.com", false),
            ("mail.example.com.evil.test", false),
            ("", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
    }

    fn parse(body: &str) -> Result<Policy, PolicyError> {
        Policy::parse(body.as_bytes())
    }

    #[test]
    fn what_others_publish_is_read() {
        for body in [
            "version:STSv1\nmode:enforce\nmax_age:9999999999\nmx:a.test",
            "mx: a.test \nmax_age: 31557600\t\nmode: enforce\nversion: STSv1\n\n",
            "version: STSv1\nmode: enforce\nmode: none\nmx: A.test.\nfuture: b: c\nmax_age: 31557600\nmax_age: x",
        ] {
            let policy = parse(body).unwrap();
            assert_eq!((policy.mode(), policy.max_age()), (PolicyMode::Enforce, 31_557_600), "{body}");
            assert!(policy.allows("a.test"));
        }
        assert_eq!(parse("version: STSv1\nmode: none\nmax_age: 0").unwrap().mode(), PolicyMode::None);
        assert_eq!(
            parse("version: STSv1\nmode: testing\nmx: a.test\nmax_age: 1").unwrap().mode(),
            PolicyMode::Testing
        );
    }

    #[test]
    fn a_wrong_policy_is_none() {
        let rest = "\nmode: enforce\nmx: a.test\nmax_age: 1";
        for (body, error) in [
            ("", PolicyError::Version),
            ("version: STSv2\nmode: none\nmax_age: 1", PolicyError::Version),
            ("Version: STSv1\nmode: none\nmax_age: 1", PolicyError::Version),
            ("version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1", PolicyError::Mode),
            ("version: STSv1\nmx: a.test\nmax_age: 1", PolicyError::Mode),
            ("version: STSv1\nmode: enforce\nmax_age: 1", PolicyError::Pattern),
            ("version: STSv1\nmode: enforce\nmx: a.test", PolicyError::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: -1", PolicyError::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: +1", PolicyError::MaxAge),
            ("version: STSv1\nmode: none\nmax_age: 12345678901", PolicyError::MaxAge),
            ("<html>\n", PolicyError::Form),
            ("version: STSv1\nmode: none\nmax_age: 1\nmx: *.*.test", PolicyError::Pattern),
            ("version: STSv1\nmode: none\nmax_age: 1\nmx: a*.test", PolicyError::Pattern),
            ("version: STSv1\nmode: none\nmax_age: 1\nmx: *", PolicyError::Pattern),
            ("version: STSv1\nmode: none\nmax_age: 1\nmx:", PolicyError::Pattern),
            ("version: STSv1\nmode: none\nmax_age: 1\nmx: [192.0.2.1]", PolicyError::Pattern),
        ] {
            assert_eq!(parse(body), Err(error), "{body}");
        }
        let many = format!("version: STSv1{rest}{}", "\nmx: b.test".repeat(64));
        assert_eq!(parse(&many), Err(PolicyError::TooLong));
        let long = format!("version: STSv1{rest}\nx: {}", "y".repeat(POLICY_LIMIT));
        assert_eq!(parse(&long), Err(PolicyError::TooLong));
        assert_eq!(Policy::parse(b"version: STSv1\xff"), Err(PolicyError::Form));
    }

    #[test]
    fn policies_are_where_the_rfc_says() {
        let domain = "Example.com".parse().unwrap();
        assert_eq!(PolicyId::record_name(&domain).unwrap(), "_mta-sts.example.com");
        assert_eq!(Policy::uri(&domain).unwrap(), "https://mta-sts.example.com/.well-known/mta-sts.txt");
        let literal = "[192.0.2.1]".parse().unwrap();
        assert_eq!((PolicyId::record_name(&literal), Policy::uri(&literal)), (None, None));
        for (content_type, expected) in
            [("text/plain", true), ("Text/Plain ; charset=utf-8", true), ("text/html", false), ("", false)]
        {
            assert_eq!(Policy::is_media_type(content_type), expected, "{content_type}");
        }
    }
}
