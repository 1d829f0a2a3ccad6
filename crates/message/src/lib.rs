//! The header section of a message (RFC 5322): fields, unfolding, dates.
//!
//! ```text
//! header section -> fields -> one field -> unfold -> date
//! ```
//!
//! A section is a byte slice that the caller has collected up to a limit of its own; nothing here reads a body, decodes
//! text for people, or decides what a message may do.
#![forbid(unsafe_code)]

pub mod date;

mod field;

pub use field::{Field, Fields, MalformedField, fields, section_length, unfold};
