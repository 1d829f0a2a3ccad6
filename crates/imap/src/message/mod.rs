//! Looking into messages (RFC 5322, RFC 2045) as far as IMAP must: headers, parts, where they begin and end.
//! Messages are read in pieces and never held whole; nothing here is decoded for display.

pub(crate) mod header;
