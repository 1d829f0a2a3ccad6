//! The program's output: results on standard output, progress and errors on standard error.

use std::io::{self, Write};
use std::time::Duration;

use qrcode::{Color, EcLevel, QrCode};

/// The light border around a code, in modules (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// Prints a line on standard error.
pub(crate) fn note(text: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a progress line with the seconds since the start on standard error.
pub(crate) fn progress(since_start: Duration, text: &str) {
    note(&format!("[{:6.1} s] {text}", since_start.as_secs_f64()));
}

/// Prints a line on standard output.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A QR code in half-block characters for light text on a dark background; empty if `text` is too long for one.
pub(crate) fn code(text: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return String::new() };
    let width = code.width();
    let colors = code.into_colors();
    let light = |x: usize, y: usize| {
        let inside =
            (QUIET_ZONE..width + QUIET_ZONE).contains(&x) && (QUIET_ZONE..width + QUIET_ZONE).contains(&y);
        !inside
            || colors
                .get((y - QUIET_ZONE) * width + x - QUIET_ZONE)
                .is_none_or(|&color| color == Color::Light)
    };
    let side = width + 2 * QUIET_ZONE;
    let mut lines = String::new();
    for y in (0..side).step_by(2) {
        lines.extend((0..side).map(|x| match (light(x, y), y + 1 < side && light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_a_light_border() {
        let code = code("dclogin:ac1@hearth.local");
        let lines: Vec<&str> = code.lines().collect();
        let width = lines[0].chars().count();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines[..2].iter().all(|line| line.chars().all(|c| c == '█')));
        assert!(
            lines.iter().all(|line| line.starts_with("████") && line.chars().count() == width
                || line == lines.last().unwrap())
        );
    }
}
