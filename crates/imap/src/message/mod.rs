//! Looking into messages (RFC 5322, RFC 2045) as far as IMAP must: headers, parts, where they begin and end.
//! Messages are read in pieces and never held whole. Nothing here fails: what is malformed is told as it stands.

pub(crate) mod address;
pub(crate) mod bodystructure;
pub(crate) mod content_type;
pub(crate) mod decode;
pub(crate) mod envelope;
pub(crate) mod header;
pub(crate) mod structure;
