//! The report, as the bytes of a file whose size does not change.

/// The report with the line ends that Notepad wants, cut or filled up with blanks to `size` bytes.
pub(crate) fn filled(report: &str, size: usize) -> Vec<u8> {
    const END: &[u8] = b"\r\n";
    let room = size.saturating_sub(END.len());
    let mut bytes = Vec::with_capacity(size);
    let lines = report.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
    bytes.extend(lines.bytes().take(lines.floor_char_boundary(room)));
    bytes.resize(room, b' ');
    bytes.extend(END);
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn a_report_always_has_the_files_size() {
        assert_eq!(filled("one\ntwo\r\nthree\n", 20), b"one\r\ntwo\r\nthree   \r\n");
        assert_eq!(filled("ää", 6), "ää\r\n".as_bytes());
        assert_eq!(filled("ää", 5), "ä \r\n".as_bytes());
        assert_eq!(filled("", 3), b" \r\n");
        for size in 0..12 {
            assert_eq!(filled("a report", size).len(), size);
        }
    }
}
