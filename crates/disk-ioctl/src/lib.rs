//! The two block-device calls that no library offers safely: adding a partition to a running kernel's table, and
//! growing a mounted ext4. The only crate with `unsafe`, and nothing else belongs here.
