//! The lines between the box's processes: split alike however they come in pieces, messages read back as written, and no
//! screen of the server's that breaks a display.

use std::fmt::Debug;

use ipc::appliance::{ToInit, ToServe};
use ipc::control::{Request, Response};
use ipc::lines::{Line, LineSplitter, encode};
use pairing::{DisplayStatus, ScreenSize};
use serde::Serialize;
use serde::de::DeserializeOwned;

use test_support::pieces;

use crate::split_first;

/// Displays, in columns and lines.
const SIZES: [(u16, u16); 4] = [(1, 1), (20, 60), (80, 25), (240, 67)];

/// Lines with a limit of as many bytes as the first byte says.
pub(crate) fn lines(data: &[u8]) {
    let (limit, stream) = split_first(data);
    let limit = usize::from(limit);
    let expected = expected(stream, limit);
    for seed in [0, 1, 2] {
        assert_eq!(split(stream, limit, seed), expected, "cutting matters");
    }
    for line in &expected {
        round_trip::<ToServe>(line);
        round_trip::<ToInit>(line);
        round_trip::<Request>(line);
        round_trip::<Response>(line);
        if let Ok(ToInit::Screen(status)) = line.decode() {
            SIZES.into_iter().for_each(|size| screen(&status, size));
        }
    }
}

/// Nothing but printable characters, and no more of them than the display has cells.
fn screen(status: &DisplayStatus, (columns, rows): (u16, u16)) {
    let lines = pairing::status_lines(status, ScreenSize::of_terminal(columns, rows));
    assert!(lines.len() <= usize::from(rows), "{columns}x{rows}: {lines:#?}");
    for line in lines {
        assert!(line.chars().count() <= usize::from(columns), "{columns}x{rows}: {line:?}");
        assert!(line.chars().all(|c| c == ' ' || c.is_ascii_graphic() || "█▀▄".contains(c)), "{line:?}");
    }
}

fn split(stream: &[u8], limit: usize, cuts: u64) -> Vec<Line> {
    let (mut splitter, mut lines) = (LineSplitter::new(limit), Vec::new());
    for mut piece in pieces(stream, cuts) {
        while !piece.is_empty() {
            let (taken, line) = splitter.push(piece);
            assert!(taken > 0, "the splitter stands still");
            lines.extend(line);
            piece = &piece[taken..];
        }
    }
    lines.extend(splitter.finish());
    lines
}

/// The same lines, from the whole stream at once. An unfinished one counts if there is anything of it.
fn expected(stream: &[u8], limit: usize) -> Vec<Line> {
    let line = |bytes: &[u8]| if bytes.len() > limit { Line::TooLong } else { Line::Whole(bytes.to_vec()) };
    let mut lines: Vec<Line> = stream.split(|byte| *byte == b'\n').map(line).collect();
    if lines.last() == Some(&Line::Whole(Vec::new())) {
        lines.pop();
    }
    lines
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(line: &Line) {
    let Ok(message) = line.decode::<T>() else { return };
    let mut written = encode(&message).expect("a message has a form in JSON");
    assert_eq!(written.pop(), Some(b'\n'));
    assert!(!written.contains(&b'\n'), "{message:?} takes two lines");
    assert_eq!(Line::Whole(written).decode::<T>().expect("what was written can be read"), message);
}
