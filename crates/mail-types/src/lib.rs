//! The words of the project: addresses, UIDs, flags and secrets that are valid if they exist.
//!
//! A value exists only by its type's fallible constructor, and no user of it checks again. No IO, no clock,
//! no protocol text: how an address is written on the wire is the business of `imap` and `smtp`.
#![forbid(unsafe_code)]

mod address;
mod flags;
mod keywords;
mod numbers;
mod secret;
mod shown;
mod tlsa;

pub use address::{Address, AddressError, Domain, LocalPart, is_host_name};
pub use flags::{FlagError, Flags, Keyword, SystemFlag};
pub use keywords::{CompactFlags, DictionaryFull, KeywordDictionary};
pub use numbers::{Day, ModSeq, Uid, UidValidity, UnixTime};
pub use secret::Secret;
pub use shown::is_shown;
pub use tlsa::{Tlsa, TlsaMatching, TlsaSelector, TlsaUsage};
