//! Board and image description in, SD-card image out.
fn main() {}
