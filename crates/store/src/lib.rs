//! Accounts, mailboxes and messages on disk; the only crate that names sled.
#![forbid(unsafe_code)]
