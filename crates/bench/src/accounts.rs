//! The accounts that are used: such as exist, all with one password, or new ones with names that no earlier run has
//! used.

use anyhow::{Context, Result};

/// The names of new accounts begin behind those that are used again and again.
const FIRST_NEW: usize = 5000;

/// An account's address and password.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) password: String,
}

/// Numbered accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    prefix: String,
    password: Option<String>,
    domain: String,
}

impl Accounts {
    /// Accounts that the server has.
    pub(crate) fn existing(prefix: &str, password: &str, domain: &str) -> Self {
        Self { prefix: prefix.to_owned(), password: Some(password.to_owned()), domain: domain.to_owned() }
    }

    /// Accounts that the server makes at their first login.
    pub(crate) fn fresh(domain: &str) -> Result<Self> {
        let clock = std::fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
        let start = u64::from(std::process::id());
        let run = clock
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(start, |hash, digit| hash.wrapping_mul(31).wrapping_add(u64::from(digit)));
        Ok(Self { prefix: format!("b{:04x}", run & 0xffff), password: None, domain: domain.to_owned() })
    }

    /// Whether a first login makes an account.
    pub(crate) fn are_made(&self) -> bool {
        self.password.is_none()
    }

    /// One of those that are used again and again.
    pub(crate) fn numbered(&self, number: usize) -> Account {
        let name = format!("{}{number:04}", self.prefix);
        Account {
            address: format!("{name}@{}", self.domain),
            password: self.password.clone().unwrap_or_else(|| format!("{name}-{name}-{name}")),
        }
    }

    /// One that nobody has logged in to.
    pub(crate) fn new_one(&self, number: usize) -> Account {
        self.numbered(FIRST_NEW + number)
    }
}
