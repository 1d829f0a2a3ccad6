//! Numbers of classes and types on the wire.

/// The class of the internet.
pub(super) const IN: u16 = 1;
/// The class that stands for all of a set (RFC 2136 section 2.5.2), and of signatures.
pub(super) const ANY: u16 = 255;
/// The type of the record at the top of a zone.
pub(super) const SOA: u16 = 6;
/// The type of a signature (RFC 8945 section 4.1).
pub(super) const TSIG: u16 = 250;
