//! The two protocols of datagrams, as bytes; no socket here. UPnP's are in the library.

pub mod nat_pmp;
pub mod pcp;
