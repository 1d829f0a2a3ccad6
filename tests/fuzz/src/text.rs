//! Text with a syntax of its own: header sections, the lists of packages.

use image_builder::debian::{Lock, Wanted};
use message::{address, date, parameters, strict};

/// Any bytes as a header section: its fields are parts of it, in order, and every reader takes every value.
pub(crate) fn header_section(data: &[u8]) {
    let section = message::section_length(data).map_or(data, |length| &data[..length]);
    let fields: Vec<_> = message::fields(data).collect();
    assert_eq!(fields, message::fields(section).collect::<Vec<_>>(), "a field stands behind the section");
    let raw: usize = fields.iter().flatten().map(|field| field.raw.len()).sum();
    assert!(raw <= section.len(), "more fields than bytes");
    for field in fields.into_iter().flatten() {
        let value = message::unfold(field.value);
        assert_eq!(message::unfold(&value), value, "unfolding twice changes something");
        for value in [field.value, &value] {
            let _ = address::parse(value);
            let _ = parameters::parse(value).media_type();
            let _ = strict::media_type(value);
            let _ = date::day(value);
            if let Some(mailbox) = strict::only_mailbox(value) {
                assert_eq!(mailbox.to_string().parse(), Ok(mailbox), "an address that is none");
            }
        }
    }
}

/// Any text as the list of wanted packages and as the lock file, which is written as it is read.
pub(crate) fn package_lists(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = Wanted::parse(&text);
    if let Ok(written) = Lock::parse(&text).and_then(|lock| lock.to_toml()) {
        let again = Lock::parse(&written).and_then(|lock| lock.to_toml());
        assert_eq!(again.ok(), Some(written), "not read back as it was written");
    }
}
