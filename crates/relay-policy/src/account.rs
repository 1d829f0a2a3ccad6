//! The rules for names and passwords of new accounts, and the generation of fresh ones.

use mail_types::{Address, AddressError, Domain, LocalPart, Secret};

/// A name or password that a new account may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// The address is at a domain that is not served here.
    #[error("the address is not at this server's domain")]
    ForeignDomain,
    /// The name is too short or too long.
    #[error("the name does not have the right number of characters")]
    NameLength,
    /// The name has a character other than `a-z`, `0-9`, `.`, `_`, `-`.
    #[error("the name may only have letters, digits, dots, dashes and underscores")]
    NameCharacter,
    /// The password is too short or too long.
    #[error("the password does not have the right number of characters")]
    PasswordLength,
}

/// The lengths that names and passwords of new accounts may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRules {
    /// The shortest name.
    pub name_min: usize,
    /// The longest name.
    pub name_max: usize,
    /// The shortest password.
    pub password_min: usize,
}

/// The longest password, in bytes; a longer one only costs time to hash.
const PASSWORD_MAX: usize = 1024;
/// The length of a fresh name, in characters.
const NAME_LENGTH: usize = 9;
const NAME_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const PASSWORD_ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Default for AccountRules {
    /// Names of 9 to 64 characters, passwords of at least 9.
    fn default() -> Self {
        Self { name_min: 9, name_max: 64, password_min: 9 }
    }
}

impl AccountRules {
    /// Whether an account of this name and password may be created. The password may hold anything: clients use
    /// all of ASCII's punctuation.
    pub fn check(
        &self,
        address: &Address,
        password: &Secret,
        domains: &[Domain],
    ) -> Result<(), AccountRefusal> {
        if !domains.contains(address.domain()) {
            return Err(AccountRefusal::ForeignDomain);
        }
        let name = address.local().as_str();
        if !(self.name_min..=self.name_max).contains(&name.len()) {
            return Err(AccountRefusal::NameLength);
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !name.bytes().all(allowed) {
            return Err(AccountRefusal::NameCharacter);
        }
        // Characters, as a person counts them; a password that is no text is counted in bytes.
        let password = password.expose();
        let length = str::from_utf8(password).map_or(password.len(), |text| text.chars().count());
        if length < self.password_min || password.len() > PASSWORD_MAX {
            return Err(AccountRefusal::PasswordLength);
        }
        Ok(())
    }
}

/// A fresh name of nine characters from random bytes.
pub fn mint_name(random: [u8; 16]) -> Result<LocalPart, AddressError> {
    digits(u128::from_be_bytes(random), NAME_ALPHABET, NAME_LENGTH).parse()
}

/// A fresh password of 24 letters and digits (142 bits) from random bytes.
#[must_use]
pub fn mint_password(random: [u8; 32]) -> Secret {
    let (first, second) = random.split_at(16);
    let half = |bytes: &[u8]| {
        let number = bytes.iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        // Twelve of 62 are 71 bits out of 128: the bias of the remainder is below 2^-56.
        digits(number, PASSWORD_ALPHABET, 12)
    };
    Secret::new(half(first) + &half(second))
}

/// The lowest digits of a number, written in an alphabet.
fn digits(mut number: u128, alphabet: &[u8], count: usize) -> String {
    let base = u128::try_from(alphabet.len()).unwrap_or(1).max(1);
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        let digit = usize::try_from(number % base).ok().and_then(|digit| alphabet.get(digit));
        text.extend(digit.map(|byte| char::from(*byte)));
        number /= base;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{AccountRefusal, AccountRules, mint_name, mint_password};
    use mail_types::Secret;

    #[track_caller]
    fn check(address: &str, password: &str, expected: Result<(), AccountRefusal>) {
        let domains = ["box.test".parse().unwrap(), "[192.0.2.1]".parse().unwrap()];
        let result =
            AccountRules::default().check(&address.parse().unwrap(), &Secret::new(password), &domains);
        assert_eq!(result, expected, "{address} {password}");
    }

    #[test]
    fn names_and_passwords_that_clients_and_tests_use() {
        check("abc123xyz@box.test", "Zk3\"\\x!#%", Ok(()));
        check("ci-a1b2c3@box.test", "ci-a1b2c3$ci-a1b2c3", Ok(()));
        check("ac1_x2y3z@box.test", "123456789", Ok(()));
        check("Anna.Long.Name@box.test", "123456789", Ok(()));
        check("abc123xyz@[192.0.2.1]", "123456789", Ok(()));
    }

    #[test]
    fn what_is_refused() {
        check("abc123xyz@other.test", "123456789", Err(AccountRefusal::ForeignDomain));
        check("short@box.test", "123456789", Err(AccountRefusal::NameLength));
        check("abc+23xyz@box.test", "123456789", Err(AccountRefusal::NameCharacter));
        check("abc123xyz@box.test", "12345678", Err(AccountRefusal::PasswordLength));
        check("abc123xyz@box.test", "éééééééé", Err(AccountRefusal::PasswordLength));
        check("abc123xyz@box.test", &"x".repeat(1025), Err(AccountRefusal::PasswordLength));
    }

    #[test]
    fn fresh_names_and_passwords_keep_their_own_rules() {
        for byte in 0..=255 {
            let name =
                mint_name(std::array::from_fn(|index| byte ^ u8::try_from(index * 37).unwrap_or(9))).unwrap();
            let password =
                mint_password(std::array::from_fn(|index| byte.wrapping_mul(u8::try_from(index).unwrap())));
            let address = mail_types::Address::new(name, "box.test".parse().unwrap()).unwrap();
            assert_eq!(address.local().as_str().len(), 9);
            assert_eq!(password.expose().len(), 24);
            assert!(password.expose().iter().all(u8::is_ascii_alphanumeric));
            assert_eq!(
                AccountRules::default().check(&address, &password, &["box.test".parse().unwrap()]),
                Ok(())
            );
        }
        assert_ne!(mint_name([1; 16]), mint_name([2; 16]));
        assert_ne!(mint_password([1; 32]), mint_password([2; 32]));
    }
}
