//! Invites: tokens that create accounts, and their terms.

use std::fmt;
use std::str::FromStr;

use crate::account::mint_password;

/// The length of a token in characters: 24 letters and digits are 142 bits.
const TOKEN_LENGTH: usize = 24;
/// The most accounts that one invite creates: a link that many have is no invite any more.
const USES_LIMIT: u32 = 100;
/// The shortest life of an invite, in seconds.
const SHORTEST_LIFE: u64 = 60;
/// The longest life of an invite, in seconds: a year.
const LONGEST_LIFE: u64 = 365 * 24 * 60 * 60;

/// The secret text of an invite. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteToken(String);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invite's token has {TOKEN_LENGTH} letters and digits")]
pub struct InviteTokenError;

impl InviteToken {
    /// A fresh token from random bytes.
    #[must_use]
    pub fn mint(random: [u8; 32]) -> Self {
        Self(String::from_utf8_lossy(mint_password(random).expose()).into_owned())
    }

    /// The text, for the link and for the one place that looks it up.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for InviteToken {
    type Err = InviteTokenError;

    fn from_str(text: &str) -> Result<Self, InviteTokenError> {
        let valid = text.len() == TOKEN_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if valid { Ok(Self(text.to_owned())) } else { Err(InviteTokenError) }
    }
}

impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteToken(..)")
    }
}

/// The terms of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    uses: u32,
    lifetime: u64,
}

/// Terms outside of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteTermsError {
    /// No use, or too many.
    #[error("an invite lets in between 1 and {USES_LIMIT} people")]
    Uses,
    /// Too short to be used, or too long to be remembered.
    #[error("an invite lives between one minute and 365 days")]
    Lifetime,
}

impl InviteTerms {
    /// Terms from a number of accounts and a lifetime in seconds.
    pub fn new(uses: u32, lifetime: u64) -> Result<Self, InviteTermsError> {
        if !(1..=USES_LIMIT).contains(&uses) {
            return Err(InviteTermsError::Uses);
        }
        if !(SHORTEST_LIFE..=LONGEST_LIFE).contains(&lifetime) {
            return Err(InviteTermsError::Lifetime);
        }
        Ok(Self { uses, lifetime })
    }

    /// The number of accounts that the invite creates.
    #[must_use]
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// The lifetime in seconds.
    #[must_use]
    pub fn lifetime(&self) -> u64 {
        self.lifetime
    }
}

/// The seconds of a time span in the notation of the command line: a number and `m`, `h`, `d` or `w`.
pub fn parse_lifetime(text: &str) -> Result<u64, InviteLifetimeError> {
    let mut characters = text.chars();
    let unit = match characters.next_back() {
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        Some('w') => 7 * 24 * 60 * 60,
        _ => return Err(InviteLifetimeError),
    };
    let number = characters.as_str();
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InviteLifetimeError);
    }
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or(InviteLifetimeError)
}

/// A text that is no time span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a number with a unit: 30m (minutes), 12h (hours), 7d (days) or 2w (weeks)")]
pub struct InviteLifetimeError;

#[cfg(test)]
mod tests {
    use super::{InviteLifetimeError, InviteTerms, InviteTermsError, InviteToken, parse_lifetime};

    #[test]
    fn a_minted_token_is_a_token_and_is_not_shown() {
        let token = InviteToken::mint([7; 32]);
        assert_eq!(token.expose().parse(), Ok(token.clone()));
        assert_ne!(token, InviteToken::mint([8; 32]));
        assert_eq!(format!("{token:?}"), "InviteToken(..)");
        for text in
            ["", "short", "ABCDEFGHIJKLMNOPQRSTUVW%", "ABCDEFGHIJKLMNOPQRSTUVWXY", "ÄBCDEFGHIJKLMNOPQRSTUVW"]
        {
            assert!(text.parse::<InviteToken>().is_err(), "{text}");
        }
    }

    #[test]
    fn terms_have_limits() {
        let day = 24 * 60 * 60;
        assert_eq!(InviteTerms::new(0, day), Err(InviteTermsError::Uses));
        assert_eq!(InviteTerms::new(101, day), Err(InviteTermsError::Uses));
        assert_eq!(InviteTerms::new(1, 59), Err(InviteTermsError::Lifetime));
        assert_eq!(InviteTerms::new(1, 365 * day + 1), Err(InviteTermsError::Lifetime));
        let terms = InviteTerms::new(100, 365 * day).unwrap();
        assert_eq!((terms.uses(), terms.lifetime()), (100, 365 * day));
    }

    #[test]
    fn time_spans_are_read_as_people_write_them() {
        for (text, seconds) in [("1m", 60), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(parse_lifetime(text), Ok(seconds));
        }
        for text in ["", "d", "7", "7 d", "+7d", "-1d", "7é", "99999999999999999999d", "9999999999999999999w"]
        {
            assert_eq!(parse_lifetime(text), Err(InviteLifetimeError), "{text}");
        }
    }
}
