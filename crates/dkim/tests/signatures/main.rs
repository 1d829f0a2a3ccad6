//! DKIM through the crate's public face: examples of the RFCs, messages signed and verified, messages forged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;
mod odd_message;
mod oracle;
mod rfc_examples;
mod round_trip;
mod strict;
