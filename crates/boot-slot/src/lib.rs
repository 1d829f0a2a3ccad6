//! Which of the two slots boots next: decides, never writes.
#![forbid(unsafe_code)]
