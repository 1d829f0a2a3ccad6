//! The fuzz targets: each parser and each session machine as a function of bytes that panics when
//! something is wrong.
//!
//! `cargo test` plays the seeds, everything that was ever found, and some inputs that it invents, the same each time;
//! `scripts/fuzz` lets libFuzzer look for more, led by the code's coverage. A target takes bytes and nothing else, so
//! that a finding is a file.

mod certificates;
mod clock;
mod configuration;
mod delivery_envelope;
mod dkim_messages;
mod dns_update_answers;
mod imap_machines;
pub mod invention;
mod ipc_lines;
mod network_packets;
#[path = "../../../crates/dkim/tests/signatures/oracle.rs"]
mod oracle;
mod owner_volumes;
mod policy;
mod smtp_machines;
mod storage;
mod text;
mod tunnel;
mod web_requests;
mod words;
#[expect(dead_code, reason = "the transcripts of the imap crate need more of their world than noise does")]
#[path = "../../../crates/imap/tests/sessions/world/mod.rs"]
mod world;

/// A parser or a machine, as a function of bytes that panics when something is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, which its folders and its dictionary bear.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// The number of invented inputs that `cargo test` tries: as many as take a second or two without optimisation.
    pub invented: u64,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]), invented: u64) -> Self {
        Self { name, run, invented }
    }
}

/// All targets. Each has a folder in `seeds/` with inputs to begin with.
pub const TARGETS: &[Target] = &[
    Target::new("imap-session", imap_machines::session, 400),
    Target::new("imap-message", imap_machines::message, 400),
    Target::new("smtp-session", smtp_machines::session, 3_000),
    Target::new("smtp-content", smtp_machines::content, 3_000),
    Target::new("smtp-client", smtp_machines::client, 5_000),
    Target::new("gate", policy::gate, 2_500),
    Target::new("header-cleanup", policy::cleanup, 2_500),
    Target::new("mta-sts", policy::mta_sts, 10_000),
    Target::new("published-records", policy::published_records, 3_000),
    Target::new("words", words::words, 10_000),
    Target::new("multicast-dns", network_packets::multicast_dns, 3_000),
    Target::new("dhcp", network_packets::dhcp, 3_000),
    Target::new("sntp", clock::sntp, 5_000),
    Target::new("time-server-lookup", clock::lookup, 10_000),
    Target::new("web-date", clock::web_date, 5_000),
    Target::new("port-mapping", network_packets::port_mapping, 10_000),
    Target::new("wireguard-conf", tunnel::conf, 2_000),
    Target::new("wireguard-import", tunnel::import, 2_000),
    Target::new("boot-state", storage::boot_state, 3_000),
    Target::new("journal", storage::journal, 100),
    Target::new("debian-package", storage::debian_package, 500),
    Target::new("package-lists", text::package_lists, 500),
    Target::new("header-section", text::header_section, 3_000),
    Target::new("dkim-message", dkim_messages::message, 1_000),
    Target::new("dkim-signing", dkim_messages::signing, 300),
    Target::new("dkim-record", dkim_messages::record, 1_000),
    Target::new("ipc-lines", ipc_lines::lines, 3_000),
    Target::new("configuration", configuration::configuration, 500),
    Target::new("web-requests", web_requests::requests, 1_000),
    Target::new("certificate", certificates::certificate, 5_000),
    Target::new("certificate-chain", certificates::chain, 3_000),
    Target::new("owner-file", owner_volumes::owner_file, 5_000),
    Target::new("delivery-envelope", delivery_envelope::envelope, 10_000),
    Target::new("dns-update-answers", dns_update_answers::answers, 5_000),
    Target::new("dns-update-messages", dns_update_answers::messages, 3_000),
];

/// Separates text from an event in the bytes of a session: the next byte says which.
const EVENT: u8 = 0xff;

/// Divides the bytes: the first says something about how the rest is used.
fn split_first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Divides the bytes of a session at each [`EVENT`]: pieces of text, each with the event behind it, if there is one.
fn texts_and_events(data: &[u8]) -> impl Iterator<Item = (&[u8], Option<u8>)> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| *byte == EVENT).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        rest = after.get(2..).unwrap_or_default();
        Some((text, after.get(1).copied()))
    })
}
