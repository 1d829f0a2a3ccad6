//! Text with a syntax of its own: header sections, messages between processes, the configuration, the lists of packages.

use image_builder::debian::{Lock, Wanted};
use ipc::appliance::{ToInit, ToServe};
use ipc::control::{Request, Response};
use ipc::lines::{Line, LineSplitter};
use message::{address, date, parameters, strict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use test_support::pieces;

/// The longest line of [`ipc_lines`], in bytes.
const LINE_LIMIT: usize = 200;

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
            if let Some(mailbox) = strict::first_mailbox(value) {
                assert_eq!(mailbox.to_string().parse(), Ok(mailbox), "an address that is none");
            }
        }
    }
}

/// A stream of lines between processes: however it is cut the lines are the same, and a message is written as it is read.
pub(crate) fn ipc_lines(data: &[u8]) {
    let whole = lines(data, 0);
    for seed in [1, 2] {
        assert_eq!(lines(data, seed), whole, "cutting matters");
    }
    for line in &whole {
        if let Line::Whole(bytes) = line {
            assert!(bytes.len() <= LINE_LIMIT && !bytes.contains(&b'\n'));
        }
        round_trip::<ToServe>(line);
        round_trip::<ToInit>(line);
        round_trip::<Request>(line);
        round_trip::<Response>(line);
    }
}

fn lines(data: &[u8], cuts: u64) -> Vec<Line> {
    let (mut splitter, mut lines) = (LineSplitter::new(LINE_LIMIT), Vec::new());
    for mut piece in pieces(data, cuts) {
        while !piece.is_empty() {
            let (taken, line) = splitter.push(piece);
            lines.extend(line);
            piece = &piece[taken..];
        }
    }
    lines.extend(splitter.finish());
    lines
}

fn round_trip<T: Serialize + DeserializeOwned>(line: &Line) {
    let Ok(message) = line.decode::<T>() else { return };
    let written = ipc::lines::encode(&message).expect("what was read can be written");
    let (last, text) = written.split_last().expect("a line end");
    assert!(*last == b'\n' && !text.contains(&b'\n'), "more than a line");
    let again = Line::Whole(text.to_vec()).decode::<T>().expect("what was written can be read");
    assert_eq!(ipc::lines::encode(&again).expect("and written"), written);
}

/// Any text as the configuration: it is resolved, or at least one finding says why not.
pub(crate) fn configuration(data: &[u8]) {
    match config::examine(&String::from_utf8_lossy(data)) {
        Ok((_, findings)) => assert!(!config::has_errors(&findings), "{findings:?}"),
        Err(findings) => assert!(config::has_errors(&findings), "refused without a reason"),
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
