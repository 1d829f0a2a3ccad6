//! The `lab` program; `lab --help` says what it does.
fn main() {}
