//! Messages (RFC 5322, RFC 2045) as far as IMAP tells about them: envelopes, parts and where they begin and end, and
//! text for SEARCH. Messages are read in pieces and never held whole. Nothing here fails: a malformed message is told
//! as it stands.

pub(crate) mod bodystructure;
pub(crate) mod decode;
pub(crate) mod envelope;
pub(crate) mod header;
pub(crate) mod structure;

pub(crate) use message::address;
