//! IMAP4rev1 server session machine: bytes in, bytes and questions out.
#![forbid(unsafe_code)]
