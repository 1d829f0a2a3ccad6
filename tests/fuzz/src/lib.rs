//! What is tried with any bytes whatever: each parser and each session machine as a function of bytes that panics when
//! something is wrong.
//!
//! `cargo test` plays the seeds and everything that was ever found; `scripts/fuzz` lets libFuzzer look for more, led by
//! the code's coverage. A target takes bytes and nothing else, so that a finding is a file.

mod imap_machines;
mod network_packets;
mod policy;
mod smtp_machines;
mod storage;
mod words;
#[expect(dead_code, reason = "the transcripts of the imap crate need more of their world than noise does")]
#[path = "../../../crates/imap/tests/sessions/world/mod.rs"]
mod world;

/// A target: its name, and what is done with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Each has a folder in `seeds/` with inputs to begin with.
pub const TARGETS: &[Target] = &[
    ("imap-session", imap_machines::session),
    ("imap-message", imap_machines::message),
    ("smtp-session", smtp_machines::session),
    ("smtp-content", smtp_machines::content),
    ("smtp-client", smtp_machines::client),
    ("gate", policy::gate),
    ("header-cleanup", policy::cleanup),
    ("words", words::words),
    ("multicast-dns", network_packets::multicast_dns),
    ("dhcp", network_packets::dhcp),
    ("boot-state", storage::boot_state),
    ("journal", storage::journal),
    ("debian-package", storage::debian_package),
];

/// Divides the bytes: the first says something about how the rest is used.
fn split_first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Cuts bytes into pieces whose lengths follow from a seed; the seed zero cuts nothing.
fn pieces(data: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (data, seed);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
        let most =
            if seed == 0 { rest.len() } else { [1, 2, 9, 300][usize::try_from(state >> 62).unwrap_or(0)] };
        let (piece, after) = rest.split_at(most.min(rest.len()));
        rest = after;
        Some(piece)
    })
}
