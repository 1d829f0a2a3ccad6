//! Passwords that the server made up itself. They have 142 bits: a thief of the card who knows a fast digest of one can try
//! until the end of the world, as with argon2. So these are checked by a fast one, also after a restart.

use std::collections::VecDeque;
use std::fmt::Write;

use host::locks::Mutex;
use mail_types::{Address, Secret};
use ring::hmac;

use crate::accounts::verified::message;

/// Sets these digests apart from others of the same texts. It is no secret.
const LABEL: &[u8] = b"hearth: a password made up by the server";
/// Credentials that visitors were given and have not used yet, at most; the oldest is forgotten first, and its account is
/// checked by argon2 alone.
const HANDED_OUT_KEPT: usize = 1024;

/// The origin of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Made up here.
    Minted,
    /// Chosen by the client, however well.
    Chosen,
}

/// The verifier to keep: HMAC-SHA256 of address and password in hexadecimal.
pub(crate) fn verifier(account: &Address, password: &Secret) -> Secret {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, LABEL), &message(account, password));
    Secret::new(tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// True if the password is the one that the verifier was made from.
pub(crate) fn fits(account: &Address, password: &Secret, kept: &Secret) -> bool {
    // A digest of what is compared: the time that the comparison takes tells nothing about it.
    let key = hmac::Key::new(hmac::HMAC_SHA256, LABEL);
    let expected = hmac::sign(&key, verifier(account, password).expose());
    hmac::verify(&key, kept.expose(), expected.as_ref()).is_ok()
}

/// The verifiers of credentials that visitors were given, whose accounts come into being at their first login.
#[derive(Debug, Default)]
pub(crate) struct HandedOut(Mutex<VecDeque<Secret>>);

impl HandedOut {
    /// Adds credentials.
    pub(crate) fn add(&self, account: &Address, password: &Secret) {
        let mut kept = self.0.lock();
        if kept.len() >= HANDED_OUT_KEPT {
            kept.pop_front();
        }
        kept.push_back(verifier(account, password));
    }

    /// True if these were given out since the start.
    pub(crate) fn has(&self, account: &Address, password: &Secret) -> bool {
        let wanted = verifier(account, password);
        self.0.lock().contains(&wanted)
    }
}

#[cfg(test)]
mod tests {
    use mail_types::{Address, Secret};

    use crate::accounts::minted::{HANDED_OUT_KEPT, HandedOut, fits, verifier};

    fn account(number: usize) -> Address {
        format!("anna{number}@example.org").parse().unwrap()
    }

    #[test]
    fn a_verifier_fits_its_account_and_password_only() {
        let (one, two) = (Secret::new("one"), Secret::new("two"));
        let kept = verifier(&account(1), &one);
        assert_eq!(kept.expose().len(), 64);
        assert!(fits(&account(1), &one, &kept));
        assert!(!fits(&account(1), &two, &kept));
        assert!(!fits(&account(2), &one, &kept));
        assert!(!fits(&account(1), &one, &Secret::new("")));
    }

    #[test]
    fn credentials_without_end_are_forgotten_from_the_oldest_on() {
        let (handed_out, password) = (HandedOut::default(), Secret::new("one"));
        for number in 0..=HANDED_OUT_KEPT {
            handed_out.add(&account(number), &password);
        }
        assert!(!handed_out.has(&account(0), &password));
        assert!(
            handed_out.has(&account(1), &password) && handed_out.has(&account(HANDED_OUT_KEPT), &password)
        );
        assert!(!handed_out.has(&account(1), &Secret::new("two")));
    }
}
