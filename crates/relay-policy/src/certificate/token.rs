//! The token of a challenge by HTTP.

use std::fmt;

use thiserror::Error;

/// The folder of the answers to challenges (RFC 8555 section 8.3).
const FOLDER: &str = "/.well-known/acme-challenge/";
/// The longest token in characters; those of today's authorities have 43.
const LENGTH_LIMIT: usize = 128;

/// A challenge's token: base64url without padding (RFC 8555 section 8.1), of 128 characters at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChallengeToken(String);

/// The text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a challenge's token has 1 to {LENGTH_LIMIT} characters of base64url")]
pub struct ChallengeTokenError;

impl ChallengeToken {
    /// The token in the path of an authority's request; none if the path is another.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::try_from(path.strip_prefix(FOLDER)?).ok()
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ChallengeToken {
    type Error = ChallengeTokenError;

    fn try_from(text: &str) -> Result<Self, ChallengeTokenError> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (1..=LENGTH_LIMIT).contains(&text.len()) && text.bytes().all(is_base64url);
        fits.then(|| Self(text.to_owned())).ok_or(ChallengeTokenError)
    }
}

impl fmt::Display for ChallengeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ChallengeToken;

    #[test]
    fn a_path_has_a_token_or_is_another() {
        let token = |path: &str| ChallengeToken::of_path(path).map(|token| token.to_string());
        let good = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
        assert_eq!(token(&format!("/.well-known/acme-challenge/{good}")).as_deref(), Some(good));
        let long = format!("/.well-known/acme-challenge/{}", "a".repeat(129));
        for other in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/a/b",
            "/.well-known/acme-challenge/..",
            "/.well-known/acme-challenge/a%2e",
            "/.WELL-KNOWN/acme-challenge/a",
            "//.well-known/acme-challenge/a",
            long.as_str(),
        ] {
            assert_eq!(token(other), None, "{other}");
        }
    }
}
