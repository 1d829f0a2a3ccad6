//! DKIM signatures (RFC 6376, RFC 8301, RFC 8463): one message signed on its way out, one message verified on its way in.
//!
//! ```text
//! bytes -> line ends -> header section (held) ---> signed header fields -> signature
//!                    -> body (a stream) -> canonical form -> SHA-256 ----/
//! ```
//!
//! [`Signing`] takes a message in pieces and returns the field to put before it. [`Verification`] takes a message in
//! pieces and returns its [`Signatures`], which name the keys to ask the DNS for, then judge by the answers. Memory
//! holds a header section of at most 1 MiB and a few kB of the body. A message is its form on the wire with dots
//! unescaped: each line ends with CR LF, and a message with a CR or LF alone is neither signed nor valid, since two
//! programs could read two texts in it.
//!
//! Verification is stricter than RFC 6376 where a signature that is valid by its letter does not prove who wrote the
//! message that a person sees; [`Flaw`] lists the reasons to refuse. A signature with `l=`, over a message with a
//! second From, or by `rsa-sha1` is such a one. Only a signature of the author's own domain, exactly, is ever valid.
//!
//! No DNS, no clock, no decisions on mail: the names of keys go out, records and the time come in.
#![forbid(unsafe_code)]

mod body;
mod canonical;
mod der;
mod key_record;
mod line_ends;
mod message_reader;
mod name;
mod public_key;
mod signature;
mod signed_fields;
mod signing;
mod signing_key;
mod tags;
mod verdict;
mod verification;

pub use signing::{Identity, Signing, SigningError};
pub use signing_key::{KeyError, SigningKey};
pub use verdict::{Flaw, KeyAnswer, Verdict};
pub use verification::{Signatures, Verification};
