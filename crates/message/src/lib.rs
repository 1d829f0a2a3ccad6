//! The header section of a message (RFC 5322): fields, unfolding, dates, addresses, media types.
//!
//! ```text
//! header section -> fields -> one field -> unfold -> date
//!                                                 -> strict                (one reading or none: for decisions)
//!                                                 -> address, parameters   (some reading of any text: for telling)
//! ```
//!
//! A section is a byte slice that the caller has collected up to a limit of its own; nothing here reads a body, decodes
//! text for people, or decides what a message may do.
#![forbid(unsafe_code)]

pub mod address;
pub mod date;
pub mod parameters;
pub mod strict;

mod field;
mod section;

pub use field::{Field, Fields, MalformedField, fields, section_length, unfold};
pub use section::{SectionCollector, SectionTooLarge};
