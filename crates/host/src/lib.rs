//! The machine's clocks, its random bytes, the replacement of small files, and locks without poisoning.
//!
//! The pure layers (words, protocols, rules) take time and random bytes as arguments; the other crates of the product
//! read them here only. Keys are made by the crypto provider, which has a source of its own. The store does not use
//! [`file::replace`], since a failed sync must stop it, nor do the image builder and the lab, which write images.

pub mod clock;
pub mod entropy;
pub mod file;
pub mod locks;
